"""The library that executors load: the names that it shows, and its neighbours in a process."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

from nestflow.bundle import product

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = product.FOLDER / "libnestflow_jni.so"


def exported(path: Path) -> list[str]:
    """The names that a shared library of 64 bits defines for others, by its table of dynamic symbols."""
    data = path.read_bytes()
    (sections,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    tables = [struct.unpack_from("<IIQQQQIIQQ", data, sections + size * number) for number in range(count)]
    [(*_, start, length, link, _, _, each)] = [table for table in tables if table[1] == 11]
    names = tables[link][4]
    found = []
    for at in range(start, start + length, each):
        name, _, _, section = struct.unpack_from("<IBBH", data, at)
        if section:  # others are what it needs
            found.append(data[names + name : data.index(b"\0", names + name)].decode())
    return sorted(found)


def test_only_the_functions_of_the_jvm_are_exported() -> None:
    declared = (ROOT / "scala-shim/src/main/java/nestflow/spark/Native.java").read_text()
    natives = re.findall(r"static native \w+ (\w+)\(", declared)
    assert len(natives) == 10
    assert exported(LIBRARY) == sorted(f"Java_nestflow_spark_Native_{name}" for name in natives)


NEIGHBOURS = """
import ctypes, os, sys

def arrow():
    import pyarrow as pa
    import pyarrow.compute, pyarrow.parquet
    table = pa.table({"x": list(range(10_000)), "y": [str(x) for x in range(10_000)]})
    pyarrow.parquet.write_table(table, sys.argv[2], compression="zstd")
    assert pyarrow.parquet.read_table(sys.argv[2]).equals(table)
    assert pyarrow.compute.sum(table["x"]).as_py() == 49_995_000

def ours():
    import nestflow as nf
    # What is global is seen by all that is loaded later.
    ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL | os.RTLD_NOW)
    p = nf.Pipeline.create("local", host="in_process")
    words = p.parallelize(["a", "b", "a"]).group_by(lambda word: word)
    assert words.apply_values(lambda group: group.count()).get() == {"a": 2, "b": 1}

first, second = (arrow, ours) if sys.argv[3] == "arrow first" else (ours, arrow)
first(); second(); first()
print("fine")
"""


def test_arrows_own_library_in_the_same_process(tmp_path: Path) -> None:
    for order in ("arrow first", "ours first"):
        command = [sys.executable, "-c", NEIGHBOURS, str(LIBRARY), str(tmp_path / "table"), order]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
        assert (done.returncode, done.stdout) == (0, "fine\n"), (order, done.stderr)
