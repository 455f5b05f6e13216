"""What `nestflow submit` types."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import nestflow.submit
from nestflow.bundle.publish import Published
from nestflow.engine.spark import archives, jars, yarn


@pytest.fixture(autouse=True)
def spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "spark-core_2.12-3.5.9.jar").touch()
    (tmp_path / "nestflow-spark-3.5_2.12.jar").touch()
    monkeypatch.setattr(jars, "FOLDER", tmp_path)
    monkeypatch.setattr(nestflow.submit, "home", lambda: str(tmp_path))
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    return tmp_path


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert nestflow.submit.main(["--dry-run", *arguments]) == 0
    return capsys.readouterr().out.strip()


def test_what_is_typed(spark: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = typed(capsys, "app.py", "--conf", "of the program")
    assert plain == (
        f"{spark}/bin/spark-submit --deploy-mode client --jars {spark}/nestflow-spark-3.5_2.12.jar "
        "--conf spark.memory.offHeap.enabled=true --conf spark.memory.offHeap.size=536870912b "
        f"--conf spark.yarn.appMasterEnv.PYSPARK_PYTHON={sys.executable} "
        f"--conf spark.yarn.appMasterEnv.PYSPARK_DRIVER_PYTHON={sys.executable} "
        f"--conf spark.executorEnv.PYSPARK_PYTHON={sys.executable} app.py --conf 'of the program'"
    )
    line = [
        "--master=yarn",
        "--deploy-mode=cluster",
        "--jars=a.jar,b.jar",
        "--python=/opt/python",
        "--memory=1g",
    ]
    full = typed(capsys, *line, "--conf=spark.executorEnv.PYSPARK_PYTHON=/other", "app.py")
    assert "--deploy-mode cluster --master yarn --jars" in full
    assert "_2.12.jar,a.jar,b.jar --conf" in full
    assert "offHeap.size=1073741824b" in full
    assert "appMasterEnv.PYSPARK_PYTHON=/opt/python" in full
    assert "appMasterEnv.PYSPARK_DRIVER_PYTHON=/opt/python" in full
    assert "executorEnv.PYSPARK_PYTHON=/other" in full and full.count("executorEnv") == 1
    own = typed(capsys, "--conf=spark.yarn.appMasterEnv.PYSPARK_PYTHON=/own", "app.py")
    assert "appMasterEnv.PYSPARK_DRIVER_PYTHON=/own" in own
    # Who has sized the memory has his way.
    assert "offHeap" not in typed(capsys, "--conf=spark.nestflow.memory=2g", "app.py")


def settings(words: list[str]) -> dict[str, str]:
    return dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "--conf")


DEFAULTS = """
# What the administrator says.
spark.master                     yarn
spark.submit.deployMode          cluster
spark.jars=theirs.jar
spark.memory.offHeap.size:       3g
spark.yarn.tags                  daily,\\
                                 team-a
