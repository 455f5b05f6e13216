"""What the options of a pipeline say of Spark and of Hadoop, as these are set. Must not start anything.

Messages never hold a value of a setting: it may be a password.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...options import as_settings, folder

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARIES = ("spark.driver.extraLibraryPath", "spark.executor.extraLibraryPath")
"""Settings that add to what is there: folders of native libraries. We have none of our own."""


def of_spark(options: Mapping[str, Any]) -> dict[str, str]:
    """Give ``spark_conf``; what is no setting of Spark's is one of Hadoop's, which Spark hands on.

    Raises:
        ValueError: not a dict.

    Example:
        >>> of_spark({"spark_conf": {"spark.master": "yarn", "dfs.replication": 2}})
        {'spark.master': 'yarn', 'spark.hadoop.dfs.replication': '2'}
    """
    conf = as_settings(options.get("spark_conf"), "spark_conf")
    return {key if key.startswith("spark.") else f"spark.hadoop.{key}": conf[key] for key in conf}


def put(conf: Any, given: Mapping[str, str]) -> None:
    """Set what is given in a SparkConf that may have settings.

    Example:
        >>> conf = type("Conf", (dict,), {"set": dict.__setitem__})({LIBRARIES[1]: "/a:/b"})
        >>> put(conf, {LIBRARIES[1]: "/c:/a", "spark.app.name": "x"})
        >>> dict(conf)
        {'spark.executor.extraLibraryPath': '/a:/b:/c', 'spark.app.name': 'x'}
    """
    for key, value in given.items():
        there = conf.get(key, None) if key in LIBRARIES else None
        # In their order, each once.
        folders = dict.fromkeys(f"{there}:{value}".split(":")) if there else None
        conf.set(key, value if folders is None else ":".join(folders))


def name(options: Mapping[str, Any]) -> str | None:
    """Give the name of the application that the user wants, if any."""
    return str(options["job_name"]) if options.get("job_name") else None


def default_name() -> str:
    """Give the name of an application that has none: the command, or where somebody types."""
    command = " ".join(sys.argv).strip()
    typed = hasattr(sys, "ps1") or not command
    return f"nestflow in {os.getcwd()}" if typed else command


def home(options: Mapping[str, Any]) -> str | None:
    """Give the folder of the Spark that the user wants, if any.

    Raises:
        ValueError: there is no Spark.

    Example:
        >>> home({"spark_home_path": "/no/spark"})
        Traceback (most recent call last):
        ValueError: spark_home_path: there is no Spark in '/no/spark'
    """
    wanted = options.get("spark_home_path")
    if wanted is None:
        return None
    path = os.path.abspath(folder(wanted, "spark_home_path"))
    if not os.path.isfile(os.path.join(path, "bin", "spark-submit")):
        raise ValueError(f"spark_home_path: there is no Spark in {path!r}")
    return path


def hadoop_file(options: Mapping[str, Any]) -> str | None:
    """Give the address of the file of Hadoop's settings: by ``hadoop_config_path``, or by HADOOP_CONF_PATH.

    Raises:
        ValueError: there is no such file.
    """
    path, who = options.get("hadoop_config_path"), "hadoop_config_path"
    if path is None:
        path, who = os.environ.get("HADOOP_CONF_PATH") or None, "the variable HADOOP_CONF_PATH"
    if path is None:
        return None
    if not os.path.isfile(path):
        raise ValueError(f"{who} names no file: {path!r:.200}")
    return Path(path).absolute().as_uri()
