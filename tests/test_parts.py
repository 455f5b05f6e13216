"""How many parts an output has where nobody says it: one, on one machine."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING

import nestflow as nf

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = random.Random(5).sample(range(100_000), 20_000)


def spread(p: nf.Pipeline, folder: Path) -> nf.PCollection:
    """The numbers, by several tasks."""
    p.write(p.parallelize(NUMBERS), nf.output.TextFile(str(folder)).partition(5, lambda x, n: x % n))
    p.run()
    return p.read(nf.TextFile(str(folder))).map(int)


def contents(folder: Path) -> list[bytes]:
    return [part.read_bytes() for part in sorted(folder.iterdir())]


def lines(numbers: list[int]) -> bytes:
    return "".join(f"{x}\n" for x in numbers).encode()


def test_one_part_in_the_order_of_the_records(p: nf.Pipeline, engine: str, tmp_path: Path) -> None:
    numbers = spread(p, tmp_path / "in")
    p.write(numbers, nf.output.TextFile(str(tmp_path / "out")))
    packed = nf.output.TextFile(str(tmp_path / "gz")).with_compression("gzip")
    p.write(numbers, packed)
    p.write(numbers, nf.output.SequenceFile(str(tmp_path / "seq")))
    p.write(numbers.filter(lambda x: x < 0), nf.output.TextFile(str(tmp_path / "none")))
    p.run()
    expected = lines([x for part in range(5) for x in NUMBERS if x % 5 == part])
    assert b"".join(contents(tmp_path / "out")) == expected
    assert b"".join(map(gzip.decompress, contents(tmp_path / "gz"))) == expected
    assert lines(p.read(nf.input.SequenceFile(str(tmp_path / "seq"))).get()) == expected
    assert b"".join(contents(tmp_path / "none")) == b""
    if "spark" not in engine:
        for name in ("out", "gz", "seq", "none"):
            assert len(contents(tmp_path / name)) == 1, name
    again = p.read(nf.TextFile(str(tmp_path / "gz"))).map(int)
    assert lines(again.get()) == expected


def test_sorted_as_a_whole(p: nf.Pipeline, engine: str, tmp_path: Path) -> None:
    numbers = spread(p, tmp_path / "in")
    p.write(numbers, nf.output.TextFile(str(tmp_path / "up")).sort())
    p.write(numbers, nf.output.TextFile(str(tmp_path / "by")).sort_by(lambda x: x % 10, reverse=True))
    p.write(numbers, nf.output.TextFile(str(tmp_path / "two")).partition(2, lambda x, n: x % n).sort())
    p.run()
    if "spark" not in engine:
        assert len(contents(tmp_path / "up")) == 1
    assert b"".join(contents(tmp_path / "up")) == lines(sorted(NUMBERS))
    digits = [int(line) % 10 for line in b"".join(contents(tmp_path / "by")).split()]
    assert digits == sorted(digits, reverse=True)
    assert contents(tmp_path / "two") == [
        lines(sorted(x for x in NUMBERS if x % 2 == part)) for part in (0, 1)
    ]
