"""Errors carry the user's class, traceback, step and record."""

import operator
import threading

import pytest
from programs import combine, fold, fold_groups, notes, records, run, sequential, step, values, walk, zero

from nestflow.errors import InvalidDataException
from nestflow.host.program import MISSING


def divide(x):
    return 1 // x


class OwnError(Exception):
    def __init__(self, code, lock=None):
        super().__init__(f"code {code}")
        self.code = code
        self.lock = lock

    def __reduce__(self):
        return OwnError, (self.code, self.lock)


def failure(program, records_in, *side_records, **columns):
    with pytest.raises(Exception) as caught:
        run(program, records_in, *side_records, **columns)
    return caught.value


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize(
    "steps",
    [
        [step("map", divide)],
        [step("map", divide), step("filter", bool)],
        [step("map", divide), step("flat_map", range)],
        [step("map", divide), step("key_by", str)],
        [step("map", divide), step("filter", bool), step("key_by", str), step("filter", bool)],
        [step("filter", lambda x: True), step("flat_map", lambda x: [x]), step("map", divide)],
    ],
)
def test_class_step_record_and_traceback(before, steps):
    steps = [*[step("map", lambda x: x)] * before, *steps]
    error = failure(records(*steps), [5, 7, 0, 3])
    assert type(error) is ZeroDivisionError
    said = notes(error)
    assert "in map(divide) at jobs/visits.py:12 in main" in said
    assert "with the record 0" in said
    trace = str(error.__cause__)
    assert "1 // x" in trace and "test_errors.py" in trace and "ZeroDivisionError" in trace
    assert "nestflow driver" not in trace and "nestflow/host" not in trace


@pytest.mark.parametrize("kind", ["map", "filter", "flat_map", "foreach", "key_by"])
def test_every_kind_of_step(kind):
    error = failure(records(step(kind, divide), emit="nothing"), [1.0, 0])
    assert "divide" in notes(error) and f"in {kind}(" in notes(error)


def test_the_record_is_what_the_failing_step_got():
    chain = records(step("map", lambda x: x - 3), step("key_by", lambda x: x, divide))
    assert "with the record 0" in notes(failure(chain, [1, 3]))
    chain = records(
        step("map", lambda x: x - 3), step("flat_map", lambda x: [x, x + 1]), step("filter", divide)
    )
    assert "with the record 0" in notes(failure(chain, [1, 2]))


def test_order_functions():
    error = failure(records(step("map", lambda x: x), emit="ordered", order=divide), [0])
    assert "sort_by(divide) at jobs/visits.py:12" in notes(error) and "with the record 0" in notes(error)


def test_lazy_results_fail_at_their_step():
    def lazily(x):
        yield x
        yield 1 // x

    error = failure(records(step("flat_map", lazily), step("map", str)), [1, 0])
    assert type(error) is ZeroDivisionError
    assert "flat_map(lazily)" in notes(error) and "with the record 0" in notes(error)


def test_flat_map_needs_something_to_iterate():
    for chain in ([step("flat_map", abs)], [step("flat_map", abs), step("map", str)]):
        error = failure(records(*chain), [-3])
        assert type(error) is TypeError
        assert "int" in str(error) and "flat_map has to return an iterable" in str(error)
        assert "flat_map(abs)" in notes(error) and "with the record -3" in notes(error)


def test_other_type_errors_are_left_alone():
    def no_argument():
        return []

    error = failure(records(step("flat_map", no_argument)), [1])
    assert "positional argument" in str(error) and "iterable" not in str(error)


def test_exceptions_leave_behind_what_does_not_travel():
    def fail(x):
        raise OwnError(5, threading.Lock())

    error = failure(records(step("map", fail)), [1])
    assert type(error) is OwnError
    assert (str(error), error.code, hasattr(error, "lock")) == ("code 5", 5, False)


