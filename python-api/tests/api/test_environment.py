"""What `python_env=` takes, without Spark: each becomes an archive that runs anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import traceback
import zipfile
from pathlib import Path

import pytest

from nestflow.bundle import environment as environments
from nestflow.bundle import requirements
from nestflow.bundle.environment import Environment, environment
from nestflow.errors import NestflowRuntimeException


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def wheel(folder: Path) -> Path:
    """A package of one module, as pip takes it."""
    path = folder / "tiny_thing-1.2-py3-none-any.whl"
    files = {
        "tiny_thing.py": "value = 42\n",
        "tiny_thing-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.2\n",
        "tiny_thing-1.2.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tiny_thing-1.2.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A virtual environment with that package, and with one that is left out."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python3.*/site-packages")
    with zipfile.ZipFile(wheel(tmp_path)) as archive:
        archive.extractall(site)
    (site / "pyspark").mkdir()
    (site / "pyspark" / "__init__.py").write_text("")
    (site / "pyspark-4.1.dist-info").mkdir()
    (site / "pyspark-4.1.dist-info" / "METADATA").write_text("Name: pyspark\nVersion: 4.1\n")
    return tmp_path / "venv"


def says(found: Environment, folder: Path) -> list[str]:
    """What the environment says of itself when it is unpacked elsewhere."""
    assert found.archive is not None
    folder.mkdir()
    with tarfile.open(found.archive.archive().path) as archive:
        archive.extractall(folder)
    program = (
        "import sys; sys.path.append(sys.argv[1]); import tiny_thing, importlib.util as u; "
        "print(tiny_thing.value, sys.prefix, u.find_spec('pyspark'))"
    )
    command = [str(folder / found.program), "-c", program, str(folder / "site")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env={}, cwd="/")
    return ended.stdout.split()


def test_a_virtual_environment(venv: Path, tmp_path: Path) -> None:
    found = environment(str(venv))
    assert says(found, tmp_path / "there") == ["42", str(tmp_path / "there" / "python"), "None"]
    assert environment(str(venv)).archive.name == found.archive.name  # type: ignore[union-attr]
    (next((venv / "lib").glob("*/site-packages")) / "tiny_thing.py").write_text("value = 43\n")
    other = environment(str(venv))
    assert other.archive.name != found.archive.name  # type: ignore[union-attr]
    assert says(other, tmp_path / "elsewhere")[0] == "43"


def names(found: Environment) -> set[str]:
    """The files of an environment."""
    assert found.archive is not None
    return {name for name, _ in found.archive.tree().files()}


def test_packages_that_have_parts_for_those_left_out(venv: Path) -> None:
    (site,) = (venv / "lib").glob("python3.*/site-packages")
    (site / "x" / "pyspark").mkdir(parents=True)
    for name in ("x/pyspark/y.py", "x/pyspark.py", "x/pkgs.py", "pyspark_more.py", "nestflow.pth"):
        (site / name).write_text("")
    there = {name for name in names(environment(str(venv))) if name.startswith("site/")}
    assert {"site/x/pyspark/y.py", "site/x/pyspark.py", "site/x/pkgs.py", "site/pyspark_more.py"} <= there
    assert [
        name for name in there if name.startswith(("site/pyspark/", "site/pyspark-", "site/nestflow"))
    ] == []


def test_one_of_conda(venv: Path) -> None:
    (site,) = (venv / "lib").glob("python3.*/site-packages")
    (venv / "conda-meta").mkdir()
    for name in ("x/pyspark", "x/pkgs"):
        (site / name).mkdir(parents=True)
        (site / name / "y.py").write_text("")
    (venv / "pkgs").mkdir()
    (venv / "pkgs" / "cached").write_text("")
    inside = f"python/{site.relative_to(venv)}"
    there = names(environment(str(venv)))
    assert {f"{inside}/x/pyspark/y.py", f"{inside}/x/pkgs/y.py", f"{inside}/tiny_thing.py"} <= there
    assert [name for name in there if name.startswith((f"{inside}/pyspark", "python/pkgs"))] == []


def test_a_folder_that_holds_itself(venv: Path) -> None:
    (site,) = (venv / "lib").glob("python3.*/site-packages")
    (site / "x").mkdir()
    (site / "x" / "y.py").write_text("")
    (site / "x" / "again").symlink_to("..")
    (site / "elsewhere").symlink_to("x")
    there = sorted(name for name in names(environment(str(venv))) if name.endswith("/y.py"))
    assert there == ["site/elsewhere/y.py", "site/x/y.py"]


def test_an_archive_of_one(venv: Path, tmp_path: Path) -> None:
    path = tmp_path / "packed.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(venv, "")
    assert says(environment(str(path)), tmp_path / "there")[0] == "42"


def test_requirements(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"{wheel(tmp_path)}\n")
    assert says(environment(str(path)), tmp_path / "there")[0] == "42"
    path.write_text("/no/such-1.0-py3-none-any.whl\n")
    with pytest.raises(NestflowRuntimeException, match=r"pip cannot install .*such"):
        environment(str(path))


@pytest.mark.parametrize(
    "line",
    [
        "--index-url http://me:{}@127.0.0.1:1/simple\ntiny-thing",
        "tiny @ http://me:{}@127.0.0.1:1/tiny-1-py3-none-any.whl",
    ],
)
def test_a_password_in_requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setenv("PIP_RETRIES", "0")
    path = tmp_path / "requirements.txt"
    path.write_text(line.format("planted") + "\n")
    with pytest.raises(NestflowRuntimeException, match="pip cannot install") as caught:
        environment(str(path))
    assert "planted" not in "".join(traceback.format_exception(caught.value))
    assert "tiny" in str(caught.value)


BACKEND = """
import zipfile

