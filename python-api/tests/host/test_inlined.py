"""Small functions whose expressions stand in drivers: the same values, and the same errors, as from calls."""

import datetime
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import cloudpickle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import notes, records, run, step, values

from nestflow.host import driver, inlined
from nestflow.host.program import Step, UserFunction

divmod = 3  # The name of a function of Python that means something else here.


def second(pair):
    """What stands second."""
    return pair[1]


def lowered(text):
    return text.strip().lower()


@pytest.fixture(autouse=True)
def nobody_watches():
    """Whoever runs these tests may want to see the calls."""
    before = sys.getprofile()
    sys.setprofile(None)
    yield
    sys.setprofile(before)


def text_of(function, argument="x0"):
    found = inlined.expression(function)
    return found and found.of(argument)


SMALL = {
    "lambda x: x": "x0",
    "lambda x: x + 1": "x0 + 1",
    "lambda x: (x + 1) * (x - 2)": "(x0 + 1) * (x0 - 2)",
    "lambda x: x ** 2 // 3 % 5 / 7 << 1 >> 2 & 3 | 4": "x0 ** 2 // 3 % 5 / 7 << 1 >> 2 & 3 | 4",
    "lambda x: x ^ 4": "x0 ^ 4",
    "lambda x: -x": "-x0",
    "lambda x: not x": "not x0",
    "lambda x: x.upper()": "x0.upper()",
    "lambda x: x.strip().split(',')[0]": "x0.strip().split(',')[0]",
    "lambda x: x.get('a', 0)": "x0.get('a', 0)",
    "lambda x: x.name.first": "x0.name.first",
    "lambda x: x['k']['j']": "x0['k']['j']",
    "lambda x: x[5:]": "x0[5:]",
    "lambda x: x[1:3]": "x0[1:3]",
    "lambda x: x[-1]": "x0[-1]",
    "lambda x: x[::2]": "x0[::2]",
    "lambda x: (x[0], x[1] + 1)": "(x0[0], x0[1] + 1)",
    "lambda x: (x,)": "(x0,)",
    "lambda x: [x, x + 1]": "[x0, x0 + 1]",
    "lambda x: {x}": "{x0}",
    "lambda x: {'a': x, 'b': 2}": "{'a': x0, 'b': 2}",
    "lambda x: {**x, 'a': 1}": "{**x0, **{'a': 1}}",
    "lambda x: {**x}": "{**x0}",
    "lambda x: x > 3": "x0 > 3",
    "lambda x: x % 10 == 3": "x0 % 10 == 3",
    "lambda x: x is not None": "x0 is not None",
    "lambda x: x in ('a', 'b')": "x0 in ('a', 'b')",
    "lambda x: x not in 'ab'": "x0 not in 'ab'",
    "lambda x: not x < 3": "not x0 < 3",
    "lambda x: x['info']": "x0['info']",
    "lambda x: x.replace('a', 'b')": "x0.replace('a', 'b')",
    "lambda x: len(x) > 3": "len(x0) > 3",
    "lambda x: x > 1 and x < 3": "(x0 > 1 and x0 < 3)",
    "lambda x: x == 1 or x == 2 or x == 3": "(x0 == 1 or (x0 == 2 or x0 == 3))",
    "lambda x: x < 0 or x > 1 and x < 3": "(x0 < 0 or (x0 > 1 and x0 < 3))",
    "lambda x: (x or 'none', 1)": "(x0 or 'none', 1)",
    "lambda x: (str(x).zfill(3), isinstance(x, int))": "(str(x0).zfill(3), isinstance(x0, int))",
    "lambda x: (x[0].lower(), (len(x[1]), 'a'))": "(x0[0].lower(), (len(x0[1]), 'a'))",
}

