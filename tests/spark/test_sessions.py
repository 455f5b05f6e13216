"""Spark sessions that are not ours: given, found, and under spark-submit; the program is always the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from on_spark import CONF

from nestflow.engine.spark.jars import jar_for

PROGRAM = """
import sys

import nestflow as nf


def double(x):
    return 2 * x


def main(**options):
    p = nf.Pipeline.create("spark", progress=False, **options)
    words = p.parallelize(["a", "b", "a"] * 1000)
    counts = words.group_by(lambda word: word).apply_values(lambda group: group.count())
    print("answer", sorted(counts.get().items()), p.parallelize([1, 2, 3]).map(double).get())
    p.close()
"""

LOCAL = {**CONF, "spark.master": "local[1]"}

ANSWER = "answer [('a', 2000), ('b', 1000)] [2, 4, 6]"


def jar() -> str:
    return jar_for(os.environ["SPARK_HOME"])


def program(tmp_path: Path, end: str) -> str:
    path = tmp_path / "job.py"
    path.write_text(PROGRAM + textwrap.dedent(end))
    return str(path)


def run(*command: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    changed = {**os.environ, "PYSPARK_PYTHON": sys.executable, **variables}
    environment = {name: value for name, value in changed.items() if value is not None}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environment)


SESSION = """
    from pyspark.sql import SparkSession
    builder = SparkSession.builder
    for key, value in {conf!r}.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
