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


def put(monkeypatch: pytest.MonkeyPatch, theirs: str | None = None) -> list[object]:
    """Let archives be there, without a JVM to put them; gives what was asked for."""
    asked: list[object] = []
    says = {"version": "1.0", "commit": "c0ffee", "library": "11", "sha256": "22", "program": "python/bin/p"}
    own = {"sha256": "33", "program": "python/bin/p"}
    published = [
        Published("nestflow-x", "hdfs://n/tmp/nestflow-x.tar.gz", says, 0),
        Published("environment-y", "hdfs://n/tmp/environment-y.tar.gz", own, 0),
    ]

    def put_in(folder: str, env: str | None, nodes: str | None, again: bool, store: object) -> archives.Told:
        asked[:] = [folder, env, nodes, again]
        return archives.Told(folder, env, theirs, published if env else published[:1])

    pyspark = SimpleNamespace(SparkConf=Conf, SparkContext=None)
    monkeypatch.setattr(archives, "put_in", put_in)
    monkeypatch.setattr(nestflow.submit, "before_context", lambda *_: (None, None))
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
    assert asked == ["hdfs:///tmp", ".venv", None, False]
    assert "--jars" not in words
    conf = dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "--conf")
    record = conf.pop("spark.nestflow.archives")
    jar = "./nestflow-x/site/nestflow/engine/spark/jars/nestflow-spark-3.5_2.12.jar"
    python = "./environment-y/python/bin/p"
    own = "nestflow-1.0,nestflow-commit-c0ffee,nestflow-library-11,nestflow-bundle-22,nestflow-environment-33"
    assert {key: conf[key] for key in conf if "memory" not in key} == {
        "spark.nestflow.tmp_data_path": "hdfs:///tmp",
        "spark.yarn.tags": f"mine,{own}",
        "spark.yarn.dist.archives": (
            "hdfs://n/tmp/nestflow-x.tar.gz#nestflow-x,hdfs://n/tmp/environment-y.tar.gz#environment-y"
        ),
        "spark.driver.extraClassPath": f"{jar}:/own/*",
        "spark.executor.extraClassPath": jar,
        "spark.yarn.appMasterEnv.PYTHONPATH": "{{PWD}}/nestflow-x/site:{{PWD}}/environment-y/site",
        "spark.yarn.appMasterEnv.PYTHONNOUSERSITE": "1",
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": python,
        "spark.yarn.appMasterEnv.PYSPARK_DRIVER_PYTHON": python,
        "spark.executorEnv.PYSPARK_PYTHON": python,
    }
    # The driver takes it from there, unless its program wants something else.
    there = {"spark.nestflow.archives": record}
    told = archives.told(there, {"python_env": ".venv"})
    assert told is not None and [each.name for each in told.published] == ["nestflow-x", "environment-y"]
    assert archives.told(there, {"python_env": "other"}) is None
    assert archives.told(there, {"tmp_data_path": "hdfs:///other"}) is None
    assert archives.told(there, {"reprepare_cache_archive": True}) is None
    assert archives.told({}, {}) is None


def test_a_driver_in_an_interpreter_of_the_nodes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = put(monkeypatch, "/opt/python")
    line = ["--master=yarn", "--deploy-mode=cluster", "--tmp-data-path=hdfs:///tmp", "--python=/opt/python"]
    full = typed(capsys, *line, "app.py")
    assert asked == ["hdfs:///tmp", None, "/opt/python", False]
    assert "appMasterEnv.PYSPARK_DRIVER_PYTHON=/opt/python" in full
    assert "PYTHONNOUSERSITE" not in full


def test_more_tags_than_yarn_takes(caplog: pytest.LogCaptureFixture) -> None:
    says = {"version": "1", "commit": "2", "library": "3", "sha256": "4"}
    theirs = {"spark.yarn.tags": ",".join("abcdefg")}
    assert yarn.tags(theirs.get, [Published("x", "hdfs:/x", says, 0)]) == {}
    assert "YARN takes 10 tags" in caplog.text


def test_what_cannot_be(spark: Path) -> None:
    for line, message in (["--conf", "spark.x"], "KEY=VALUE"), (["--memory", "much"], "--memory"):
        with pytest.raises(ValueError, match=message):
            nestflow.submit.main(["--dry-run", *line, "app.py"])
    with pytest.raises(ValueError, match="needs a --tmp-data-path"):
        nestflow.submit.main(["--dry-run", "--python-env=.venv", "app.py"])
    with pytest.raises(ValueError, match="is for --master yarn"):
        nestflow.submit.main(["--dry-run", "--deploy-mode=cluster", "--tmp-data-path=/x", "app.py"])
    with pytest.raises(SystemExit):
        nestflow.submit.main(["--deploy-mode", "both", "app.py"])