OTHERS = [
    "lambda: 1",
    "lambda x: 1",
    "lambda x, y: x",
    "lambda *x: x",
    "lambda **x: x",
    "lambda *, x: x",
    "lambda x=1: x",
    "lambda x: (yield x)",
    "lambda x: print(x)",
    "lambda x: x.append(1)",
    "lambda x: x.pop()",
    "lambda x: x()",
    "lambda x: next(x)",
    "lambda x: unknown(x)",
    "lambda x: unknown",
    "lambda x: (y := x)",
    "lambda x: [y for y in x]",
    "lambda x: lambda y: x",
    "lambda x: sorted(x, key=len)",
    "lambda x: 1 if x else 2",
    "lambda x: str or x",
    "lambda x: x if x else 2",
    "lambda x: 1 < x < 3",
    "lambda x: x is Ellipsis",
    "lambda x: x * 1e999",
    "lambda x: x + '_argument_of_the_function_'",
    "lambda x: [[[x]]]",
    "lambda x: int('z') + x",
    "lambda x: 'a,b'.split(',')[2] + x",
    "lambda x: x.replace('/to')",
    "lambda x: x.join()",
    "lambda x: x.rotate(1)",
    "lambda len: len(1)",
    "lambda x: " + " + ".join("x" * 40),
]


@pytest.mark.parametrize("source", SMALL)
def test_small_functions_are_expressions(source):
    assert text_of(eval(source)) == SMALL[source]


@pytest.mark.parametrize("source", OTHERS)
def test_others_are_called(source):
    assert text_of(eval(source)) is None


def test_functions_that_are_defined_are_expressions_too():
    assert text_of(second) == "x0[1]"
    assert text_of(lowered, "x7") == "x7.strip().lower()"


def test_what_is_no_function_of_python_is_called():
    for function in (str.upper, len, "a".join, datetime.date, type("C", (), {"__call__": second})()):
        assert text_of(function) is None


def test_names_that_mean_something_else_are_called():
    assert text_of(lambda x: divmod(x)) is None
    assert text_of(lambda x: len(x.divmod)) == "len(x0.divmod)"
    own = type(second)(second.__code__, {"__builtins__": {"len": 1}})
    assert text_of(own) is None
    here = 1
    assert text_of(lambda x: x + here) is None


def test_debuggers_and_profilers_see_calls():
    function = lambda x: x + 1  # noqa: E731
    assert text_of(function)
    for install in (threading.settrace, threading.setprofile):
        install(lambda *_: None)
        try:
            assert text_of(function) is None
        finally:
            install(None)


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_each_version_of_python_reads_them(version):
    program = """
import importlib.util, json, sys
path, small, others = json.load(sys.stdin)
spec = importlib.util.spec_from_file_location("inlined", path)
inlined = importlib.util.module_from_spec(spec)
spec.loader.exec_module(inlined)
found = {source: inlined.expression(eval(source)) for source in [*small, *others]}
json.dump([{source: it and it.of("x0") for source, it in found.items()}, sys.version_info[:2]], sys.stdout)
"""
    command = [f"python{version}", "-W", "ignore", "-c"]
    given = json.dumps([str(Path(inlined.__file__)), list(SMALL), OTHERS])
    # What chooses among several that one tool has installed.
    options = {"env": {**os.environ, "PYENV_VERSION": version}, "capture_output": True, "text": True}
    try:
        there = subprocess.run([*command, ""], **options)
    except FileNotFoundError:
        there = None
    if there is None or there.returncode:
        pytest.skip(f"no python{version} here")
    done = subprocess.run([*command, program], input=given, timeout=60, **options)
    assert done.returncode == 0, done.stderr
    found, ran = json.loads(done.stdout)
    assert ran == [int(part) for part in version.split(".")]
    assert found == {**SMALL, **dict.fromkeys(OTHERS)}


