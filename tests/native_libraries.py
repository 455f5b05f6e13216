"""The libraries that tests of native functions call, compiled where there is a compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from nestflow.native.__main__ import include

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "native"


def c(source: Path, folder: Path, name: str, *options: str) -> Path:
    """Compile a library of C."""
    return _made(
        "cc", folder / name, ["-shared", "-fPIC", "-O1", f"-I{include()}", *options, str(source), "-o"]
    )


def go(folder: Path, name: str, *files: str) -> Path:
    """Compile the example in Go, or some of its files."""
    return _made(
        "go", folder / name, ["build", "-buildmode=c-shared", "-o"], files or (".",), EXAMPLES / "go"
    )


def rust(folder: Path, name: str) -> Path:
    """Compile the example in Rust."""
    source = EXAMPLES / "rust" / "src" / "lib.rs"
    arguments = ["--crate-type", "cdylib", "--edition", "2021", "-Copt-level=1", str(source), "-o"]
    return _made("rustc", folder / name, arguments)


def _made(
    compiler: str, path: Path, before: list[str], after: tuple[str, ...] = (), folder: Path | None = None
) -> Path:
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    subprocess.run([compiler, *before, str(path), *after], cwd=folder, check=True)
    return path


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    *[(name, ctypes.c_int64) for name in ("flags", "n_children")],
    *[(name, ctypes.c_void_p) for name in ("children", "dictionary")],
    ("release", _RELEASE),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    *[(name, ctypes.c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")],
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    *[(name, ctypes.c_void_p) for name in ("children", "dictionary")],
    ("release", _RELEASE),
    ("private_data", ctypes.c_void_p),
]


class Doubles:
    """An array of doubles for the Arrow C data interface, without pyarrow; counts its releases."""

    def __init__(self, values: list[float], kind: bytes = b"g") -> None:
        self.released = 0
        data = (ctypes.c_double * len(values))(*values)
        self._buffers = (ctypes.c_void_p * 2)(None, ctypes.addressof(data))
        self._release = _RELEASE(self._gone)
        self._schema = _Schema(format=kind, name=b"", release=self._release)
        self._array = _Array(length=len(values), n_buffers=2, buffers=self._buffers, release=self._release)
        self._kept = data

    def _gone(self, _: int) -> None:
        self.released += 1

    def __arrow_c_array__(self) -> tuple[object, object]:
        # Not released by the capsules: what is given stays this object's.
        return _capsule(self._schema, b"arrow_schema"), _capsule(self._array, b"arrow_array")


def doubles(made: object) -> list[float]:
    """What is in an array of doubles that was given."""
    schema, array = made.__arrow_c_array__()  # type: ignore[attr-defined]
    assert _Schema.from_address(_pointer(schema, b"arrow_schema")).format == b"g"
    content = _Array.from_address(_pointer(array, b"arrow_array"))
    values = ctypes.cast(content.buffers[1], ctypes.POINTER(ctypes.c_double))
    return values[: content.length]


_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def _capsule(of: ctypes.Structure, name: bytes) -> object:
    return _new(ctypes.addressof(of), _names[name], None)


# A capsule does not copy its name.
_names = {name: name for name in (b"arrow_schema", b"arrow_array")}
