"""Values and exceptions whose classes only the program has, in executors that see nothing of its folders."""

from __future__ import annotations

import os
from collections import namedtuple
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import nestflow as nf

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

PROGRAM = """
import enum


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class BadPoint(Exception):
    def __init__(self, point, reason):
        super().__init__(point, reason)
        self.point, self.reason = point, reason


def refuse(x):
    raise BadPoint(Point(x, 0), "never")
"""


@pytest.fixture
def main() -> dict[str, Any]:
    """What a main program defines; no other process can import it."""
    program: dict[str, Any] = {"__name__": "__main__"}
    exec(PROGRAM, program)
    return program


def test_executors_are_told_of_no_folder_of_the_driver(spark: Make) -> None:
    assert spark().parallelize([1]).map(lambda _: os.environ.get("NESTFLOW_CLASSES")).get() == [None]


def test_records_of_the_program_are_read_by_functions_that_never_saw_their_class(
    spark: Make, main: dict[str, Any]
) -> None:
    points = spark().parallelize([main["Point"](x, -x) for x in range(1000)])
    assert points.map(lambda point: point.x).get() == list(range(1000))
    assert points.map(lambda point: point.y).sort().take(1).get() == [-999]
    assert spark().parallelize([main["Color"].BLUE]).map(lambda color: color.name).get() == ["BLUE"]


def test_values_pass_through_an_exchange_and_come_back_as_what_they_were(
    spark: Make, main: dict[str, Any]
) -> None:
    point = main["Point"]
    groups = spark().parallelize(list(range(1000))).map(lambda x: (x % 7, point(x, 0))).group_by_key()
    found = groups.apply_values(lambda group: group.reduce(lambda a, b: a if a.x > b.x else b)).get()
    assert found == {x % 7: point(x, 0) for x in range(1000)}
    assert all(type(value) is point for value in found.values())


def test_a_class_defined_after_a_run_is_known_in_the_next(spark: Make, main: dict[str, Any]) -> None:
    p = spark()
    assert p.parallelize([1]).map(lambda x: x).get() == [1]
    later = type("Later", (), {"__module__": "__main__", "mark": 5})
    assert p.parallelize([later()]).map(lambda value: value.mark).get() == [5]


def test_a_class_that_only_a_worker_knows_travels_with_its_values(spark: Make) -> None:
    def made(x: int) -> Any:
        return namedtuple("Made", "key value")(x % 3, x)

    records = spark().parallelize(list(range(300))).map(made)
    # What reads them is in other processes too, and in this one.
    largest = records.group_by(lambda it: it.key).apply_values(
        lambda group: group.max_elements(1, lambda it: it.value)
    )
    assert {key: value[0].value for key, value in largest.get().items()} == {0: 297, 1: 298, 2: 299}
    assert [type(value).__name__ for value in records.take(1).get()] == ["Made"]


def test_an_exception_of_the_program_comes_back_as_itself(spark: Make, main: dict[str, Any]) -> None:
    with pytest.raises(main["BadPoint"]) as caught:
        spark().parallelize([4]).map(main["refuse"]).get()
    assert (caught.value.point.x, caught.value.reason) == (4, "never")