def build_wheel(folder, *_):
    name = "tiny_thing-1.2-py3-none-any.whl"
    info = "tiny_thing-1.2.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.write("tiny_thing.py")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: tiny-thing\\nVersion: 1.2\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


def test_a_project(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (folder / "backend.py").write_text(BACKEND)
    (folder / "tiny_thing.py").write_text("value = 42\n")
    found = environment(str(folder / "pyproject.toml"))
    assert found.archive is not None and found.archive.facts["lock"] == ["tiny-thing==1.2"]
    assert says(found, tmp_path / "there")[0] == "42"
    (folder / "tiny_thing.py").write_text("value = 430\n")
    assert says(environment(str(folder / "pyproject.toml")), tmp_path / "elsewhere")[0] == "430"
    (folder / "backend.py").write_text("1 / 0\n")
    with pytest.raises(NestflowRuntimeException, match=r"pip cannot install what .*pyproject\.toml asks for"):
        environment(str(folder / "pyproject.toml"))


def test_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(NestflowRuntimeException, match="is not there"):
        environment(str(tmp_path / "nothing"))
    with pytest.raises(NestflowRuntimeException, match="has no bin/python"):
        environment(str(tmp_path))
    (tmp_path / "file.doc").write_text("")
    with pytest.raises(NestflowRuntimeException, match="is no folder with bin/python"):
        environment(str(tmp_path / "file.doc"))


def test_another_version(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = environments.ask
    monkeypatch.setattr(environments, "ask", lambda program: ask(program)._replace(version="3.7.1"))
    with pytest.raises(
        NestflowRuntimeException, match=rf"has Python 3\.7\.1, .* runs on 3\.{sys.version_info[1]};"
    ):
        environment(str(venv))


def test_an_interpreter_of_the_machines() -> None:
    assert environment("/opt/own/bin/python3.11") == (
        "/opt/own/bin/python3.11",
        None,
        "/opt/own/bin/python3.11",
        None,
    )


def test_requirements_of_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    run = subprocess.run

    def counted(command: list[str], **options: object) -> object:
        asked.append(command)
        return run(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(requirements.subprocess, "run", counted)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "own.txt").write_text(f"{wheel(tmp_path)}  # ours\n--constraint=../limits.txt\n")
    (tmp_path / "limits.txt").write_text("tiny-thing<2\n")
    path = tmp_path / "requirements.txt"
    path.write_text("-r more/own.txt  # and more\n")

    def looked_up(again: bool = False) -> bool:
        asked.clear()
        found = environment(str(path), again)
        assert found.archive is not None
        assert found.archive.facts["lock"] == ["tiny-thing==1.2"]
        return any("pip" in command for command in asked)

    assert looked_up() and not looked_up() and looked_up(again=True)
    (tmp_path / "limits.txt").write_text("tiny-thing<3\n")
    assert looked_up()
    (tmp_path / "limits.txt").unlink()
    with pytest.raises(NestflowRuntimeException, match=r"requirements cannot be read: .*limits\.txt"):
        environment(str(path))


@pytest.mark.parametrize(
    "line",
    [
        "./mylib",
        "../files/mylib[fast] ; python_version > '3'",
        "-e ./mylib  # ours",
        "--editable=mylib",
        "mylib @ file://{folder}/mylib",
        "tiny.whl \\\n  --no-binary :none:",
        "{folder}/tiny.whl",
        "${{WHEELS}}/tiny.whl",
        "--find-links wheels",
        "-r more.txt",
    ],
)
def test_what_requirements_name_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    folder = tmp_path / "files"
    for name in ("mylib", "wheels", "other"):
        (folder / name).mkdir(parents=True)
    (folder / "mylib" / "pyproject.toml").write_text("[project]")
    (folder / "mylib" / "gone").symlink_to("nowhere")
    (folder / "mylib" / "build").mkdir()
    for path in ("tiny.whl", "wheels/tiny.whl", "other/tiny.whl"):
        (folder / path).write_bytes(b"wheel")
    (folder / "more.txt").write_text("./mylib\n")
    monkeypatch.setenv("WHEELS", str(folder))
    monkeypatch.chdir(tmp_path)
    path = folder / "requirements.txt"
    path.write_text(f"tiny-thing\n{line.format(folder=folder)}\n")
    made: list[str] = []
    monkeypatch.setattr(requirements, "once", lambda kind, key, *_: made.append(key))

    def key() -> str:
        requirements.installed(str(path), "3.11", False)
        return made[-1]

    before = key()
    # What is not named, and what building leaves, means nothing.
    (folder / "other" / "tiny.whl").write_bytes(b"another wheel")
    (folder / "mylib" / "build" / "lib.py").touch()
    assert key() == before
    what = "mylib/pyproject.toml" if "mylib" in line or "more" in line else "tiny.whl"
    (folder / ("wheels/" if "wheels" in line else "") / what).write_bytes(b"[project]\n")
    assert key() != before


def test_the_same_versions_are_the_same_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for client in ("one", "two"):
        (tmp_path / client).mkdir()
        package = wheel(tmp_path / client)
        with zipfile.ZipFile(package, "a") as archive:
            program = "tiny_thing-1.2.data/scripts/tiny"
            archive.writestr(program, "#!python\nprint('of this machine')\n")
        (tmp_path / client / "requirements.txt").write_text(f"{package}\n")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / client / "cache"))
        found = environment(str(tmp_path / client / "requirements.txt"))
        names.append(found.archive.name)  # type: ignore[union-attr]
    assert names[0] == names[1]


def test_a_zip_file_with_rights_and_links(venv: Path, tmp_path: Path) -> None:
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(venv.rglob("*")):
            entry = zipfile.ZipInfo(
                str(file.relative_to(venv)) + "/" * (file.is_dir() and not file.is_symlink())
            )
            entry.external_attr = file.lstat().st_mode << 16
            link = file.is_symlink()
            archive.writestr(
                entry, os.readlink(file) if link else b"" if file.is_dir() else file.read_bytes()
            )
    assert says(environment(str(path)), tmp_path / "there")[0] == "42"
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("../outside")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc")
    with pytest.raises(NestflowRuntimeException, match="has a link outside of it"):
        environment(str(path))