"""


def session(**settings: str) -> str:
    # nestflow finds pyspark in SPARK_HOME; who begins with a session has to say it himself.
    paths = "glob.glob(os.environ['SPARK_HOME'] + '/python/lib/*.zip')"
    here = f"    import glob, os, sys\n    sys.path += {paths}\n"
    return here + SESSION.format(conf={**CONF, "spark.master": "local[1]", **settings})


@pytest.mark.parametrize("options", ["session=spark", ""])
def test_a_session_that_is_there(tmp_path: Path, options: str) -> None:
    end = f"""
    main({options})
    main({options})
    # It stays its owner's.
    assert spark.range(3).count() == 3
    """
    ended = run(sys.executable, program(tmp_path, session(**{"spark.jars": jar()}) + end))
    assert ended.returncode == 0, ended.stderr[-3000:]
    # The JVM may have something to say of the JNI calls of others.
    assert [line for line in ended.stdout.splitlines() if "answer" in line] == [ANSWER, ANSWER]


def test_a_session_without_our_jar(tmp_path: Path) -> None:
    ended = run(sys.executable, program(tmp_path, session() + "\n    main()\n"))
    assert ended.returncode == 1
    assert (
        "this Spark runs without the jar of nestflow; start it with the setting spark.jars=" in ended.stderr
    )


def test_spark_submit(tmp_path: Path) -> None:
    submit = Path(os.environ["SPARK_HOME"], "bin", "spark-submit")
    settings = [f"--conf={key}={value}" for key, value in CONF.items() if key != "spark.master"]
    end = """
    p = nf.Pipeline.create("spark", spark_conf={"spark.executor.extraLibraryPath": "/b:/a"})
    p.parallelize([1]).get()
    has = p._engine._context.getConf()
    print("has", p._engine._context.appName, *map(has.get, sys.argv[1:]))
    main()
    """
    app = program(tmp_path, end)
    said = {"spark.nestflow.memory": "64m", "spark.executor.extraLibraryPath": "/a"}
    settings += [f"--conf={key}={value}" for key, value in said.items()]
    asked = ["spark.memory.offHeap.enabled", *said]
    ended = run(
        str(submit), "--master", "local[1]", "--name", "ours", "--jars", jar(), *settings, app, *asked
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ANSWER in ended.stdout.splitlines()
    # What was said there stays; folders of libraries are added to.
    assert "has ours None 64m /a:/b" in ended.stdout.splitlines()
    without = run(str(submit), "--master", "local[1]", *settings, app)
    assert without.returncode == 1
    assert "(or spark-submit --jars)" in without.stdout + without.stderr


def test_blocks_are_compressed_where_spark_does_not(tmp_path: Path) -> None:
    end = """
    p = nf.Pipeline.create("spark", progress=False)
    words = [f"a word that is much like the others: {number}" for number in range(20_000)]
    assert p.parallelize(words).distinct().count().get() == len(words)
    print("answer", p.last_run["stages"][0]["bytes"])
    """
    put_out = []
    for compressed in ("true", "false"):
        settings = {"spark.jars": jar(), "spark.shuffle.compress": compressed}
        ended = run(sys.executable, program(tmp_path, session(**settings) + end))
        assert ended.returncode == 0, ended.stderr[-3000:]
        put_out.append(int(ended.stdout.split("answer")[1].split()[0]))
    assert put_out[1] < put_out[0] / 2


def test_settings_of_hadoop_and_settings_that_come_too_late(tmp_path: Path) -> None:
    (tmp_path / "site.xml").write_text(
        "<configuration><property><name>fs.odd.impl</name><value>no.such.FromAFile</value></property>"
        "</configuration>"
    )
    end = """
    import warnings

    def error(**options):
        p = nf.Pipeline.create("spark", progress=False, **options)
        try:
            p.read(nf.input.TextFile("odd://place/x")).get()
        except Exception as raised:
            return str(raised)

    print("one", error(hadoop_conf={"fs.odd.impl": "no.such.FromADict"}))
    print("two", error(hadoop_config_path=sys.argv[1]))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        main(spark_conf={"spark.executor.memory": "3g", "spark.master": "local[1]"})
    print("three", told[0].message)
    """
    app = program(tmp_path, session(**{"spark.jars": jar()}) + end)
    ended = run(sys.executable, app, str(tmp_path / "site.xml"))
    assert ended.returncode == 0, ended.stderr[-3000:]
    one, two, three = (line for line in ended.stdout.splitlines() if line.startswith(("one", "two", "three")))
    assert "no.such.FromADict" in one
    assert "no.such.FromAFile" in two
    assert "without these settings: spark.executor.memory" in three


def test_pyspark_of_the_own_environment(tmp_path: Path) -> None:
    """As after `pip install nestflow[spark]`: neither a variable nor an option says where Spark is."""
    package = Path(os.environ["SPARK_HOME"])
    paths = [str(package.parent), *map(str, package.glob("python/lib/py4j-*.zip"))]
    assert len(paths) == 2
    end = f"""
    main(spark_conf={LOCAL!r})
    import os, pyspark
    print("from", os.path.dirname(pyspark.__file__), os.environ.get("SPARK_HOME"))
    """
    app = program(tmp_path, end)
    ended = run(sys.executable, app, SPARK_HOME=None, PYTHONPATH=os.pathsep.join(paths))
    assert ended.returncode == 0, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert ANSWER in lines
    assert f"from {package} None" in lines


def test_a_program_that_is_told_of_spark_connect(tmp_path: Path) -> None:
    app = program(tmp_path, f"main(spark_conf={LOCAL!r})\n")
    ended = run(sys.executable, app, SPARK_REMOTE="sc://nowhere")
    assert ended.returncode == 1
    assert "a Spark Connect session has no RDDs, and nestflow needs them" in ended.stderr


SERVER = """
import glob, os, subprocess, sys
sys.path += glob.glob(os.environ["SPARK_HOME"] + "/python/lib/*.zip")
from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway

settings = SparkConf(loadDefaults=False)
for key, value in {conf!r}.items():
    settings.set(key, value)
gateway = launch_gateway(conf=settings)
for key, value in settings.getAll():
    gateway.jvm.java.lang.System.setProperty(key, value)
