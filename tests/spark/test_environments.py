"""`python_env=` in jobs: executors without any Python run functions with the user's own packages."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import bare
import native_libraries
import pytest

pytestmark = pytest.mark.skipif(
    "pyspark-3.5" in os.environ.get("SPARK_HOME", ""),
    reason="tried with one Spark: another one takes as long",
)

ALL = bool(os.environ.get("NESTFLOW_ENVIRONMENTS"))
"""Try what takes a minute more, too."""

PROGRAM = """
import json, os, sys
import nestflow as nf

conf, store, *envs = json.loads(sys.argv[1]), *sys.argv[2:]


def look(number):
    import ctypes, json, os, shutil, sys
    import tiny_thing

    def said(language, function, *arguments):
        library = ctypes.CDLL(os.path.join(os.path.dirname(tiny_thing.__file__), f"{language}.so"))
        asked = getattr(library, function)
        asked.restype = ctypes.c_char_p
        return json.loads(asked(*arguments))

    library = ctypes.CDLL(os.path.join(os.path.dirname(tiny_thing.__file__), "tiny_thing_native.so"))
    native = [library.twice(number)]
    order = {"customer": "a", "items": {"1": {"price": number, "quantity": 2}}}
    native.append(said("go", "nestflow_json_price_of", json.dumps(order).encode())["value"]["total"])
    native.append(said("rust", "nestflow_schema_totals")["doc"])
    spark = any(os.path.isdir(os.path.join(place, "pyspark")) for place in sys.path)
    return [shutil.which("python3"), sys.executable, tiny_thing.__file__, native, spark]


def files():
    found = [os.path.join(at, name) for at, _, names in os.walk(store) for name in names]
    return {path: [os.stat(path).st_mtime_ns, os.stat(path).st_mode & 0o777] for path in found}


answers = []
for env in envs:
    p = nf.Pipeline.create(
        "spark", progress=False, spark_conf=conf, tmp_data_path=f"file://{store}", python_env=env
    )
    try:
        answers.append(p.parallelize([21]).map(look).get()[0])
    except nf.errors.NestflowRuntimeException as error:
        jobs = p._engine._context.statusTracker().getJobIdsForGroup(None) if p._engine._context else []
        answers.append([str(error), len(jobs)])
    answers[-1].append(files())
    p.close()
print("answer", json.dumps(answers))
"""


NATIVE = [42, 42, "The totals of order lines."]
"""What the libraries in C, Go and Rust say."""


def run(tmp_path: Path, envs: list[str]) -> list[list[Any]]:
    """Run a job with each environment, one after the other in one application."""
    return bare.run(tmp_path, PROGRAM, str(tmp_path / "store"), *envs)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel that has native libraries in it, and one that calls itself PySpark."""
    folder = tmp_path_factory.mktemp("wheels")
    source = folder / "native.c"
    source.write_text("int twice(int number) { return 2 * number; }\n")
    library = native_libraries.c(source, folder, "tiny_thing_native.so")
    files = {
        "tiny_thing/__init__.py": b"value = 42\n",
        "tiny_thing/tiny_thing_native.so": library.read_bytes(),
        "tiny_thing/go.so": native_libraries.go(folder, "go.so").read_bytes(),
        "tiny_thing/rust.so": native_libraries.rust(folder, "rust.so").read_bytes(),
    }
    _wheel(folder, "tiny_thing", "py3-none-linux_x86_64", files)
    _wheel(folder, "pyspark", "py3-none-any", {"pyspark/__init__.py": b""})
    return folder


