"""Where the Hadoop client is looked for, and what is said where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import nestflow as nf
from nestflow import errors

if TYPE_CHECKING:
    from pathlib import Path

PRINTS = '#!/bin/sh\necho "{name} $HADOOP_CONF_DIR $*"\n'


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin")
    for name in ("HADOOP_HOME", "HADOOP_CONF_DIR", "HADOOP_CONF_PATH"):
        monkeypatch.delenv(name, raising=False)


def client(**options: object) -> list[str]:
    from nestflow.engine.hadoop.client import Client

    return Client(options).run("ls", "x").split()  # type: ignore[arg-type]


def test_without_a_client_the_option_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    p = nf.Pipeline.create("local")
    with pytest.raises(
        errors.InvalidConfException, match=r"no `hadoop` on PATH, and HADOOP_HOME is not set.*_path"
    ):
        p.read(nf.TextFile("hdfs:///in")).get()
    monkeypatch.setenv("HADOOP_HOME", str(tmp_path))
    with pytest.raises(errors.InvalidConfException, match="where bin/hadoop is none"):
        p._path_exists("hdfs:///in")
    with pytest.raises(errors.InvalidConfException, match="hadoop_client_path: '/no/hadoop' is no program"):
        client(hadoop_client_path="/no/hadoop")
    with pytest.raises(errors.InvalidConfException, match="hadoop_config_path names neither a file nor"):
        client(hadoop_client_path="/bin/true", hadoop_config_path="/no/conf")


def test_where_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "home/bin/hadoop", PRINTS.format(name="home"))
    monkeypatch.setenv("HADOOP_HOME", str(tmp_path / "home"))
    assert client() == ["home", "fs", "-ls", "x"]
    program(tmp_path / "path/hadoop", PRINTS.format(name="path"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin")
    assert client() == ["path", "fs", "-ls", "x"]
    mine = program(tmp_path / "mine", PRINTS.format(name="mine"))
    assert client(hadoop_client_path=mine) == ["mine", "fs", "-ls", "x"]


def test_settings_go_by_files(tmp_path: Path) -> None:
    shows = program(tmp_path / "hadoop", '#!/bin/sh\necho "$HADOOP_CONF_DIR"\necho "$*" >&2\ncat "$3"\n')
    from nestflow.engine.hadoop.client import Client

    options = {"hadoop_client_path": shows, "hadoop_conf": {"a.b": "1<2"}}
    assert "<name>a.b</name><value>1&lt;2</value>" in Client(options).run("ls")
    options = {"hadoop_client_path": shows, "hadoop_config_path": str(tmp_path), "hadoop_job_conf": {"a": 1}}
    assert Client(options).run("ls").splitlines()[0] == str(tmp_path)
    file = tmp_path / "core-site.xml"
    file.write_text("the file")
    assert Client({"hadoop_client_path": shows, "hadoop_config_path": file}).run("ls") == "\nthe file"


def test_its_own_words_are_the_error(tmp_path: Path) -> None:
    fails = program(tmp_path / "hadoop", "#!/bin/sh\necho 'WARN: x' >&2\necho 'ls: no right' >&2\nexit 1\n")
    with pytest.raises(errors.NestflowHDFSException, match=r"^the Hadoop client: ls: no right$"):
        client(hadoop_client_path=fails)
    dies = program(tmp_path / "hadoop", "#!/bin/sh\necho 'JAVA_HOME is not set' >&2\nexit 1\n")
    with pytest.raises(errors.NestflowHDFSException, match="JAVA_HOME is not set"):
        client(hadoop_client_path=dies)
    silent = program(tmp_path / "hadoop", "#!/bin/sh\nexit 3\n")
    with pytest.raises(errors.NestflowHDFSException, match="ended with 3, without a word"):
        client(hadoop_client_path=silent)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("s3a://b/out", "no directory can be renamed"),
        ("hdfs:///user/", "home directory"),
        ("hdfs://h", "home dir"),
        ("hdfs:///user/ann", "home directory"),
    ],
)
def test_where_no_output_can_be(target: str, text: str, tmp_path: Path) -> None:
    # Whoever this process belongs to, Hadoop says that the home is that of ann.
    stat = program(tmp_path / "hadoop", '#!/bin/sh\n[ "$3" = %n ] && echo ann || echo directory\n')
    p = nf.Pipeline.create("local", hadoop_client_path=str(stat))
    p.write(p.parallelize([1]), nf.output.TextFile(target))
    with pytest.raises(errors.InvalidDataException, match=text):
        p.run()