gateway.jvm.org.apache.spark.api.java.JavaSparkContext(gateway.jvm.org.apache.spark.SparkConf())
parameters = gateway.gateway_parameters
told = dict(PYSPARK_GATEWAY_PORT=str(parameters.port), PYSPARK_GATEWAY_SECRET=parameters.auth_token)
sys.exit(subprocess.run([sys.executable, *sys.argv[1:]], env=dict(os.environ, **told)).returncode)
"""
"""What a Livy server has for a session: a JVM with a Spark in it, and another process for Python."""

SHELL = """
import ast, glob, os, sys
sys.path += glob.glob(os.environ["SPARK_HOME"] + "/python/lib/*.zip")
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

gateway = launch_gateway()
jvm = gateway.jvm
running = jvm.org.apache.spark.SparkContext.getOrCreate()
jsc = jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(running)
sc = SparkContext(jsc=jsc, gateway=gateway, conf=SparkConf(_jvm=jvm, _jconf=jsc.getConf()))
spark = SparkSession(sc)
for statement in ast.parse(open(sys.argv[1]).read()).body:
    exec(compile(ast.Module([statement], []), "<stdin>", "exec"), globals())
"""
"""What runs there: it takes the Spark of the JVM, and runs one statement after the other."""


def test_a_session_of_a_server_is_found(tmp_path: Path) -> None:
    """As in Livy, whose interactive part no registry has: `livy-repl` does the same with its interpreter."""
    (tmp_path / "server.py").write_text(
        SERVER.format(conf={**CONF, "spark.master": "local[1]", "spark.app.name": "s", "spark.jars": jar()})
    )
    (tmp_path / "shell.py").write_text(SHELL)
    statements = program(tmp_path, "main()\nmain()\nprint('still', spark.range(3).count())\n")
    ended = run(sys.executable, str(tmp_path / "server.py"), str(tmp_path / "shell.py"), statements)
    assert ended.returncode == 0, ended.stderr[-3000:]
    told = [line for line in ended.stdout.splitlines() if line.startswith(("answer", "still"))]
    assert told == [ANSWER, ANSWER, "still 3"]


def test_options_of_applications(tmp_path: Path) -> None:
    for name in ("ByOption", "ByVariable"):
        value = f"<property><name>fs.odd.impl</name><value>no.such.{name}</value></property>"
        (tmp_path / f"{name}.xml").write_text(f"<configuration>{value}</configuration>")
    end = f"""
    import os, warnings

    conf = {CONF!r} | {{"spark.master": "local[1]", "fs.even.impl": "no.such.OfSpark",
            "spark.hadoop.fs.other.impl": "no.such.Other"}}

    def error(scheme, **options):
        p = nf.Pipeline.create("spark", progress=False, spark_conf=conf, **options)
        try:
            p.read(nf.input.TextFile(scheme + "://place/x")).get()
        except Exception as raised:
            return str(raised)

    home = {os.environ["SPARK_HOME"]!r}
    p = nf.Pipeline.create("spark", progress=False, spark_conf=conf, spark_home_path=home)
    assert p.parallelize([1]).map(double).get() == [2]
    print("home", os.environ["SPARK_HOME"], "name", p._engine._context.appName)
    print("even", error("even"), error("other"))
    print("odd", error("odd"))
    print("by option", error("odd", hadoop_config_path={str(tmp_path / "ByOption.xml")!r}))
    os.environ["HADOOP_CONF_PATH"] = "no/such"
    print("gone", error("odd"))
    os.makedirs("other/bin")
    open("other/bin/spark-submit", "w").close()
    del os.environ["HADOOP_CONF_PATH"]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        main(spark_home_path="other", spark_conf=conf)
    print("late", *[each.message for each in told])
    """
    app = program(tmp_path, end)
    (tmp_path / "here").mkdir()
    command = ["sh", "-c", f"cd {tmp_path / 'here'} && exec '{sys.executable}' {app} an argument"]
    by_variable = {"HADOOP_CONF_PATH": str(tmp_path / "ByVariable.xml"), "SPARK_HOME": None}
    ended = run(*command, **by_variable)
    assert ended.returncode == 0, ended.stderr[-3000:]
    lines = {line.split()[0]: line for line in ended.stdout.splitlines() if line}
    assert lines["home"] == f"home {os.environ['SPARK_HOME']} name {app} an argument"
    assert "no.such.OfSpark" in lines["even"] and "no.such.Other" in lines["even"]
    assert "no.such.ByVariable" in lines["odd"]
    assert "no.such.ByOption" in lines["by"]
    assert lines["gone"] == "gone the variable HADOOP_CONF_PATH names no file: 'no/such'"
    assert ANSWER in ended.stdout.splitlines()
    assert "Spark runs already, that of" in lines["late"] and "comes too late" in lines["late"]


COLLECTING = """
    import gc

    class Collecting:
        # What reads the JVM's answers; the garbage collector runs while one is still to come.
        def __init__(self, stream):
            self._stream = stream

        def readline(self):
            gc.collect()
            return self._stream.readline()

        def close(self):
            self._stream.close()

    options = {{"progress": False, "spark_conf": {conf!r}}}
    # The second one needs no new settings, and is used only when the first is gone.
    first, second = nf.Pipeline.create("spark", **options), nf.Pipeline.create("spark", **options)
    kept = first.parallelize([1]).map(double).cache()
    assert kept.get() == [2]
    context = first._engine._context
    gc.disable()
    first.itself = [first]
    del first, kept
    connection = context._jvm._gateway_client.get_thread_connection()
    connection.stream = Collecting(connection.stream)
    for _ in range(3):
        assert second.parallelize([1, 2, 3]).map(double).get() == [2, 4, 6]
    gc.enable()
    second.close()
    while len(context._jsc.getPersistentRDDs()):
        time.sleep(0.01)
    print("released")