spark.driver.extraClassPath      /etc/site/*
spark.yarn.dist.archives         hdfs:///own.zip#own
spark.yarn.appMasterEnv.PYSPARK_PYTHON  /opt/theirs
spark.executorEnv.PYSPARK_PYTHON /opt/theirs
spark.yarn.appMasterEnv.PYTHONPATH /opt/lib
other.setting                    x
"""


@pytest.mark.parametrize("where", ["conf", "SPARK_CONF_DIR", "--properties-file"])
def test_what_files_of_settings_say(
    spark: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    path = spark / ("conf" if where == "conf" else "elsewhere") / "spark-defaults.conf"
    path.parent.mkdir()
    path.write_text(DEFAULTS)
    line = ["--conf=spark.driver.extraClassPath=/own/*", "--conf=spark.yarn.tags=mine", "app.py"]
    if where == "SPARK_CONF_DIR":
        monkeypatch.setenv(where, str(path.parent))
    elif where == "--properties-file":
        (spark / "conf").mkdir()
        (spark / "conf" / "spark-defaults.conf").write_text("spark.jars not-read.jar")
        line = [where, str(path), *line]
    words = shlex.split(typed(capsys, *line))
    assert words[1:3] == ["--deploy-mode", "cluster"]
    assert words[words.index("--jars") + 1] == f"{spark}/nestflow-spark-3.5_2.12.jar,theirs.jar"
    assert ("--properties-file" in words) == (where == "--properties-file")
    # The interpreters are the administrator's, and so is the memory: Spark reads the file by itself.
    python = "spark.yarn.appMasterEnv.PYSPARK_DRIVER_PYTHON"
    typed_now = settings(words)
    assert "spark.memory.offHeap.size" not in typed_now and typed_now[python] == "/opt/theirs"
    assert typed_now["spark.executorEnv.PYSPARK_PYTHON"] == "/opt/theirs"
    put(monkeypatch)
    conf = settings(shlex.split(typed(capsys, "--tmp-data-path=hdfs:///tmp", *line)))
    # What is typed hides what the file says, for Spark too; what we add hides neither.
    assert conf["spark.driver.extraClassPath"] == "/own/*"
    assert conf["spark.yarn.tags"].startswith("mine,nestflow-1.0,")
    assert conf["spark.yarn.dist.archives"].startswith("hdfs:///own.zip#own,hdfs://n/tmp/nestflow-x")
    assert conf["spark.yarn.appMasterEnv.PYTHONPATH"] == "{{PWD}}/nestflow-x/site:/opt/lib"
    plain = settings(shlex.split(typed(capsys, "--tmp-data-path=hdfs:///tmp", *line[:-3], "app.py")))
    assert "spark.driver.extraClassPath" not in plain
    assert plain["spark.yarn.tags"].startswith("daily,team-a,nestflow-1.0,")


def test_secrets_are_not_shown(
    spark: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["--conf=spark.hadoop.fs.s3a.access.key=AKIA7", "--conf=spark.ssl.keyStorePassword=hunter2"]
    line += ["--conf=spark.executor.extraJavaOptions=-Dtoken=abc", "--conf=spark.app.name=shown"]
    shown = typed(capsys, *line, "app.py", "--conf", "token=of the program")
    assert not [secret for secret in ("AKIA7", "hunter2", "abc") if secret in shown]
    assert "spark.ssl.keyStorePassword=*********(redacted)" in shown and "spark.app.name=shown" in shown
    assert shown.endswith("app.py --conf 'token=of the program'")
    # Spark has to know them.
    run: list[list[str]] = []
    monkeypatch.setattr(nestflow.submit.os, "execve", lambda path, words, environment: run.append(words))
    nestflow.submit.main([*line, "app.py"])
    assert settings(run[0])["spark.ssl.keyStorePassword"] == "hunter2"


def put(monkeypatch: pytest.MonkeyPatch, theirs: str | None = None) -> list[object]:
    """Let archives be there, without a JVM to put them; gives what was asked for."""
    asked: list[object] = []
    says = {"version": "1.0", "commit": "c0ffee", "library": "11", "sha256": "22", "program": "python/bin/p"}
    says["key"] = "1a"
    own = {"environment": "my,env ä", "sha256": "33", "program": "python/bin/p", "key": "1b"}
    published = [
        Published("nestflow-x", "hdfs://n/tmp/nestflow-x.tar.gz", says, 0),
        Published("environment-y", "hdfs://n/tmp/environment-y.tar.gz", own, 0),
    ]

    def needed(env: str | None, nodes: str | None, again: bool) -> archives.Needs:
        asked[:] = [env, nodes, again]
        return archives.Needs(thing, None, nodes)  # type: ignore[arg-type]

    def put_in(folder: str, env: str | None, *_: object) -> archives.Told:
        asked.insert(0, folder)
        return archives.Told(folder, env, theirs, published if env else published[:1])

    made = SimpleNamespace(path="/cache/nestflow-x.tar.gz", sha256="22", bytes=7)
    thing = SimpleNamespace(name="nestflow-x", facts=says, archive=lambda again: made)
    pyspark = SimpleNamespace(SparkConf=Conf, SparkContext=None)
    monkeypatch.setattr(archives, "needed", needed)
    monkeypatch.setattr(archives, "put_in", put_in)
    monkeypatch.setattr(nestflow.submit, "before_context", lambda *_: (None, None))
    monkeypatch.setattr(yarn, "say_where", lambda jvm, hadoop, uri: asked.append(uri))
    monkeypatch.setattr(nestflow.submit, "find_pyspark", lambda: pyspark)
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    return asked


class Conf(dict[str, str]):
    """What stands for a SparkConf."""

    set = dict.__setitem__


def test_a_driver_on_a_node(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = put(monkeypatch)
    line = ["--master=yarn", "--deploy-mode=cluster", "--tmp-data-path=hdfs:///tmp", "--python-env=.venv"]
    line += ["--conf=spark.yarn.tags=mine", "--conf=spark.driver.extraClassPath=/own/*"]
    words = shlex.split(typed(capsys, *line, "app.py"))
    # Nodes may not be able to keep it for all users; whoever submits is told so.
    assert asked == ["hdfs:///tmp", ".venv", None, False, "hdfs://n/tmp/nestflow-x.tar.gz"]
    (jar,) = words[words.index("--jars") + 1].split(",")
    assert jar.endswith("nestflow-spark-3.5_2.12.jar")
    conf = settings(words)
    record = conf.pop("spark.nestflow.archives")
    # What it runs first is the client's own, and reads all of the archives.
    program = Path(conf["spark.yarn.dist.files"].removeprefix("file://"))
    lines = program.read_text().splitlines()
    assert [line for line in lines if line.startswith("archive ")] == [
        "archive nestflow-x 1a hdfs://n/tmp/nestflow-x.tar.gz",
        "archive environment-y 1b hdfs://n/tmp/environment-y.tar.gz",
    ]
    assert lines[-1] == 'exec ./environment-y/python/bin/p "$@"' and program.stat().st_mode & 0o777 == 0o700
    python = f"./{program.name}"
    own = "nestflow-1.0,nestflow-commit-c0ffee,nestflow-bundle-22,nestflow-environment-33"
    own += ",nestflow-library-11,nestflow-x,nestflow-environment-named-my_env__"
    assert {key: conf[key] for key in conf if "memory" not in key} == {
        "spark.nestflow.tmp_data_path": "hdfs:///tmp",
        "spark.yarn.tags": f"mine,{own}",
        "spark.yarn.dist.archives": (
            "hdfs://n/tmp/nestflow-x.tar.gz#nestflow-x,hdfs://n/tmp/environment-y.tar.gz#environment-y"
        ),
        "spark.yarn.dist.files": f"file://{program}",
        "spark.pyspark.driver.python": python,
        "spark.driver.extraClassPath": "/own/*",
        "spark.yarn.appMasterEnv.PYTHONPATH": "{{PWD}}/nestflow-x/site:{{PWD}}/environment-y/site",
        "spark.yarn.appMasterEnv.PYTHONNOUSERSITE": "1",
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": python,
        "spark.yarn.appMasterEnv.PYSPARK_DRIVER_PYTHON": python,
        "spark.executorEnv.PYSPARK_PYTHON": python,
    }
    # A driver that runs from them takes it from there, unless its program wants something else.
    there = {"spark.nestflow.archives": record}
    assert archives.told(there, {"python_env": ".venv"}) is None
    site = Path("/yarn/container_1/nestflow-x/site/nestflow/bundle/product.py")
    monkeypatch.setattr(archives.product, "__file__", str(site))
    told = archives.told(there, {"python_env": ".venv"})
    assert told is not None and [each.name for each in told.published] == ["nestflow-x", "environment-y"]
    assert archives.told(there, {"python_env": "other"}) is None
    assert archives.told(there, {"tmp_data_path": "hdfs:///other"}) is None
    assert archives.told(there, {"reprepare_cache_archive": True}) is None
    assert archives.told({}, {}) is None


def test_a_driver_here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch)
    monkeypatch.setattr(yarn, "brought", lambda *_: {})
    line = ["--master=yarn", "--tmp-data-path=hdfs:///tmp", "--python-env=.venv", "app.py"]
    conf = settings(shlex.split(typed(capsys, *line)))
    # Its pipelines look themselves what is in the environment by then.
    assert "spark.nestflow.archives" not in conf
    assert archives.named_environment({}, conf) == ".venv"
    assert archives.named_environment({"python_env": "other"}, conf) == "other"
    assert archives.named_environment({}, {}) is None


@pytest.mark.parametrize("there", [False, True])
def test_nodes_are_asked_before_something_is_put(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    asked = put(monkeypatch, "/opt/python")
    monkeypatch.setattr(archives, "store_by", lambda *_: None)
    monkeypatch.setattr(archives, "there", lambda *_: there or None)
    monkeypatch.setattr(
        yarn, "brought", lambda *_: {"spark.yarn.dist.files": "hdfs://n/tmp/nestflow-x.tar.gz"}
    )
    line = ["--master=yarn", "--tmp-data-path=hdfs:///tmp", "--python=/opt/python", "app.py"]
    conf = settings(shlex.split(typed(capsys, *line)))
    # Where it is to be put yet, the driver does that when it has an application.
    assert asked == [*(["hdfs:///tmp"] if there else []), None, "/opt/python", False]
    assert ("spark.yarn.dist.files" in conf) == there
    assert "nestflow-bundle-22" in conf["spark.yarn.tags"]


def test_a_driver_in_an_interpreter_of_the_nodes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = put(monkeypatch, "/opt/python")
    line = ["--master=yarn", "--deploy-mode=cluster", "--tmp-data-path=hdfs:///tmp", "--python=/opt/python"]
    full = typed(capsys, *line, "app.py")
    assert asked[:4] == ["hdfs:///tmp", None, "/opt/python", False]
    conf = settings(shlex.split(full))
    assert conf["spark.yarn.appMasterEnv.PYSPARK_DRIVER_PYTHON"] == "./nestflow-python"
    program = Path(conf["spark.yarn.dist.files"].removeprefix("file://"))
    assert program.read_text().splitlines()[-1] == 'exec /opt/python "$@"'
    assert "PYTHONNOUSERSITE" not in full


def test_nothing_is_brought_twice() -> None:
    says = {"version": "1", "commit": "2", "library": "3", "sha256": "4"}
    once = yarn.tags({"spark.yarn.tags": "mine"}.get, [Published("x", "hdfs:/x", says, 0)])
    assert yarn.tags(once.get, [Published("x", "hdfs:/x", says, 0)]) == once


def test_more_tags_than_yarn_takes(caplog: pytest.LogCaptureFixture) -> None:
    says = {"version": "1", "commit": "2", "library": "3", "sha256": "4"}
    theirs = {"spark.yarn.tags": ",".join("abcdefg")}
    assert yarn.tags(theirs.get, [Published("x", "hdfs:/x", says, 0)]) == {
        "spark.yarn.tags": "a,b,c,d,e,f,g,nestflow-1,nestflow-commit-2,nestflow-bundle-4"
    }
    assert "YARN takes 10 tags: these are left out: nestflow-library-3, x" in caplog.text


def test_what_cannot_be(spark: Path) -> None:
    for line, message in (["--conf", "spark.x"], "KEY=VALUE"), (["--memory", "much"], "--memory"):
        with pytest.raises(ValueError, match=message):
            nestflow.submit.main(["--dry-run", *line, "app.py"])
    with pytest.raises(ValueError, match="needs a --tmp-data-path"):
        nestflow.submit.main(["--dry-run", "--python-env=.venv", "app.py"])
    with pytest.raises(ValueError, match="--python and --python-env exclude each other"):
        line = ["--tmp-data-path=/x", "--python-env=.venv", "--python=/opt/python", "app.py"]
        nestflow.submit.main(["--dry-run", *line])
    with pytest.raises(ValueError, match="is for --master yarn"):
        nestflow.submit.main(["--dry-run", "--deploy-mode=cluster", "--tmp-data-path=/x", "app.py"])
    with pytest.raises(SystemExit):
        nestflow.submit.main(["--deploy-mode", "both", "app.py"])