def _wheel(folder: Path, name: str, tag: str, files: dict[str, bytes]) -> None:
    info = f"{name}-1.2.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    record = f"{info}/RECORD"
    lines = [f"{path},{_digest(content)},{len(content)}" for path, content in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    with zipfile.ZipFile(folder / f"{name}-1.2-{tag}.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)


def _digest(content: bytes) -> str:
    found = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={found.decode().rstrip('=')}"


def _venv(folder: Path, wheels: Path, python: str = sys.executable) -> Path:
    """A virtual environment with the wheel in it."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = (folder / "lib").glob("python3.*/site-packages")
    for wheel in wheels.glob("tiny_thing-*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return folder


def _pex(folder: Path, wheels: Path, *names: str) -> Path:
    """A PEX file with wheels in it."""
    path = folder / f"{'-'.join(names)}.pex"
    command = [
        sys.executable,
        "-m",
        "pex",
        *names,
        "--no-index",
        "--find-links",
        str(wheels),
        "-o",
        str(path),
    ]
    subprocess.run([*command, "--pex-root", str(folder / "pex")], check=True, capture_output=True)
    return path


def test_each_kind(wheels: Path, tmp_path: Path) -> None:
    venv = _venv(tmp_path / "venv", wheels)
    packed = tmp_path / "packed.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(venv, "")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"--no-index\n--find-links {wheels}\ntiny_thing==1.2\n")
    kinds = [str(_pex(tmp_path, wheels, "tiny_thing", "pyspark")), str(requirements), str(venv)]
    if ALL:
        kinds = [str(packed), str(_pex(tmp_path, wheels, "tiny_thing")), *kinds]
    answers = run(tmp_path, [*kinds, str(venv)])
    for python, program, module, native, spark, _ in answers:
        assert (python, native, spark) == (None, NATIVE, False)
        assert "/environment-" in program and "/environment-" in module
    # The second job with an environment uploads nothing.
    assert answers[-1][-1] == answers[-2][-1]
    environments = {path: rights for path, (_, rights) in answers[-1][-1].items() if "/environment-" in path}
    # An archive and a manifest of each; some hold the same.
    assert 4 <= len(environments) <= 2 * len(kinds)
    assert set(environments.values()) == {0o600}
    (folder,) = (tmp_path / "store").glob("environments-*")
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not ALL, reason="it takes long; make soak tries it")
def test_one_of_conda(wheels: Path, tmp_path: Path) -> None:
    """An environment that can be moved as it is, with an interpreter of its own: as conda-pack makes them."""
    program = os.path.realpath(sys.executable)
    root = Path(program).parent.parent
    conda = tmp_path / "conda"
    (conda / "conda-meta").mkdir(parents=True)
    (conda / "bin").mkdir()
    shutil.copy(program, conda / "bin")
    (conda / "bin" / "python").symlink_to(Path(program).name)
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = root / "lib" / minor
    if not library.is_dir():
        pytest.skip("this Python is not laid out like one of conda's")
    shutil.copytree(library, conda / "lib" / minor, ignore=shutil.ignore_patterns("site-packages", "test"))
    for shared in (root / "lib").glob("libpython*.so*"):
        shutil.copy(shared, conda / "lib", follow_symlinks=True)
    site = conda / "lib" / minor / "site-packages"
    site.mkdir()
    with zipfile.ZipFile(next(wheels.glob("tiny_thing-*.whl"))) as archive:
        archive.extractall(site)
    packed = tmp_path / "conda.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(conda, "")
    ((python, program, module, native, spark, _),) = run(tmp_path, [str(packed)])
    assert (python, native, spark) == (None, NATIVE, False)
    assert "/environment-" in program and "/environment-" in module


IN_PLACE = """
import json, sys
import nestflow as nf

conf, store, program = json.loads(sys.argv[1]), *sys.argv[2:]
p = nf.Pipeline.create(
    "spark", progress=False, spark_conf=conf, tmp_data_path=f"file://{store}", python_env=program
)
print("answer", json.dumps(p.parallelize([21]).map(lambda x: [x, sys.executable, nf.__file__]).get()[0]))
"""


def test_an_interpreter_that_the_machines_have(tmp_path: Path) -> None:
    """It is used as it is; the bundle comes without one."""
    program = tmp_path / "opt" / f"python3.{sys.version_info[1]}"
    program.parent.mkdir()
    program.symlink_to(os.path.realpath(sys.executable))
    number, used, module = bare.run(tmp_path, IN_PLACE, str(tmp_path / "store"), str(program))
    assert (number, used) == (21, str(program))
    (archive,) = (tmp_path / "store").rglob("*.tar.gz")
    assert f"/{archive.name.removesuffix('.tar.gz')}/site/" in module
    with tarfile.open(archive) as opened:
        assert [name for name in opened.getnames() if name.startswith("python/")] == []


def test_another_python(wheels: Path, tmp_path: Path) -> None:
    other = _other_python()
    version = subprocess.run(
        [other, "-c", "import platform; print(platform.python_version())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    venv = _venv(tmp_path / "venv", wheels, other)
    there = tmp_path / "opt" / f"python{version.rpartition('.')[0]}"
    there.parent.mkdir()
    there.symlink_to(other)
    for text, jobs, files in run(tmp_path, [str(venv), str(there)]):
        here = f"{sys.version_info[0]}.{sys.version_info[1]}"
        assert f"has Python {version}, but this program runs on {here}" in text
        assert jobs <= 1  # that which asks an interpreter of the machines
        # No bundle either: it would be of no use.
        assert files == {}


def _other_python() -> str:
    """A Python of another version, which runs."""
    found = [shutil.which(f"python3.{minor}") for minor in range(10, 15) if minor != sys.version_info[1]]
    home = Path.home() / ".pyenv" / "versions"
    found += [str(path) for path in sorted(home.glob("3.1*/bin/python3")) if path.exists()]
    for program in found:
        if program is None or f"/{sys.version_info[0]}.{sys.version_info[1]}." in program:
            continue
        if subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode == 0:
            return program
    pytest.skip("there is no Python of another version")
