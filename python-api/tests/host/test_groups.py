"""Folds over many groups, and programs that walk through one group after another."""

import operator

import cloudpickle
import pytest
from programs import combine, fold, fold_groups, sequential, walk, zero

from nestflow.errors import InvalidDataException
from nestflow.host.program import MISSING


def append(state, x):
    state.append(x)
    return state


class TestFold:
    def test_reduce_starts_from_the_first_value(self):
        program = fold(operator.add)
        assert fold_groups(program, [MISSING, 10, MISSING], [(0, 1), (1, 2), (0, 3)]) == [4, 12, MISSING]

    def test_each_group_has_a_zero_of_its_own(self):
        program = fold(append, zero([]))
        assert fold_groups(program, [MISSING, MISSING, [7]], [(0, 1), (1, 2), (0, 3)]) == [[1, 3], [2], [7]]

    def test_a_callable_zero_gets_the_sides(self):
        program = fold(
            lambda state, x, side: state + x * side,
            zero(lambda side: side, callable_zero=True),
            shown=("value open",),
            used=(0,),
        )
        assert fold_groups(program, [MISSING, 1], [(0, 1), (1, 2)], [100]) == [200, 201]

    def test_none_is_a_state_like_any_other(self):
        program = fold(lambda state, x: (state, x), zero(None))
        assert fold_groups(program, [MISSING, None], [(0, 1)]) == [(None, 1), None]

    def test_only_states(self):
        assert fold_groups(fold(operator.add), [1, MISSING], []) == [1, MISSING]

    def test_many_values(self):
        pairs = [(i % 7, i) for i in range(5000)]
        out = fold_groups(fold(operator.add, zero(0)), [MISSING] * 7, pairs)
        assert out == [sum(range(group, 5000, 7)) for group in range(7)]

    def test_an_empty_side_matters_only_where_a_function_is_called(self):
        program = fold(lambda state, x, side: state, zero(0), shown=("value open",), used=(0,))
        assert fold_groups(program, [MISSING], [], []) == [0]
        with pytest.raises(InvalidDataException, match="empty PObject"):
            fold_groups(program, [MISSING], [(0, 1)], [])


def test_combine_counts_the_state_as_one_more():
    program = combine(lambda values: sum(values))
    assert fold_groups(program, [MISSING, 5, MISSING], [(0, 1), (1, 2), (0, 3)]) == [4, 7, 0]


class TestSequential:
    def test_accumulate(self):
        program = sequential("accumulate", zero([]), append)
        rows = [(1, "a"), (1, "b"), (4, MISSING), (5, "c")]
        assert walk(program, rows) == [(1, ["a", "b"]), (4, []), (5, ["c"])]

    def test_a_group_goes_on_in_the_next_batch(self):
        program = sequential("accumulate", zero([]), append)
        assert walk(program, [(1, "a")], [(1, "b"), (2, "c")], [(2, "d")]) == [
            (1, ["a", "b"]),
            (2, ["c", "d"]),
        ]

    def test_reduce_needs_a_record(self):
        program = sequential("reduce", lambda a, b, side: a + b + side, shown=("value open",), used=(0,))
        rows = [(1, 1), (1, 2), (2, MISSING), (3, 7)]
        assert walk(program, rows, side_records=([100],)) == [(1, 103), (3, 7)]
        assert walk(program, [(1, 1)], side_records=([],)) == [(1, 1)]

    def test_transform(self):
        def start(emitter):
            emitter.emit("start")
            return 0

        def step(status, emitter, x):
            emitter.emit(x)
            return status + x

        def end(status, emitter):
            emitter.emit(("sum", status))

        program = sequential("transform", start, step, end)
        assert walk(program, [(0, 1), (0, 2), (7, MISSING)], [(8, 4)]) == [
            (0, "start"), (0, 1), (0, 2), (0, ("sum", 3)),
            (7, "start"), (7, ("sum", 0)),
            (8, "start"), (8, 4), (8, ("sum", 4)),
        ]  # fmt: skip

    def test_after_done_only_the_finalizer_runs(self):
        def step(status, emitter, x):
            emitter.emit(x)
            if x == 2:
                emitter.done()
            return status + 1

        program = sequential(
            "transform", lambda emitter: 0, step, lambda status, emitter: emitter.emit(-status)
        )
        rows = [(0, 1), (0, 2), (0, 3)]
        assert walk(program, rows, [(0, 4), (1, 5)]) == [(0, 1), (0, 2), (0, -2), (1, 5), (1, -1)]

    def test_transformer_instances_and_classes(self):
        class Pairs:
            seen = None

            def begin_process(self, side):
                assert self.seen is None
                self.seen = []
                return [side]

            def process(self, record, side):
                self.seen.append(record)
                yield record * side

            def end_process(self, side):
                return (len(self.seen),)

        rows = [(0, 1), (0, 2), (3, MISSING)]
        for given in (Pairs(), Pairs):
            pickled = cloudpickle.dumps(given)
            program = sequential("transformer", _raw(pickled), shown=("value open",), used=(0,))
            assert walk(program, rows, side_records=([10],)) == [
                (0, 10),
                (0, 10),
                (0, 20),
                (0, 2),
                (3, 10),
                (3, 0),
            ]

    def test_whole(self):
        program = sequential("whole", lambda values: sorted(values)[-1:] if values else "none")
        assert walk(program, [(0, 2), (0, 9)], [(0, 3), (1, MISSING)]) == [(0, [9]), (1, "none")]

    def test_sides_by_column_are_those_of_the_group(self):
        program = sequential(
            "accumulate",
            zero(lambda one, many: one, callable_zero=True),
            lambda state, x, one, many: state + x * len(many),
            shown=("value column 0", "sequence column 1"),
            used=(0, 1),
        )
        rows = [(0, 1, 100, [1, 2]), (0, 2, 100, [1, 2]), (1, MISSING, 200, MISSING), (2, 3, 300, [1])]
        assert walk(program, rows) == [(0, 106), (1, 200), (2, 303)]

    def test_long_groups(self):
        program = sequential("accumulate", zero(0), operator.add)
        rows = [(0, i) for i in range(5000)]
        assert walk(program, rows, rows) == [(0, 2 * sum(range(5000)))]

    def test_no_rows_no_groups(self):
        assert walk(sequential("accumulate", zero(0), operator.add)) == []


def _raw(pickled: bytes) -> bytes:
    return (4).to_bytes(8, "little") + b"Pair" + len(pickled).to_bytes(8, "little") + pickled
