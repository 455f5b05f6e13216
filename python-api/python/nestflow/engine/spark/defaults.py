"""What Spark's file of defaults says, for whoever asks before there is a JVM that has read it.

PySpark's settings are empty until then: what is set over them has to extend what the file says, and may not
hide it. Must not set anything: Spark reads the file itself, and what is set stands on a command line.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LINE = re.compile(r"((?:\\.|[^\\\s=:])*)\s*[=:]?\s*(.*)", re.DOTALL)
"""A key, and a value behind a sign or white space."""

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)

_MEANT = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class Settings:
    """A SparkConf over what a file of defaults says."""

    def __init__(self, conf: Any, defaults: Mapping[str, str]) -> None:
        """Begin with a SparkConf; only that gets what is set."""
        self.conf = conf
        self._defaults = defaults

    def get(self, key: str, default: str | None = None) -> str | None:
        """Give a setting, as the application is going to have it."""
        found: str | None = self.conf.get(key, None)
        return self._defaults.get(key, default) if found is None else found

    def set(self, key: str, value: str) -> None:
        """Set it in the SparkConf."""
        self.conf.set(key, value)


def defaults(home: str) -> dict[str, str]:
    """Give what the file of defaults of a Spark says, which the user may not have.

    Args:
        home: the folder of that Spark.
    """
    folder = os.environ.get("SPARK_CONF_DIR") or os.path.join(home, "conf")
    path = os.path.join(folder, "spark-defaults.conf")
    return properties(path) if os.path.isfile(path) else {}


def properties(path: str) -> dict[str, str]:
    """Give the settings of Spark's in a file, which is one of Java's properties.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, encoding="utf-8") as file:
        return parsed(file.read())


def parsed(text: str) -> dict[str, str]:
    r"""Give the settings of Spark's in a text; as in Spark, what is no setting of its own does not count.

    Example:
        >>> parsed("# no\nspark.a  1 \nspark.b=x=\\\n   y\nspark.c:\\u00e4\\:\nother 2")
        {'spark.a': '1', 'spark.b': 'x=y', 'spark.c': 'ä:'}
    """
    found, whole = {}, ""
    for line in text.splitlines():
        line = line.lstrip()
        if not whole and line[:1] in ("", "#", "!"):
            continue
        whole += line
        if (len(whole) - len(whole.rstrip("\\"))) % 2:  # it goes on in the next one
            whole = whole[:-1]
            continue
        match, whole = _LINE.match(whole), ""
        if match is not None and match[1].startswith("spark."):
            found[_plain(match[1])] = _plain(match[2]).strip()
    return found


def _plain(text: str) -> str:
    def meant(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _MEANT.get(match[2], match[2])

    return _ESCAPE.sub(meant, text)
