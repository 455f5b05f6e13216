"""`sample` on every engine: how many records, which, in what order.

Bounds are eight standard deviations away: what chance does once in 10^14 runs.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

import nestflow as nf
from nestflow import transforms as T

COUNT = 20_000
FAR = 8


def near(found: int, mean: float, variance: float) -> bool:
    return abs(found - mean) <= FAR * math.sqrt(variance)


def run(p: nf.Pipeline, datasets: list[Any]) -> list[Any]:
    for dataset in datasets:
        dataset.cache()
    p.run()
    return [dataset.get() for dataset in datasets]


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.9])
def test_without_replacement(p: nf.Pipeline, fraction: float) -> None:
    numbers = p.parallelize(list(range(COUNT)))
    variance = COUNT * fraction * (1 - fraction)
    for chosen in run(p, [numbers.sample(False, fraction, seed) for seed in (0, 7)]):
        assert near(len(chosen), COUNT * fraction, variance)
        assert chosen == sorted(set(chosen)), "records come once, in their order"
        # From everywhere alike: their mean is that of all, and neighbours do not depend on each other.
        assert near(sum(chosen), COUNT / 2 * len(chosen), COUNT**2 / 12 * len(chosen))
        kept = set(chosen)
        both = sum(x + 1 in kept for x in kept)
        pairs = COUNT * fraction**2
        assert near(both, pairs, 4 * pairs + 1)


@pytest.mark.parametrize("fraction", [0.3, 2.5, 40.0])
def test_with_replacement(p: nf.Pipeline, fraction: float) -> None:
    numbers = p.parallelize(list(range(COUNT // 10)))
    for chosen in run(p, [numbers.sample(True, fraction, seed) for seed in (0, 7)]):
        mean = COUNT / 10 * fraction
        assert near(len(chosen), mean, mean)
        assert chosen == sorted(chosen)
        never = COUNT / 10 * math.exp(-fraction)
        assert near(COUNT // 10 - len(set(chosen)), never, never + 1)


def test_seeds(p: nf.Pipeline) -> None:
    numbers = p.parallelize(list(range(1000)))
    for with_replacement in (False, True):
        datasets = [numbers.sample(with_replacement, 0.5, seed) for seed in (3, 3, 4, None, None)]
        one, again, other, any_1, any_2 = run(p, datasets)
        assert one == again, "a seed chooses the same"
        assert one != other, "and another one others"
        assert any_1 != any_2, "without a seed, each call chooses anew"
        # Another run of the same program, too.
        assert numbers.map(lambda x: x).sample(with_replacement, 0.5, 3).get() == one


def test_groups(p: nf.Pipeline) -> None:
    """Each group is sampled by itself, and groups do not choose alike."""
    table = p.parallelize({key: list(range(4000)) for key in "abc"})
    chosen = table.apply_values(lambda v: v.sample(False, 0.5, seed=1)).get()
    assert sorted(chosen) == ["a", "b", "c"]
    assert all(near(len(group), 2000, 1000) for group in chosen.values())
    assert chosen["a"] != chosen["b"]
    nested = p.parallelize({"x": {key: list(range(1000)) for key in "ab"}})
    counts = nested.apply_values(lambda t: t.apply_values(lambda v: T.sample(v, True, 2.0, seed=1).count()))
    assert all(near(count, 2000, 2000) for count in counts.get()["x"].values())


def test_fractions_that_cannot_be(p: nf.Pipeline) -> None:
    numbers = p.parallelize([1])
    for with_replacement, fraction in (
        (False, 1.1),
        (False, -0.1),
        (True, -1),
        (True, math.inf),
        (False, "1"),
    ):
        with pytest.raises(ValueError, match="fraction"):
            numbers.sample(with_replacement, fraction)
