"""Makes a wheel of what scripts/build has built: compiled modules, the executors' library, the jars.

Who installs it needs neither a compiler nor a checkout. pip can make one from python-api alone; that one
compiles, and has no part for Spark. Needs Python 3.11.
"""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python-api" / "python" / "nestflow"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
"""Whether the modules are those for an interpreter without a lock, which has no others."""
TRIPLE = os.environ.get("NESTFLOW_TRIPLE")
MACHINE = TRIPLE.partition("-")[0] if TRIPLE else platform.machine()
"""What the libraries were compiled for."""
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") if FREE_THREADED else ".abi3.so"


def main(folder: str) -> None:
    """Write the wheel, and say where it is."""
    with (ROOT / "python-api" / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    version = project["version"]
    tag = f"{'cp314-cp314t' if FREE_THREADED else 'cp310-abi3'}-{_system()}"
    info = f"nestflow-{version}.dist-info"
    files = _package()
    files[f"{info}/METADATA"] = _metadata(project).encode()
    files[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: nestflow\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    )
    scripts = "".join(f"{name} = {where}\n" for name, where in project["scripts"].items())
    files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}".encode()
    record = f"{info}/RECORD"
    files[record] = "".join([*map(_recorded, sorted(files.items())), f"{record},,\n"]).encode()
    target = Path(folder) / f"nestflow-{version}-{tag}.whl"
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in sorted(files.items()):
            # The same bytes for the same files.
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)
    print(target)


def _system() -> str:
    # Linked for glibc 2.17 where Zig is, unless it is to be for this system only (scripts/env.sh).
    old = platform.system() == "Linux" and MACHINE in ("x86_64", "aarch64") and TRIPLE != ""
    return f"{'manylinux2014' if old else 'linux'}_{MACHINE}"


def _package() -> dict[str, bytes]:
    paths = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    # Modules for other interpreters may lie beside.
    others = {path for path in PACKAGE.glob("_*.so") if not path.name.endswith(SUFFIX)}
    paths = [path for path in paths if path not in others]
    if not any(path.suffix == ".jar" for path in paths) or not (PACKAGE / f"_host{SUFFIX}").exists():
        sys.exit("there are no jars or no libraries: scripts/build makes them")
    return {f"nestflow/{path.relative_to(PACKAGE)}": _content(path) for path in paths}


def _content(path: Path) -> bytes:
    """Give a file; a library without the names that only debuggers want."""
    # The executors' library is as its hash says.
    known = shutil.which("strip") and platform.machine() == MACHINE
    if path.suffix != ".so" or path.name == "libnestflow_jni.so" or not known:
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        subprocess.run(["strip", "-x", "-S", "-o", copy, path], check=True)
        return copy.read_bytes()


def _metadata(project: dict[str, Any]) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Summary: {project['description']}", f"Requires-Python: {project['requires-python']}"]
    lines += [f"Requires-Dist: {each}" for each in project["dependencies"]]
    for extra, wanted in project["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}"]
        lines += [f'Requires-Dist: {each}; extra == "{extra}"' for each in wanted]
    return "\n".join(lines) + "\n"


def _recorded(file: tuple[str, bytes]) -> str:
    name, data = file
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "out")
