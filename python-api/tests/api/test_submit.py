"""What `nestflow submit` types."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import nestflow.submit
from nestflow.engine.spark import jars


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
    assert "executorEnv.PYSPARK_PYTHON=/other" in full and full.count("executorEnv") == 1
    # Who has sized the memory has his way.
    assert "offHeap" not in typed(capsys, "--conf=spark.nestflow.memory=2g", "app.py")


def test_what_cannot_be(spark: Path) -> None:
    for line, message in (["--conf", "spark.x"], "KEY=VALUE"), (["--memory", "much"], "--memory"):
        with pytest.raises(ValueError, match=message):
            nestflow.submit.main(["--dry-run", *line, "app.py"])
    with pytest.raises(SystemExit):
        nestflow.submit.main(["--deploy-mode", "both", "app.py"])