def expressions():
    """Sources of expressions of `x`."""
    leaves = st.one_of(
        st.just("x"),
        st.integers(-3, 300).map(str),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.sampled_from(["None", "True", "'a,b'", "b'c'", "(1, 'd')", "()"]),
    )

    def larger(inner):
        pair = st.tuples(inner, inner)
        binary = st.sampled_from([*"+-*/%&|^<>", "//", "**", "<<", ">>", "==", "!=", "in", "not in"])
        return st.one_of(
            st.tuples(inner, binary, inner).map(lambda it: f"({it[0]} {it[1]} {it[2]})"),
            st.tuples(st.sampled_from(["-", "not "]), inner).map(lambda it: f"({it[0]}{it[1]})"),
            st.tuples(inner, st.sampled_from(["upper", "bit_length", "keys", "none"])).map(
                lambda it: f"({it[0]}).{it[1]}()"
            ),
            st.tuples(st.sampled_from(["len", "str", "abs", "tuple", "repr"]), inner).map(
                lambda it: f"{it[0]}({it[1]})"
            ),
            pair.map(lambda it: f"({it[0]})[{it[1]}]"),
            st.tuples(inner, inner, inner).map(lambda it: f"({it[0]})[{it[1]}:{it[2]}]"),
            pair.map(lambda it: f"({it[0]}, {it[1]})"),
            pair.map(lambda it: f"[{it[0]}, {it[1]}]"),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda it: f"({' '.join(it)})"),
            pair.map(lambda it: f"{{'k': {it[0]}, {it[1]}: 2}}"),
            st.lists(inner, min_size=1, max_size=3).map(lambda it: "{" + ", ".join(it) + "}"),
        )

    return st.recursive(leaves, larger, max_leaves=8)


def outcome(function, value):
    try:
        return repr(function(value))
    except Exception as error:
        return type(error), str(error)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@settings(max_examples=400, deadline=None)
@given(expressions(), st.one_of(st.integers(-5, 5), st.text(max_size=3), st.tuples(st.integers(0, 3))))
def test_an_expression_gives_what_its_function_gives(source, value):
    if "**" in source or "<<" in source or "*" in source:
        value = 2 if type(value) is int else value
    function = eval(f"lambda x: {source}")
    found = text_of(function)
    if found is not None:
        again = eval(f"lambda x0: {found}")
        assert again.__code__.co_code == function.__code__.co_code
        if "**" not in source and "<<" not in source:
            assert outcome(again, value) == outcome(function, value)


CHAINS = [
    [("map", lambda x: x + 1), ("map", lambda x: (x, x * 2)), ("map", second)],
    [("map", lambda x: x * 2), ("filter", lambda x: x > 2), ("map", lambda x: (x, str(x)))],
    [("filter", lambda x: x > 1), ("filter", lambda x: x < 4), ("flat_map", lambda x: [x, x + x])],
    [("map", lambda x: x + 1), ("filter", lambda x: x < 2 or x > 3), ("filter", lambda x: not x or x < 5)],
    [("flat_map", lambda x: (x, x + 1)), ("filter", lambda x: x % 2 == 0), ("map", lambda x: [x, x])],
    [("map", lambda x: str(x)), ("map", lambda x: (x, x)), ("map", lambda x: x[0] + x[1])],
]


@pytest.mark.parametrize("number", range(len(CHAINS)))
@pytest.mark.parametrize("called", range(8))
def test_chains_of_expressions_and_calls(number, called):
    """The same values whichever of the steps are called."""

    def as_call(function):
        def through(*x):
            return function(*x)

        return through

    chain = CHAINS[number]
    mixed = [(kind, as_call(it) if called >> at & 1 else it) for at, (kind, it) in enumerate(chain)]
    wanted = values(records(*[step(kind, as_call(it)) for kind, it in chain]), [0, 1, 2, 3, 4])
    assert values(records(*[step(kind, it) for kind, it in mixed]), [0, 1, 2, 3, 4]) == wanted


def test_the_code_that_is_shown_has_them():
    named = [("map", "<lambda>", lambda x: x + 1), ("filter", "print", print), ("map", "second", second)]
    steps = [Step(kind, (UserFunction(name, cloudpickle.dumps(it)),), None, ()) for kind, name, it in named]
    shown = driver.source(steps, "value", None, None, [])
    assert "x1 := x0 + 1" in shown and "f1(" in shown and "x1[1]" in shown
    unloadable = [Step("map", (UserFunction("lost", b"no pickle"),), None, ())]
    assert "f0(x0)" in driver.source(unloadable, "value", None, None, [])


def test_keys_and_values_are_expressions_too():
    keyed = [step("key_by", lambda x: x % 3, lambda x: (x, x))]
    called = [step("key_by", lambda *x: x[0] % 3, lambda *x: (x[0], x[0]))]
    assert run(records(*keyed), [1, 2, 5]) == run(records(*called), [1, 2, 5])