def test_own_exceptions_keep_their_state():
    def fail(x):
        raise OwnError(5) from KeyError("cause")

    error = failure(records(step("map", fail)), [1])
    assert type(error) is OwnError and error.code == 5
    assert "KeyError: 'cause'" in str(error.__cause__)


def test_keyboard_interrupt_passes():
    def stop(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(records(step("map", stop)), [1])


class Grumpy:
    def __repr__(self):
        raise RuntimeError("no")


def test_records_whose_repr_fails_or_is_long():
    assert "Grumpy whose repr fails" in notes(failure(records(step("map", lambda x: divide(0))), [Grumpy()]))
    said = notes(failure(records(step("map", lambda x: divide(0))), ["x" * 5000]))
    assert (len(said) < 400 and "…" in said) or "..." in said


def test_values_that_cannot_be_stored():
    error = failure(records(step("map", lambda x: threading.Lock())), [1])
    assert type(error) is InvalidDataException
    assert "cannot store a value of type _thread.lock" in str(error) and "map(<lambda>)" in str(error)
    error = failure(records(step("map", lambda x: (x, (i for i in ()))), emit="pair"), [1])
    assert "generator" in str(error)


@pytest.mark.parametrize("record", [5, "ab", (1,), (1, 2, 3), None, {1: 2, 3: 4}])
def test_records_that_should_be_pairs(record):
    for chain in (
        records(step("split")),
        records(step("split"), step("map", lambda x: x)),
        records(step("map", lambda x: x, transform="group_by_key"), emit="pair"),
    ):
        error = failure(chain, [(1, 2), record])
        assert "needs pairs of key and value" in str(error) and repr(record) in str(error)


def test_empty_sides():
    used = records(step("map", lambda x, s: x, sides=(0,)), shown=("value open",))
    assert values(used, [], []) == []
    assert values(used, [MISSING], []) == [MISSING]
    assert "empty PObject" in str(failure(used, [1], []))
    later = records(step("filter", bool), step("map", lambda x, s: x, sides=(0,)), shown=("value open",))
    assert values(later, [0], []) == []
    assert "map(<lambda>)" in str(failure(later, [0, 1], []))
    column = records(step("map", lambda x, s: x, sides=(0,)), shown=("value column 0",))
    assert "empty PObject" in str(failure(column, [1, 2], x0=[5, MISSING]))


def test_functions_that_cannot_be_loaded():
    error = failure(records(step("map", b"\x80\x05cno_such_module\nf\n.")), [1])
    assert type(error) is ModuleNotFoundError
    assert "map(bytes)" in notes(error)


def test_folds_and_walks():
    with pytest.raises(ZeroDivisionError) as caught:
        fold_groups(fold(operator.floordiv), [6], [(0, 2), (0, 0)])
    assert "aggregate(floordiv) at jobs/visits.py:12 in main" in notes(caught.value)
    assert "with the record 0" in notes(caught.value)
    with pytest.raises(ZeroDivisionError) as caught:
        fold_groups(combine(lambda values: 1 // len(values)), [MISSING], [])
    assert "combine(<lambda>)" in notes(caught.value)
    with pytest.raises(ZeroDivisionError) as caught:
        walk(sequential("accumulate", zero(1), operator.floordiv), [(0, 1), (0, 0)])
    assert "accumulate(floordiv)" in notes(caught.value) and "with the record 0" in notes(caught.value)

    def step_function(status, emitter, x):
        emitter.emit(divide(x))

    program = sequential("transform", lambda emitter: None, step_function, lambda status, emitter: None)
    with pytest.raises(ZeroDivisionError) as caught:
        walk(program, [(0, 1), (0, 0)])
    assert "with the record 0" in notes(caught.value) and "step_function" in notes(caught.value)
    assert "nestflow/host" not in str(caught.value.__cause__)


def test_a_transformer_that_gives_none():
    class Silent:
        def begin_process(self):
            return []

        def process(self, record):
            return None

    program = sequential("transformer", Silent())
    with pytest.raises(TypeError, match="process of the transformer returned None"):
        walk(program, [(0, 1)])
