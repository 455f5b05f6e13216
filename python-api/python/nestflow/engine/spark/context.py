"""The way to Spark: the gateway of the pyspark that belongs to it, and a SparkContext.

A context that is there is used: in a notebook, under spark-submit, in a Livy session. Otherwise one
is made, and stays until the program ends, for all pipelines of the process.
"""

from __future__ import annotations

import glob
import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from ...errors import NestflowRuntimeException
from .defaults import Settings, defaults
from .jars import jar_for, jar_of
from .memory import settings as memory_settings
from .settings import default_name, put

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOG = logging.getLogger("nestflow.spark")


def context(
    session: Any,
    conf: Mapping[str, str],
    name: str | None,
    memory: int | None,
    before: Callable[[Any, Settings], Mapping[str, str]],
) -> Any:
    """Give the SparkContext to run jobs in, with our classes in its JVM.

    Args:
        session: a SparkSession or None.
        conf: settings for a context that has to be made.
        name: what it is called then; None: as Spark was told, or by the command.
        memory: the bytes that native tasks of an executor are to have then; None: a default.
        before: what is done before one is made, with the class and its settings; gives more of them.

    Raises:
        NestflowRuntimeException: there is no pyspark, or a context without our jar.
    """
    pyspark = find_pyspark()
    if session is not None:
        return _checked(_with(_of_session(session), conf))
    found = pyspark.SparkContext._active_spark_context
    if found is not None:
        return _checked(_with(found, conf))
    if os.environ.get("SPARK_REMOTE") or os.environ.get("SPARKCONNECT_MODE_ENABLED"):
        raise NestflowRuntimeException(CONNECT)
    started = "PYSPARK_GATEWAY_PORT" in os.environ
    if started:  # the JVM is there, with our jar or without, and has what spark-submit was told
        pyspark.SparkContext._ensure_initialized()
    # A JVM has read them.
    known = {} if pyspark.SparkContext._jvm is not None else defaults(home())
    settings = Settings(pyspark.SparkConf(), known)
    if name is not None:
        settings.set("spark.app.name", name)
    put(settings, conf)
    if not settings.get("spark.app.name"):
        settings.set("spark.app.name", default_name())
    for key, value in memory_settings(settings, memory).items():
        settings.set(key, value)
    if not started and not settings.get("spark.master"):
        settings.set("spark.master", "local[*]")
    jars = [jar for jar in (settings.get("spark.jars") or "").split(",") if jar]
    if not started and not any("nestflow" in os.path.basename(jar) for jar in jars):
        settings.set("spark.jars", ",".join([*jars, jar_for(home())]))
    for key, value in before(pyspark.SparkContext, settings).items():
        settings.set(key, value)
    return _checked(pyspark.SparkContext(conf=settings.conf))


def before_context(pyspark_context: Any, settings: Settings) -> tuple[Any, Any]:
    """Give a JVM before there is a context, and what the configuration of Hadoop's is going to be.

    Args:
        pyspark_context: the class SparkContext.
        settings: the JVM is started with them, if there is none yet.
    """
    pyspark_context._ensure_initialized(conf=settings.conf)
    jvm = pyspark_context._jvm
    conf = jvm.org.apache.spark.SparkConf()
    for key, value in settings.conf.getAll():
        conf.set(key, value)
    return jvm, jvm.org.apache.spark.deploy.SparkHadoopUtil.get().newConfiguration(conf)


CONNECT = (
    "a Spark Connect session has no RDDs, and nestflow needs them: use a classic session, such as "
    "SparkSession.builder.master(...).getOrCreate() without SPARK_REMOTE"
)


def _with(context: Any, conf: Mapping[str, str]) -> Any:
    """Say which settings come too late for a context that is there."""
    if not conf:
        return context
    has = context.getConf() if context._jsc is not None else conf
    late = sorted(key for key, value in conf.items() if not _has(has.get(key, None), key, value))
    if late:
        message = f"the Spark session is there already, without these settings: {', '.join(late)}"
        warnings.warn(f"nestflow: {message}", RuntimeWarning, stacklevel=2)
    return context


def _has(there: str | None, key: str, value: str) -> bool:
    # Spark adds its own to the options of JVMs.
    return there == value or (key.endswith("JavaOptions") and value in (there or ""))


def _of_session(session: Any) -> Any:
    if ".connect." in type(session).__module__:
        raise NestflowRuntimeException(CONNECT)
    found = getattr(session, "sparkContext", session)
    if not hasattr(found, "_jvm"):
        raise NestflowRuntimeException(f"session has to be a SparkSession, not {type(session).__name__}")
    return found


def _checked(context: Any) -> Any:
    """Make sure that the JVM knows our classes."""
    if context._jsc is None:
        raise NestflowRuntimeException("the SparkContext is stopped")
    if type(context._jvm.nestflow.spark.Driver).__name__ != "JavaClass":
        raise NestflowRuntimeException(
            "this Spark runs without the jar of nestflow; start it with the setting "
            f"spark.jars={_jar(context)} (or spark-submit --jars)"
        )
    return context


def find_pyspark() -> Any:
    """Give pyspark: that of this environment, or of ``SPARK_HOME``."""
    try:
        import pyspark  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        home = os.environ.get("SPARK_HOME")
        archives = _archives(home) if home else []
        if not archives:
            raise NestflowRuntimeException(
                "there is no pyspark: pip install nestflow[spark], or set SPARK_HOME to where Spark is"
            ) from None
        sys.path.extend(archives)
        import pyspark  # type: ignore[import-not-found, unused-ignore]
    return pyspark


def use_home(path: str) -> None:
    """Take Spark, and the pyspark that belongs to it, from a folder, where none runs yet."""
    loaded = sys.modules.get("pyspark")
    running = "PYSPARK_GATEWAY_PORT" in os.environ or (loaded and loaded.SparkContext._gateway is not None)
    if running:
        if os.path.realpath(home()) != os.path.realpath(path):
            message = f"Spark runs already, that of {home()}: spark_home_path={path!r} comes too late"
            warnings.warn(f"nestflow: {message}", RuntimeWarning, stacklevel=2)
        return
    os.environ["SPARK_HOME"] = path
    if loaded is None:
        sys.path[:0] = _archives(path)


def _archives(home: str) -> list[str]:
    return glob.glob(os.path.join(home, "python", "lib", "*.zip"))


def _jar(context: Any) -> str:
    """The jar for a Spark that runs, wherever it is installed."""
    scala = context._jvm.scala.util.Properties.versionNumberString()
    major, minor = context.version.split(".")[:2]
    return jar_of(".".join(scala.split(".")[:2]), major, minor)


def home() -> str:
    """Give the folder of the Spark in use.

    Raises:
        NestflowRuntimeException: there is none.
    """
    find_pyspark()
    from pyspark.find_spark_home import _find_spark_home  # type: ignore[import-not-found, unused-ignore]

    return str(_find_spark_home())


def say(context: Any, text: str) -> None:
    """Let the log of this process say something, and that of the driver's JVM, shown by spark-submit."""
    _LOG.info(text)
    context._jvm.org.slf4j.LoggerFactory.getLogger(_LOG.name).info(text)