"""


def test_a_pipeline_that_nobody_has_ends_while_another_asks(tmp_path: Path) -> None:
    """Its end must not take the answer to what was asked: the garbage collector runs whenever it likes."""
    ended = run(sys.executable, program(tmp_path, "    import time\n" + COLLECTING.format(conf=LOCAL)))
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "released" in ended.stdout.splitlines()


def test_the_file_of_defaults(tmp_path: Path) -> None:
    """Before there is a JVM, PySpark does not know it; what is set over it keeps it."""
    theirs = tmp_path / "theirs.jar"
    zipfile.ZipFile(theirs, "w").close()
    said = {
        **CONF,
        "spark.master": "local[1]",
        "spark.app.name": "by default",
        "spark.jars": str(theirs),
        "spark.memory.offHeap.enabled": "true",
        "spark.memory.offHeap.size": "70m",
        "spark.executor.extraLibraryPath": "/theirs",
        "spark.hadoop.planted.password": "hunter2",
    }
    (tmp_path / "spark-defaults.conf").write_text("".join(f"{key}  {said[key]}\n" for key in said))
    end = """
    import json, os

    main(spark_conf={"spark.executor.extraLibraryPath": "/own"})
    from pyspark import SparkContext

    context = SparkContext.getOrCreate()
    print("conf", json.dumps(dict(context.getConf().getAll())))
    with open(f"/proc/{context._gateway.proc.pid}/cmdline") as file:
        print("shown", "hunter2" in file.read())
    """
    ended = run(sys.executable, program(tmp_path, end), SPARK_CONF_DIR=str(tmp_path))
    assert ended.returncode == 0, ended.stderr[-3000:]
    lines = ended.stdout.splitlines()
    assert ANSWER in lines and "shown False" in lines
    (line,) = (line for line in lines if line.startswith("conf "))
    conf = json.loads(line.removeprefix("conf "))
    kept = ("spark.master", "spark.app.name", "spark.memory.offHeap.size", "spark.hadoop.planted.password")
    assert {key: conf[key] for key in kept} == {key: said[key] for key in kept}
    assert conf["spark.executor.extraLibraryPath"] == "/theirs:/own"
    assert [jar.split("/")[-1] for jar in conf["spark.jars"].split(",")] == [theirs.name, Path(jar()).name]