def failed(*steps, given):
    with pytest.raises(Exception) as caught:
        run(records(*steps), given)
    return caught.value


@pytest.mark.parametrize("kind", ["map", "filter", "flat_map", "key_by"])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_errors_name_the_step_the_record_and_the_line(kind, before):
    plus = [step("map", lambda x: x + 1)] * before
    error = failed(*plus, step(kind, lambda x: [1 // x]), given=[5, 7, -before, 3])
    assert type(error) is ZeroDivisionError
    assert f"in {kind}(<lambda>) at jobs/visits.py:12" in notes(error)
    assert "with the record 0" in notes(error)
    trace = str(error.__cause__)
    assert "test_inlined.py" in trace and "[1 // x]" in trace
    assert "nestflow driver" not in trace and "nestflow/host" not in trace


def test_errors_of_steps_whose_records_have_no_name():
    error = failed(
        step("map", lambda x: x - 3), step("map", lambda x: 1 // x), step("map", lambda x: x), given=[3]
    )
    assert "with the record 0" in notes(error) and "1 // x" in str(error.__cause__)
    error = failed(step("map", lambda x: x[0]), step("filter", lambda x: x["no"] > 1), given=[({"a": 1},)])
    assert type(error) is KeyError and "with the record {'a': 1}" in notes(error)
    assert "in filter(<lambda>)" in notes(error) and 'x["no"] > 1' in str(error.__cause__)


def test_an_error_that_does_not_come_again_stays():
    class Once:
        def __init__(self):
            self.asked = 0

        @property
        def half(self):
            self.asked += 1
            if self.asked == 1:
                raise ValueError("once")
            return 1

    error = failed(step("map", lambda x: Once()), step("map", lambda x: x.half), given=[1])
    assert type(error).__name__ == "ValueError" and "once" in str(error)
    assert "in map(<lambda>)" in notes(error)


class Seen(int):
    asked: ClassVar = []

    @property
    def real(self):
        Seen.asked.append(int(self))
        return 1 // int(self)


def test_only_what_raised_is_called_too():
    Seen.asked.clear()
    error = failed(step("map", lambda x: Seen(x)), step("map", lambda x: x.real), given=[2, 1, 0])
    assert type(error) is ZeroDivisionError
    assert Seen.asked == [2, 1, 0, 0]


def lost(rows):
    yield "first"
    raise IndexError(f"row {rows} has no column 3")


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        (lambda line: map(int, line.split(",")), lambda numbers: max(numbers), "'no'"),
        (lambda line: lost(line), lambda it: (list(it), 1)[0], "row 1,no has no column 3"),
    ],
)
def test_what_went_wrong_first_is_told(first, then, message):
    """Called again, the function meets an iterator that is used up."""
    assert text_of(then)
    error = failed(step("map", first), step("map", then), given=["1,no"])
    assert message in str(error) and "in map(<lambda>)" in notes(error)


class Leaving(int):
    asked = 0

    @property
    def real(self):
        Leaving.asked += 1
        raise ValueError("first") if Leaving.asked == 1 else SystemExit


def test_an_exit_of_the_second_call_is_not_told():
    Leaving.asked = 0
    error = failed(step("map", lambda x: Leaving(x)), step("map", lambda x: x.real), given=[0])
    assert type(error) is ValueError and str(error) == "first"
    assert Leaving.asked == 2


def test_many_steps_are_no_deeper_than_the_compiler_can_read():
    def nested(depth):
        return eval(f"lambda x: {'str(' * depth}x{')' * depth}")

    for depth in (1, 2, 3, 8):
        for count in (1, 24, 40):
            assert values(records(*[step("map", nested(depth))] * count), ["a"]) == ["a"]


def test_steps_before_come_before_what_the_next_one_does():
    error = failed(step("map", lambda x: x / 0), step("map", lambda x: int("z") + x), given=[1])
    assert type(error) is ZeroDivisionError


def test_a_function_that_takes_no_side_input_is_called_with_it():
    program = records(step("map", lambda x: x + 1, sides=(0,)), shown=("value open",))
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        run(program, [1], [2])
