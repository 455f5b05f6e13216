"""What a call of a native function costs, beside ``ctypes`` and ``json`` calling the same function.

    python bench/native_functions.py

Needs a C compiler and Go; with pyarrow and Rust, the Arrow form too. The functions in C do nothing but copy
their argument, so that what is measured is the way there and back; the one in Go is the example. Each figure
is the best of seven rounds, in microseconds of processor time of the calling thread; the two ways take turns.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import subprocess
import tempfile
import time
from pathlib import Path

import nestflow as nf

ROOT = Path(__file__).parent.parent
ROUNDS = 7


def order(items: int) -> dict:
    """An order of the example in Go."""
    return {
        "customer": "customer 4711",
        "items": {n: {"price": 2.5 * n, "quantity": n % 7, "note": "gift, no bill"} for n in range(items)},
        "discounts": dict.fromkeys(range(0, items, 4), 0.25),
        "tags": ["new", "by phone"],
    }


SMALL = {"base": 2.5, "quantity": 4, "name": "a lamp"}


class Answer(ctypes.Structure):
    """What functions return."""

    _fields_ = (("value", ctypes.c_void_p), ("err", ctypes.c_void_p))


def by_hand(path: Path, name: str, free: str):
    """The function as one writes it with ctypes."""
    library = ctypes.CDLL(str(path))
    function, give_back = getattr(library, name), getattr(library, free)
    function.argtypes, function.restype = (ctypes.c_char_p,), Answer
    give_back.argtypes, give_back.restype = (ctypes.c_void_p,), None

    def call(argument):
        answer = function(json.dumps(argument).encode())
        try:
            err = ctypes.string_at(answer.err) if answer.err else b""
            if err:
                raise RuntimeError(err.decode())
            return json.loads(ctypes.string_at(answer.value)) if answer.value else None
        finally:
            for text in (answer.value, answer.err):
                if text:
                    give_back(text)

    return call


def microseconds(functions, argument, calls):
    """The best round of each function."""
    best = [float("inf")] * len(functions)
    for _ in range(ROUNDS):
        for index, function in enumerate(functions):
            started = time.thread_time()
            for _ in range(calls):
                function(argument)
            best[index] = min(best[index], (time.thread_time() - started) / calls * 1e6)
    return best


def main():
    """Compile the libraries, and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        odd = Path(folder, "libodd.so")
        source = ROOT / "tests" / "native" / "odd.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", str(source), "-o", str(odd)], check=True)
        go = Path(folder, "libgo.so")
        command = ["go", "build", "-buildmode=c-shared", "-o", str(go), "pricing.go", "schema.go"]
        subprocess.run(command, cwd=ROOT / "examples" / "native" / "go", check=True)
        echo = nf.native(odd, free="give_back").Echo, by_hand(odd, "Echo", "give_back")
        price = nf.native(go, free="FreeText").PriceOf, by_hand(go, "PriceOf", "FreeText")
        print("| function | argument | JSON, bytes | nestflow, µs | ctypes + json, µs | ratio |")
        print("|---|---|---|---|---|---|")
        rows = [
            ("copy, in C", "3 fields", echo, SMALL, 100_000),
            ("copy, in C", "order of 10 items", echo, order(10), 20_000),
            ("copy, in C", "order of 100 items", echo, order(100), 2_000),
            ("price, in Go", "order of 10 items", price, order(10), 4_000),
            ("price, in Go", "order of 100 items", price, order(100), 400),
        ]
        for function, what, both, argument, calls in rows:
            ours, theirs = microseconds(both, argument, calls)
            size = len(json.dumps(argument, separators=(",", ":")))
            print(f"| {function} | {what} | {size} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.1f} |")
        if importlib.util.find_spec("pyarrow") is not None:
            batches(Path(folder, "librust.so"))


def batches(path):
    """What the Arrow form costs."""
    import pyarrow

    source = ROOT / "examples" / "native" / "rust" / "src" / "lib.rs"
    command = ["rustc", "--crate-type", "cdylib", "--edition", "2021", "-O", str(source), "-o", str(path)]
    subprocess.run(command, check=True)
    totals, rows = nf.native(path).totals, 100_000
    batch = pyarrow.record_batch({"price": [2.5] * rows, "quantity": [3] * rows})
    (large,) = microseconds([totals], batch, 20)
    (small,) = microseconds([totals], batch.slice(0, 1), 2000)
    print(f"Arrow, in Rust: {1000 * large / rows:.1f} ns a row of {rows} rows, {small:.1f} µs a batch of one")


if __name__ == "__main__":
    main()
