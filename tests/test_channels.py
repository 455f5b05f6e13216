"""Into how many parts data is dealt: as many as the input is worth, as many as are asked for on Spark; and
what lies right already is not moved again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import on_spark
import pytest

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def hashed(dataset: Any) -> list[int]:
    """The numbers of channels of the exchanges by hash, as explain shows them."""
    return [
        int(parts)
        for parts in re.findall(r"⇒ exchange \d+ hash\([^)]*\) of (\d+)", dataset.explain("stages"))
    ]


@pytest.mark.parametrize(
    ("size", "channels"), [(1 << 10, 1), (300_000, 4), (64 << 20, 4), (1 << 30, 16), (1 << 40, 4096)]
)
def test_channels_follow_the_size_of_the_input(
    create: Callable[..., nf.Pipeline], engine: str, tmp_path: Path, size: int, channels: int
) -> None:
    options = {} if on_spark.MASTER else {"threads": 2}
    p = create(**options)
    with (tmp_path / "lines").open("wb") as file:
        file.truncate(size)
    lines = p.read(nf.TextFile(str(tmp_path / "lines")))
    assert hashed(lines.group_by(len).apply_values(nf.transforms.count)) == [channels]


def tasks(p: nf.Pipeline) -> list[Any]:
    stages: Any = p.last_run["stages"]
    return [stage["tasks"] for stage in stages]


def test_concurrency_counts_on_spark(p: nf.Pipeline) -> None:
    pairs = [(n % 50, n) for n in range(1000)]
    data, others = p.parallelize(pairs), p.parallelize([(n, -n) for n in range(50)])
    expected = {key: len(pairs) // 50 for key in range(50)}
    for table in (
        data.group_by(lambda pair: pair[0], concurrency=5),
        data.group_by_key(concurrency=5),
        data.cogroup(others, concurrency=5),
    ):
        counts = table.apply_values(lambda group, *_: group.count())
        if on_spark.MASTER:
            assert 5 in hashed(counts)
        assert counts.get() == expected
        if on_spark.MASTER:
            assert 5 in tasks(p)
    joined = data.join(others, concurrency=6)
    if on_spark.MASTER:
        assert hashed(joined) == [6, 6] or "broadcast" in joined.explain("stages")
    assert sorted(joined.get()) == sorted((key, (pair, -key)) for key, pair in pairs)


def test_inner_groups_are_dealt_as_the_outer_ones(p: nf.Pipeline) -> None:
    def inner(group: nf.PCollection) -> nf.PTable:
        return group.group_by(lambda n: n % 5).apply_values(nf.transforms.count)

    table = p.parallelize(list(range(1000))).group_by(lambda n: n % 2, concurrency=3).apply_values(inner)
    if on_spark.MASTER:
        assert hashed(table) == [3]
    assert table.get() == {even: dict.fromkeys(range(5), 100) for even in range(2)}


@pytest.mark.skipif(not on_spark.MASTER, reason="an option of Spark's")
def test_default_concurrency(create: Callable[..., nf.Pipeline]) -> None:
    p = create(default_concurrency=3)
    words = p.parallelize(["a", "b", "a"] * 10)
    table = words.group_by(lambda word: word).apply_values(nf.transforms.count)
    assert hashed(table) == [3]
    assert table.get() == {"a": 20, "b": 10}
    assert hashed(words.group_by(len, concurrency=4).apply_values(nf.transforms.count)) == [4]


@pytest.mark.parametrize("parts", [0, -1, True, "4", 1.5, 1 << 16])
def test_impossible_concurrency(p: nf.Pipeline, parts: object) -> None:
    pairs = p.parallelize([(1, 2)])
    for call in (
        pairs.group_by_key,
        lambda **options: pairs.cogroup(pairs, **options),
        lambda **options: pairs.join(pairs, **options),
    ):
        with pytest.raises(ValueError, match="concurrency"):
            call(concurrency=parts)
    assert len(pairs.group_by(len, concurrency=None).get()) == 1


def rounds(p: nf.Pipeline, links: nf.PCollection, times: int) -> tuple[list[tuple[int, float]], list[int]]:
    """PageRank with a run for each round, and the bytes that each run has moved."""

    def shares(row: Any) -> list[tuple[int, float]]:
        targets, rank = row[1]
        return [(target, rank / len(targets)) for target, _ in targets]

    ranks = links.map(lambda link: (link[0], 1.0)).cache()
    moved = []
    for _ in range(times):
        sums = links.join(ranks).flat_map(shares).group_by_key().apply_values(nf.transforms.sum)
        ranks = sums.flatten().map(lambda row: (row[0], 0.15 + 0.85 * row[1])).cache()
        p.run()
        moved.append(sum(stage["bytes"] for stage in p.last_run["stages"]))  # type: ignore[attr-defined]
    return sorted(ranks.get()), moved


def test_kept_edges_are_shipped_once(p: nf.Pipeline) -> None:
    nodes, weight, times = 200, "x" * 2000, 10
    edges = [(n, ((n * k + 1) % nodes, weight)) for n in range(nodes) for k in (3, 7, 11)]
    grouped = p.parallelize(edges).group_by_key()
    links = grouped.apply_values(nf.transforms.to_list_pobject).flatten().cache()
    p.run()
    expected = dict.fromkeys(range(nodes), 1.0)
    for _ in range(times):
        new = dict.fromkeys(range(nodes), 0.0)
        for n, (target, _) in edges:
            new[target] += expected[n] / 3
        expected = {n: 0.15 + 0.85 * total for n, total in new.items() if total}
    ranks = links.map(lambda link: (link[0], 1.0)).cache()
    p.run()
    joined = links.join(ranks)
    # Only the ranks go anywhere: the links lie by the key that the join goes by.
    text = joined.explain("stages")
    assert text.count("⇒ exchange") <= 1, text
    found, (_, *moved) = rounds(p, links, times)
    assert dict(found) == pytest.approx(expected)
    assert len(moved) == times - 1
    # All links have a megabyte; the ranks of a round some kilobytes.
    assert max(moved) < 200_000, moved


def test_what_changes_the_key_is_moved(p: nf.Pipeline) -> None:
    pairs = p.parallelize([(n % 20, n) for n in range(2000)]).group_by_key()
    sums = pairs.apply_values(nf.transforms.sum).flatten().cache()
    p.run()
    turned = sums.map(lambda row: (row[1], row[0])).group_by_key().apply_values(nf.transforms.to_list_pobject)
    assert turned.get() == {sum(range(k, 2000, 20)): [k] for k in range(20)}
    again = sums.group_by_key().apply_values(nf.transforms.count).get()
    assert again == dict.fromkeys(range(20), 1)
    both = sums.join(sums.map(lambda row: (row[0], -row[1])))
    assert sorted(both.get()) == sorted((k, (v, -v)) for k, v in sums.get())
    # Equal keys of other kinds lie where these do.
    odd = p.parallelize([(float(k), "f") for k in range(20)] + [(True, "t")])
    assert len(sums.join(odd).get()) == 21


def test_a_small_side_goes_to_every_task(create: Callable[..., nf.Pipeline]) -> None:
    p = create(**({} if on_spark.MASTER else {"threads": 2}))
    large = p.parallelize([(n % 100, "v" * 200) for n in range(20_000)])
    small = p.parallelize([(k, k) for k in range(0, 100, 2)])
    joined, left = large.join(small), large.left_join(small)
    for pairs in (joined, left):
        # A join that lies in one task needs nothing sent.
        assert "broadcast — " in pairs.explain("stages") or hashed(pairs) == [1, 1]
    assert joined.count().get() == 10_000
    assert left.filter(lambda row: row[1][1] is None).count().get() == 10_000
    # Not where all of a side has to be seen once.
    assert "broadcast" not in large.full_join(small).explain("stages")
    assert large.full_join(p.parallelize([(1000, 1)])).count().get() == 20_001
