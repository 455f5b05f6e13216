"""Functions of shared libraries: of the forms of nestflow_function.h, and of libraries that exist today."""

from __future__ import annotations

import dataclasses
import enum
import importlib.util
import inspect
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import native_libraries
import on_spark
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nestflow as nf
from nestflow.errors import InvalidConfException, NativeFunctionError, NestflowRuntimeException
from nestflow.native import elf, resources, shapes
from nestflow.native.library import needed_by

if TYPE_CHECKING:
    from collections.abc import Callable


ORDER = {
    "customer": "ann",
    "items": {1: {"price": 2.5, "quantity": 2}, 7: None, 30: {"price": 1, "quantity": 3, "note": "é"}},
    "discounts": {1: 0.5},
}
PRICE = {
    "customer": "ann",
    "total": 7.5,
    "lines": {1: {"total": 4.5, "discount": 0.5}, 30: {"total": 3.0}, 7: None},
    "missing": [7],
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("native")


@pytest.fixture(scope="session")
def pricing(folder: Path) -> Any:
    """The example in C."""
    return nf.native(
        native_libraries.c(native_libraries.EXAMPLES / "c" / "pricing.c", folder, "libpricing.so")
    )


@pytest.fixture(scope="session")
def odd_path(folder: Path) -> Path:
    source = native_libraries.ROOT / "tests" / "native" / "odd.c"
    return native_libraries.c(source, folder, "libodd.so")


@pytest.fixture(scope="session")
def odd(odd_path: Path) -> Any:
    """A library without the header."""
    return nf.native(odd_path, free="give_back", returns={"Plain": "value"})


@pytest.fixture(scope="session")
def go_path(folder: Path) -> Path:
    return native_libraries.go(folder, "libgo.so")


@pytest.fixture(scope="session")
def legacy(folder: Path) -> Any:
    """The example in Go without the functions for nestflow: what a company has had for years."""
    path = native_libraries.go(folder, "liblegacy.so", "pricing.go", "schema.go")
    return nf.native(path, free="FreeText")


@pytest.fixture(scope="session")
def scoring(folder: Path) -> Any:
    """The example in Rust."""
    return nf.native(native_libraries.rust(folder, "libscoring.so"))


# The JSON form, in this process.

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def _exactly(a: Any, b: Any) -> bool:
    """Equal, of equal types all the way down, and in equal order."""
    if isinstance(a, dict) and isinstance(b, dict):
        return _exactly([*a.items()], [*b.items()])
    if isinstance(a, (list, tuple)) and isinstance(b, type(a)):
        return len(a) == len(b) and all(map(_exactly, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


@given(_json)
def test_values_come_back_as_they_were(pricing: Any, value: Any) -> None:
    assert _exactly(pricing.echo(value), value)
    assert _exactly(json.loads(pricing.echo.on_text(json.dumps(value)) or "null"), value)


def test_keys_are_unsigned_integers_of_64_bits_too(folder: Path) -> None:
    source = native_libraries.EXAMPLES / "c" / "pricing.c"
    library = nf.native(native_libraries.c(source, folder, "libkeys.so"), integer_keys=True)
    keys = [0, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)]
    assert _exactly(library.echo({str(key): key for key in keys}), {key: key for key in keys})
    # Beyond these, as anything else that is no such integer: texts.
    assert _exactly(library.echo({"1": 1, "a": 2}), {"1": 1, "a": 2})


TEXTS = [
    '""',
    " [ ] ",
    "{}",
    '{"a" : [1 , 2.50, -0, -0.0, 1E5, 1e-7, 123456789012345678901234567890, 0.1e1]}',
    '{"a": 1, "a": 2}',
    '"\\u00e9\\n\\t\\b\\f\\r\\/\\\\\\"\\ud83d\\ude00é"',
    "9223372036854775808",
    "179769313486231580793728971405301e276",
    "[" * 200 + "]" * 200,
    "2.2250738585072011e-308",
    "true",
]
NOT_JSON = [
    "",
    "{",
    "[1,]",
    "[1 2]",
    '{"a"}',
    '{"a":1,}',
    "{1:2}",
    "01",
    "-",
    "1.",
    ".5",
    "1e",
    "+1",
    "NaN",
    "nul",
    '"a',
    '"\\x"',
    '"\\u12"',
    '"\\u12é"',
    '"\\é"',
    '"\\ud800"',
    '"\\ud800\\u0041"',
    '"a\nb"',
    "1 2",
    "[" * 100_000,
    "é",
]


@pytest.mark.parametrize("text", TEXTS)
def test_reads_all_json(odd: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / "text").write_text(text)
    assert _exactly(odd.File(str(tmp_path / "text")), json.loads(text))


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda text: text[:10])
def test_reads_nothing_but_json(odd: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / "text").write_text(text[:60000])
    with pytest.raises(NativeFunctionError, match="its result cannot be read: n"):
        odd.File(str(tmp_path / "text"))


@st.composite
def _damaged(draw: st.DrawFn) -> str:
    """The JSON of a value, with something in it that may not belong there."""
    text = json.dumps(draw(_json), ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.just(1)))
    at = draw(st.integers(0, len(text)))
    return (
        text[:at]
        + draw(st.sampled_from([*'"\\{}[]:,.-+eE0u \n\x01é', ""]))
        + text[at + draw(st.integers(0, 1)) :]
    )


@given(_damaged())
def test_reads_what_python_reads(odd: Any, folder: Path, text: str) -> None:
    (folder / "text").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        value = json.loads(text)
    except ValueError:
        with pytest.raises(NativeFunctionError):
            odd.File(str(folder / "text"))
        return
    if "\\ud" in json.dumps(value) and _halves(value):
        return  # Python's reader takes halves of surrogate pairs, which are no text
    assert _exactly(odd.File(str(folder / "text")), value)


def _halves(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def test_results_have_to_be_utf8(odd: Any, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b'"\xff"')
    with pytest.raises(NativeFunctionError, match="no UTF-8"):
        odd.File(str(tmp_path / "text"))


class Color(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: float


@dataclasses.dataclass
class Line:
    start: Point
    color: Color


class Name(str):
    pass


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "stands_for"),
    [
        ((1, (2,)), [1, [2]]),
        ({1: "a", -2: "b"}, {"1": "a", "-2": "b"}),
        (Line(Point(1, 2.0), Color.RED), {"start": {"x": 1, "y": 2.0}, "color": "red"}),
        (
            [Name("a"), Number.ONE, b"\x00\xff\x10", bytearray(b"ab"), range(2)],
            ["a", 1, "AP8Q", "YWI=", [0, 1]],
        ),
        (10**30, 10**30),
    ],
)
def test_what_stands_for_values_that_json_does_not_have(pricing: Any, value: Any, stands_for: Any) -> None:
    assert _exactly(pricing.echo(value), stands_for)


def _endless() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": [1, float("nan")]}, r"^echo: argument\['a'\]\[1\] is NaN, which JSON does not have$"),
        (object(), "JSON has nothing for a builtins.object"),
        ({1.5: 0}, "key of type float"),
        ({True: 0}, "key of type bool"),
        ("\ud800", "half of a surrogate pair"),
        (_endless(), "contains itself"),
    ],
)
def test_values_that_no_json_stands_for(pricing: Any, value: Any, told: str) -> None:
    with pytest.raises((TypeError, UnicodeEncodeError), match=told):
        pricing.echo(value)


def test_functions_have_the_signature_that_the_library_describes(pricing: Any) -> None:
    assert (
        pricing.price_of({"base": 2.5, "quantity": 4})
        == pricing.price_of(base=2.5, quantity=4)
        == {"total": 9.0}
    )
    # What is optional may be None: it is left out.
    assert pricing.price_of(base=3, quantity=None) == {"total": 3.0}
    assert pricing.price_of.__doc__ == "The price of some of an item."
    assert pricing.price_of.argument_schema["required"] == ["base"]
    signature = inspect.signature(pricing.price_of)
    assert str(signature).startswith(
        "(argument: dict[str, typing.Any] = None, /, *, base: float, quantity: int = None)"
    )


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ({"quantity": 1}, 'argument lacks the field "base"'),
        ({"base": "2"}, r"argument\['base'\] has to be a number, not str"),
        ({"base": True}, r"argument\['base'\] has to be a number, not bool"),
        ({"base": None}, r"argument\['base'\] has to be a number, not NoneType"),
        ({"base": 1, "quantity": 1.5}, r"argument\['quantity'\] has to be an int, not float"),
        ({"base": 1, "quantty": 1}, 'argument has no field "quantty", only base, quantity'),
        (3, "argument has to be a dict, not int"),
    ],
)
def test_arguments_are_checked(pricing: Any, argument: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        pricing.price_of(argument)


def test_whole_floats_are_integers_where_those_are_wanted(pricing: Any) -> None:
    # The library reads "4", and would not read "4.0".
    assert pricing.price_of(base=2.5, quantity=4.0) == {"total": 9.0}


def test_an_error_is_an_exception_with_the_argument(pricing: Any) -> None:
    with pytest.raises(NativeFunctionError, match=r"^no such item, says fail of libpricing.so$") as caught:
        pricing.fail({"item": 7})
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert (error.argument, error.function, error.reason) == ({"item": 7}, "fail", "no such item")
        assert isinstance(error, RuntimeError)


def test_libraries_without_the_header(odd: Any) -> None:
    assert odd.Echo({"a": [1, None]}) == {"a": [1, None]}
    assert odd.Nothing(1) is None and odd.Nothing.on_text("1") is None
    assert odd.Plain([1]) == [1]
    with pytest.raises(NativeFunctionError, match=r'^"no", says Fail'):
        odd.Fail("no")


def test_texts_are_given_back(odd: Any, tmp_path: Path) -> None:
    before = odd.Live(None)
    (tmp_path / "text").write_text("no JSON")
    for _ in range(10):
        odd.Echo(1)
        odd.Nothing(1)
        odd.Plain.on_text("1")
        for call, argument in ((odd.Fail, 1), (odd.File, str(tmp_path / "text"))):
            with pytest.raises(NativeFunctionError):
                call(argument)
    assert odd.Live(None) == before


def test_texts_may_be_those_of_the_c_library_or_stay(odd_path: Path, odd: Any) -> None:
    before = odd.Live(None)
    assert nf.native(odd_path, free="libc").Echo(1) == nf.native(odd_path, free="never").Echo(2) - 1 == 1
    assert odd.Live(None) == before + 4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "does not say how its texts are freed.*such as free_them|libc"),
        ({"free": "give_up"}, "has no function give_up to free texts with"),
        ({"free": "libc", "returns": "pear"}, "returns has to be one of struct, value, envelope, not 'pear'"),
    ],
)
def test_what_a_program_has_to_say_of_a_library(odd_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidConfException, match=told):
        nf.native(odd_path, **options).Echo(1)


def test_a_library_may_list_its_functions(folder: Path) -> None:
    source = folder / "lists.c"
    example = (native_libraries.EXAMPLES / "c" / "pricing.c").read_text()
    lists = 'NESTFLOW_EXPORT char *nestflow_functions(void) { return text("%s", "[\\"price_of\\"]"); }'
    source.write_text(f"{example}\n{lists}")
    assert dir(nf.native(native_libraries.c(source, folder, "liblists.so"))) == ["price_of"]


def test_a_library_of_another_version(folder: Path) -> None:
    source = folder / "newer.c"
    source.write_text("unsigned nestflow_function_version(void) { return 2; }")
    with pytest.raises(InvalidConfException, match=r"version 2 of nestflow_function.h, not for 1"):
        nf.native(native_libraries.c(source, folder, "libnewer.so"))
    source.write_text("unsigned nestflow_function_version(void) { return 1; }")
    with pytest.raises(InvalidConfException, match="has no nestflow_free"):
        nf.native(native_libraries.c(source, folder, "libleaks.so"))


def test_libraries_and_functions_that_are_not_there(
    pricing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        AttributeError, match=r"libpricing.so has no function prise_of; did you mean price_of\?"
    ):
        pricing.prise_of  # noqa: B018
    with pytest.raises(FileNotFoundError, match=r"there is no library libnothing.so here"):
        nf.native("libnothing.so")
    (tmp_path / "libtext.so").write_text("text")
    with pytest.raises(OSError, match=r"libtext.so"):
        nf.native(tmp_path / "libtext.so")
    assert dir(pricing) == ["crash", "doubled", "echo", "fail", "price_of"]
    monkeypatch.setenv("LD_LIBRARY_PATH", os.path.dirname(pricing._path))
    assert nf.native("pricing") is nf.native("libpricing.so") is pricing


def test_the_header_reads_as_c_and_as_cpp_and_stands_in_the_docs(folder: Path) -> None:
    header = (
        native_libraries.ROOT / "python-api/python/nestflow/native/include/nestflow_function.h"
    ).read_text()
    assert header in (native_libraries.ROOT / "docs" / "native-functions.md").read_text()
    source = folder / "empty.c"
    source.write_text("#include <nestflow_function.h>")
    for standard in (["-std=c99"], ["-x", "c++", "-std=c++11"]):
        strict = ("-Wall", "-Wextra", "-Werror", "-pedantic", *standard)
        native_libraries.c(source, folder, "libempty.so", *strict)


# Travelling.


def test_functions_travel_as_path_and_hash(
    pricing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled = pickle.dumps(pricing.price_of)
    assert pickle.loads(pickled) is pricing.price_of
    assert pickle.loads(pickle.dumps(pricing)) is pricing
    # What the engine looks for, to keep libraries of others out of the user's process.
    assert b"nestflow.native.library" in pickled and len(pickled) < 500

    copy = tmp_path / "libpricing.so"
    shutil.copy(pricing._path, copy)
    there = resources.Resource(str(copy), resources.digest(str(copy)))
    assert resources.locate(there) == str(copy)
    copy.write_text("another")
    with pytest.raises(InvalidConfException, match="is another one than where the program was made"):
        resources.locate(there)
    copy.unlink()
    with pytest.raises(InvalidConfException, match=r"libpricing.so is not on this machine: .* is not there"):
        resources.locate(there)
    # As what ships files to working directories leaves them.
    monkeypatch.chdir(os.path.dirname(pricing._path))
    assert resources.locate(there) == pricing._path


@pytest.fixture
def elsewhere(pricing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A library that other processes do not find where it is."""
    copy = tmp_path / "libelsewhere.so"
    copy.write_bytes(Path(pricing._path).read_bytes() + b"not the same")
    library = nf.native(copy)
    monkeypatch.setattr(library, "_resource", library._resource._replace(path="/nowhere/libelsewhere.so"))
    return library


@pytest.mark.skipif(bool(on_spark.MASTER), reason="of the local engine")
def test_workers_find_libraries_that_a_pipeline_brings(elsewhere: Any) -> None:
    p = nf.Pipeline.create("local", host="workers", progress=False)
    with pytest.raises(InvalidConfException, match=r"/nowhere/libelsewhere.so is not there"):
        p.parallelize([1]).map(elsewhere.echo).get()
    q = nf.Pipeline.create("local", host="workers", progress=False)
    q.add_file(elsewhere._path, resources.place(elsewhere._resource))
    assert q.parallelize([1]).map(elsewhere.echo).get() == [1]
    plan = pickle.dumps(elsewhere.echo)
    assert needed_by(plan) == {resources.place(elsewhere._resource): elsewhere._path}
    assert needed_by(b"") == {}


@pytest.mark.skipif(bool(on_spark.MASTER), reason="of the local engine")
def test_what_the_header_says_travels_without_it(
    odd_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "libdeclared.so"
    copy.write_bytes(odd_path.read_bytes() + b"not the same")
    (tmp_path / "libdeclared.h").write_text(
        "extern char* Plain(char* argument); extern struct answer Echo(char *);"
        "extern int Number(void); /* extern char* Gone(void); */ extern char* Two(char* a, char* b);"
    )
    library = nf.native(copy, free="give_back")
    assert dir(library) == ["Echo", "Plain"]
    monkeypatch.setattr(library, "_resource", library._resource._replace(path="/nowhere/libdeclared.so"))
    p = nf.Pipeline.create("local", host="workers", progress=False)
    p.add_file(library._path, resources.place(library._resource))
    assert p.parallelize([1]).map(library.Plain).map(library.Echo).get() == [1]


# On engines.


def test_in_every_transform(p: nf.Pipeline, pricing: Any) -> None:
    items = p.parallelize([("a", {"base": 1.0}), ("b", {"base": 2.0, "quantity": 4}), ("a", {"base": 3.0})])
    assert items.map(lambda pair: pair[1]).map(pricing.price_of).get() == [
        {"total": 1.0},
        {"total": 7.2},
        {"total": 3.0},
    ]
    prices = items.group_by_key().apply_values(nf.transforms.map, pricing.price_of)
    assert prices.get() == {"a": [{"total": 1.0}, {"total": 3.0}], "b": [{"total": 7.2}]}
    assert items.flat_map(pricing.echo).count().get() == 6
    assert items.group_by(lambda pair: pricing.echo(pair[0])).apply_values(nf.transforms.count).get() == {
        "a": 2,
        "b": 1,
    }
    deep = items.group_by_key().apply_values(
        lambda group: group.group_by(lambda item: item["base"]).apply_values(
            nf.transforms.map, pricing.price_of
        )
    )
    assert deep.get() == {
        "a": {1.0: [{"total": 1.0}], 3.0: [{"total": 3.0}]},
        "b": {2.0: [{"total": 7.2}]},
    }


def test_an_error_in_a_run_has_step_and_record(p: nf.Pipeline, pricing: Any) -> None:
    with pytest.raises(NativeFunctionError, match="no such item, says fail") as caught:
        p.parallelize([{"item": 7}]).map(pricing.fail).get()
    assert caught.value.argument == {"item": 7}
    place = "\n".join(getattr(caught.value, "__notes__", [str(caught.value.__cause__)]))
    assert "map(fail)" in place and "{'item': 7}" in place


def test_a_crash_ends_only_the_worker(create: Callable[..., nf.Pipeline], engine: str, odd: Any) -> None:
    if "in_process" in engine:
        pytest.skip("it would end this process")
    p = create()
    with pytest.raises(NestflowRuntimeException, match=r"(?s)worker process.*SIGABRT.*map\(Crash\)"):
        p.parallelize([1, 13]).map(odd.Crash).get()
    q = create()
    assert q.parallelize([1, 12]).map(odd.Crash).get() == [1, 12]


@pytest.mark.skipif(bool(on_spark.MASTER), reason="of the local engine")
def test_auto_keeps_native_code_out_of_this_process(odd: Any) -> None:
    for host, here in (("auto", False), ("in_process", True)):
        p = nf.Pipeline.create("local", host=host, progress=False)
        assert (p.parallelize([1]).map(odd.Process).get() == [os.getpid()]) is here
        # Also where another function holds it.
        assert (p.parallelize([1]).map(lambda x: [odd.Process(x)]).get() == [[os.getpid()]]) is here


# Go.


@pytest.mark.parametrize("form", ["go", "legacy"])
def test_structs_of_go(form: str, legacy: Any, go_path: Path) -> None:
    price = nf.native(go_path).price_of if form == "go" else legacy.PriceOf
    assert _exactly(price(ORDER), PRICE)
    assert _exactly(price({"customer": "bob", "items": {}}), {"customer": "bob", "total": 0.0, "lines": {}})
    with pytest.raises(NativeFunctionError, match="an order needs a customer"):
        price({**ORDER, "customer": ""})
    with pytest.raises(
        TypeError, match=r"argument\['items'\]\[1\] has no field \"prise\", only note, price, quantity"
    ):
        price({**ORDER, "items": {1: {"prise": 1}}})
    with pytest.raises(NativeFunctionError, match="cannot unmarshal number 300 into Go"):
        price({**ORDER, "items": {1: {"price": 1, "quantity": 300}}})


def test_go_is_known_by_the_header_that_it_writes(legacy: Any) -> None:
    assert dir(legacy) == ["GetPriceOfInputSchema", "GetPriceOfOutputSchema", "Panic", "PriceOf", "Sleep"]
    with pytest.raises(NativeFunctionError, match=r"panic: .*nil pointer"):
        legacy.Panic(None)


def test_go_on_engines(p: nf.Pipeline, legacy: Any) -> None:
    assert p.parallelize([ORDER] * 3).map(legacy.PriceOf).get() == [PRICE] * 3


@pytest.mark.skipif(on_spark.HOST != "embedded", reason="there is no interpreter inside of a JVM")
def test_go_on_threads_of_a_jvm(p: nf.Pipeline, legacy: Any) -> None:
    def called(number: int) -> tuple[str, int, Any]:
        here = Path("/proc/self/comm").read_text().strip(), threading.get_ident()
        with pytest.raises(NativeFunctionError, match="an order needs a customer"):
            legacy.PriceOf({**ORDER, "customer": ""})
        return (*here, legacy.PriceOf(ORDER))

    # Several tasks, and garbage for the JVM to collect between the calls.
    keyed = p.parallelize(list(range(3000))).group_by(lambda number: number % 7)
    got = keyed.apply_values(nf.transforms.map, called).get()
    rows = [row for group in got.values() for row in group]
    assert len(rows) == 3000
    assert {process for process, _, _ in rows} == {"java"}
    assert all(price == PRICE for _, _, price in rows)


def _python(text: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


GO = """
    import faulthandler, signal, sys
    import nestflow as nf
    if sys.argv[2] == "before":
        faulthandler.enable()
    library = nf.native(sys.argv[1])
    order = {"customer": "ann", "items": {}}
    assert library.price_of(order)["total"] == 0
"""


def test_go_leaves_ctrl_c_to_python(go_path: Path) -> None:
    process = _python(
        GO
        + """
    import time
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        assert library.price_of(order)["total"] == 0
        print("interrupted")
    """,
        go_path,
        "never",
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == ("interrupted\n", "")


@pytest.mark.parametrize("enabled", ["before", "after"])
def test_go_leaves_crashes_to_faulthandler(go_path: Path, enabled: str) -> None:
    process = _python(
        GO
        + """
    import ctypes
    if sys.argv[2] == "after":
        faulthandler.enable()
    def crashes():
        ctypes.string_at(0)
    crashes()
    """,
        go_path,
        enabled,
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode < 0 and "Fatal Python error: Segmentation fault" in err
    assert "in crashes" in err


@pytest.mark.skipif(bool(on_spark.MASTER), reason="of the local engine")
def test_ctrl_c_ends_a_run_that_is_inside_of_go(legacy: Any) -> None:
    process = _python(
        """
        import os, signal, sys, threading
        import nestflow as nf
        sleep = nf.native(sys.argv[1], free="FreeText").Sleep
        p = nf.Pipeline.create("local", host="workers", progress=False)
        assert p.parallelize([0]).map(sleep).get() == [0]
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            p.parallelize([60]).map(sleep).get()
        except KeyboardInterrupt:
            print("interrupted")
        """,
        legacy._path,
    )
    out, _ = process.communicate(timeout=50)
    assert out == "interrupted\n"


def test_a_forked_process_is_told_that_go_does_not_work_there(go_path: Path) -> None:
    process = _python(
        GO
        + """
    import os
    if os.fork() == 0:
        try:
            library.price_of(order)
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
    """,
        go_path,
        "never",
    )
    out, _ = process.communicate(timeout=60)
    assert "libgo.so was opened before this process was forked" in out


JAVA = """
class Loads {
    static int depth(int n) { return 1 + depth(n + 1); }
    public static void main(String[] args) throws Exception {
        System.load(args[0]);
        int caught = 0;
        for (int n = 0; n < 100000; n++) {
            String nothing = n % 2 == 0 ? null : "a";
            try { nothing.length(); } catch (NullPointerException e) { caught++; }
        }
        try { depth(0); } catch (StackOverflowError e) { caught++; }
        System.gc();
        System.out.println(caught);
    }
}
"""


def test_go_inside_of_a_jvm(go_path: Path, tmp_path: Path) -> None:
    """The JVM learns of null pointers and full stacks by signals, which Go's runtime has to hand on."""
    if shutil.which("java") is None:
        pytest.skip("there is no java")
    (tmp_path / "Loads.java").write_text(JAVA)
    command = ["java", str(tmp_path / "Loads.java"), str(go_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "50001\n", done.stderr


# The Arrow form.


def test_arrays_go_in_and_out_by_pointers(pricing: Any) -> None:
    given = native_libraries.Doubles([1.0, 2.5])
    made = pricing.doubled(given)
    assert native_libraries.doubles(made) == [2.0, 5.0]
    assert given.released == 0
    with pytest.raises(
        NativeFunctionError, match="an array of doubles is wanted, not of format l, says doubled"
    ):
        pricing.doubled(native_libraries.Doubles([1.0], b"l"))
    with pytest.raises(TypeError, match="takes batches of Arrow, data frames and lists, not a int"):
        pricing.doubled(1)
    assert pickle.loads(pickle.dumps(pricing.doubled)) is pricing.doubled


def test_what_arrow_functions_give_is_released(pricing: Any) -> None:
    given = native_libraries.Doubles([0.0] * 100_000)
    pricing.doubled(given)
    before = _resident()
    for _ in range(200):
        pricing.doubled(given)
    # A quarter of what all of them hold.
    assert _resident() - before < 40_000_000


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_batches_of_rust(scoring: Any) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    batch = pyarrow.record_batch({"price": [1.0, 2.0, None, 4.0], "quantity": [1, 10, 3, None]})
    assert scoring.totals(batch).to_pydict() == {"total": [1.0, 18.0, None, None]}
    assert scoring.totals(batch.slice(1, 2)).to_pydict() == {"total": [18.0, None]}
    assert scoring.totals([{"price": 1.0, "quantity": 20}]) == [{"total": 18.0}]
    assert scoring.totals.arrow_schema == pyarrow.schema([("total", pyarrow.float64())])
    with pytest.raises(NativeFunctionError, match="there is no column price, says totals"):
        scoring.totals(batch.drop_columns(["price"]))


def test_data_frames_and_rust(scoring: Any) -> None:
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"price": [1.0], "quantity": [3]})
    assert scoring.totals(frame).to_dict("list") == {"total": [3.0]}


# JSON Schema.


def _shape(schema: Any) -> dict[str, Any]:
    made = shapes.shape_of(schema)
    return {"kinds": set(made.kinds), "only": made.only, "nullable": made.nullable}


TREE = {
    "$ref": "#/$defs/Tree",
    "$defs": {
        "Tree": {
            "type": "object",
            "properties": {
                "value": {"type": "number"},
                "left": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]},
            },
            "required": ["value"],
        }
    },
}


def _or_null(*schemas: Any) -> dict[str, Any]:
    return {"anyOf": [*schemas, {"type": "null"}]}


@pytest.mark.parametrize(
    "definitions",
    [
        {"A": _or_null({"type": "integer"})},
        {"A": {"$ref": "#/$defs/B"}, "B": _or_null({"type": "integer"})},
        {"A": _or_null({"$ref": "#/$defs/B"}), "B": _or_null({"type": "integer"})},
        {"A": _or_null({"$ref": "#/$defs/B"}), "B": {"$ref": "#/$defs/C"}, "C": {"type": "integer"}},
    ],
)
def test_definitions_that_may_be_null(definitions: dict[str, Any]) -> None:
    asked = {"$ref": "#/$defs/A"}
    whole = {"type": "object", "properties": {"first": asked, "again": asked}, "$defs": definitions}
    fields = shapes.shape_of(whole).fields
    for name in ("first", "again"):
        assert (fields[name].only, fields[name].kinds) == ("integer", {"integer", "null"})


def test_definitions_that_may_be_null_and_refer_to_themselves() -> None:
    again = {"$ref": "#/$defs/Tree"}
    tree = {"type": "object", "properties": {"left": _or_null(again), "right": again}}
    made = shapes.shape_of({**again, "$defs": {"Tree": _or_null(tree)}})
    for shape in (made, made.fields["left"], made.fields["right"].fields["left"]):
        assert (shape.only, shape.kinds, set(shape.fields)) == (
            "object",
            {"object", "null"},
            {"left", "right"},
        )
    # What is nothing but itself, or null, says nothing.
    assert shapes.shape_of({**again, "$defs": {"Tree": _or_null(again)}}).kinds == set()


def test_json_schemas() -> None:
    assert _shape({"type": ["string", "null"]}) == {
        "kinds": {"string", "null"},
        "only": "string",
        "nullable": True,
    }
    assert _shape({}) == {"kinds": set(), "only": None, "nullable": True}
    tree = shapes.shape_of(TREE)
    assert tree.fields["left"].fields["left"].kinds == {"object", "null"} and tree.kinds == {"object"}
    keys = [{"^[0-9]+$": True}, {"^-?\\d+$": {}}, {"^(0|[1-9][0-9]*)$": {}}, {".*": {}}, {"^[a-z]+$": {}}]
    found = [shapes.shape_of({"patternProperties": pattern}).integer_keys for pattern in keys]
    assert found == [True, True, True, False, False]
    for wrong in ("no schema", {"$ref": "#/$defs/None"}, {"$ref": "http://elsewhere"}, {"type": "text"}):
        with pytest.raises(InvalidConfException):
            shapes.shape_of(wrong)


def _described(folder: Path, name: str, description: dict[str, Any]) -> Any:
    """A library with a function that gives what it is given, and says this of itself."""
    source = folder / f"{name}.c"
    example = (native_libraries.EXAMPLES / "c" / "pricing.c").read_text()
    text = json.dumps(json.dumps(description))
    source.write_text(
        f'{example}\nNESTFLOW_EXPORT char *NESTFLOW_SCHEMA(echo)(void) {{ return text("%s", {text}); }}'
    )
    return nf.native(native_libraries.c(source, folder, f"lib{name}.so")).echo


def test_types_inside_of_types_are_checked_and_read(folder: Path) -> None:
    schema = {
        "type": "object",
        "properties": {
            "tree": {"$ref": "#/$defs/Tree"},
            "counts": {"type": "object", "patternProperties": {"^[0-9]+$": {"type": "integer"}}},
            "color": {"enum": ["red", "blue"]},
            "picture": {"type": "string", "contentEncoding": "base64"},
            "rows": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        },
        "$defs": TREE["$defs"],
    }
    echo = _described(folder, "types", {"argument": schema, "result": schema})
    value = {
        "tree": {"value": 1.0, "left": {"value": 2.0, "left": None}},
        "counts": {1: 2},
        "color": "red",
        "picture": b"\x00\x01",
        "rows": [[1.0], []],
    }
    assert _exactly(echo(value), value)
    for changed, told in (
        ({"tree": {"value": 1, "left": {"left": None}}}, r"\['tree'\]\['left'\] lacks the field \"value\""),
        ({"counts": {1: "a"}}, r"\['counts'\]\[1\] has to be an int, not str"),
        ({"color": "green"}, r"\['color'\] has to be one of red, blue, not \"green\""),
        ({"rows": [[1], ["a"]]}, r"\['rows'\]\[1\]\[0\] has to be a number, not str"),
    ):
        with pytest.raises(TypeError, match=told):
            echo({**value, **changed})


COLUMNS = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "price": {"type": ["number", "null"]},
        "name": {"type": "string"},
        "ok": {"type": "boolean"},
        "raw": {"type": "string", "contentEncoding": "base64"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "lines": {"type": "object", "patternProperties": {"^[0-9]+$": {"type": "number"}}},
        "big": {"type": "integer", "format": "uint64"},
    },
    "required": ["id", "tags", "lines"],
}


def test_json_schema_to_arrow(folder: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    echo = _described(folder, "columns", {"result": COLUMNS})
    assert echo.arrow_schema == pa.schema(
        [
            pa.field("id", pa.int64(), False),
            pa.field("price", pa.float64()),
            pa.field("name", pa.string()),
            pa.field("ok", pa.bool_()),
            pa.field("raw", pa.binary()),
            pa.field("tags", pa.list_(pa.field("item", pa.string(), False)), False),
            pa.field("lines", pa.map_(pa.int64(), pa.field("value", pa.float64(), False)), False),
            pa.field("big", pa.uint64()),
        ]
    )


def test_json_schema_to_spark(folder: Path) -> None:
    types = _pyspark("sql.types")
    echo = _described(folder, "columns", {"result": COLUMNS})
    assert echo.spark_schema == types.StructType(
        [
            types.StructField("id", types.LongType(), False),
            types.StructField("price", types.DoubleType()),
            types.StructField("name", types.StringType()),
            types.StructField("ok", types.BooleanType()),
            types.StructField("raw", types.BinaryType()),
            types.StructField("tags", types.ArrayType(types.StringType(), False), False),
            types.StructField("lines", types.MapType(types.LongType(), types.DoubleType(), False), False),
            types.StructField("big", types.DecimalType(20, 0)),
        ]
    )
    for schema, told in ((TREE, "left contains itself"), ({"type": "object"}, "the whole is object, which")):
        with pytest.raises(InvalidConfException, match=told):
            _ = _described(folder, f"columns{len(told)}", {"result": schema}).spark_schema
    with pytest.raises(InvalidConfException, match="does not describe the result"):
        _ = _described(folder, "nothing", {}).spark_schema


def _pyspark(module: str) -> Any:
    """A module of the pyspark that is installed, or of the Spark under test."""
    if importlib.util.find_spec("pyspark") is None:
        if "SPARK_HOME" not in os.environ:
            pytest.skip("there is no pyspark")
        from nestflow.engine.spark.context import find_pyspark as import_it

        import_it()
    return importlib.import_module(f"pyspark.{module}")


# Wheels.


def test_a_wheel_with_a_typed_module(go_path: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "nestflow.native",
        "pack",
        str(go_path),
        "--name",
        "pricing",
        "--out",
        "out",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    wheel = tmp_path / done.stdout.strip()
    assert done.returncode == 0 and wheel.name.startswith("pricing-0.0.0+"), done.stderr
    assert "-py3-none-manylinux_2_" in wheel.name
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert sorted(os.listdir(site / "pricing")) == [
        "__init__.py",
        "__init__.pyi",
        "libgo.h",
        "libgo.so",
        "py.typed",
    ]

    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            from __future__ import annotations

            import nestflow as nf
            import pricing

            order: pricing.Order = {"customer": "ann", "items": {1: {"price": 2.5, "quantity": 2}, 2: None}}
            price: pricing.Price = pricing.price_of(order)
            total: float = pricing.price_of(customer="ann", items={})["total"]
            line = price["lines"][1]
            print(price["total"], total, line and line["total"])
            p = nf.Pipeline.create("local", host="workers", progress=False)
            print(p.parallelize([order]).map(pricing.price_of).get() == [price])
            """
        )
    )
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "MYPYPATH": str(site)}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "5.0 0.0 5.0\nTrue\n", done.stderr

    wrong = tmp_path / "wrong.py"
    wrong.write_text(program.read_text().replace('"quantity": 2', '"quantity": "2"').replace("[1]", '["1"]'))
    command = [sys.executable, "-m", "mypy", "--strict", str(program), str(wrong)]
    command += ["--cache-dir", str(native_libraries.ROOT / "python-api" / ".mypy_cache")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    lines = [line.split(":")[0] for line in done.stdout.splitlines() if ": error:" in line]
    assert lines == ["wrong.py"] * 2, done.stdout + done.stderr


def test_what_a_library_says_of_itself(pricing: Any) -> None:
    found = elf.read(pricing._path)
    assert found is not None and found.machine == os.uname().machine and "libc.so.6" in found.needed
    assert "nestflow_json_price_of" in found.functions and "text" not in found.functions
    assert any(version.startswith("GLIBC_") for version in found.versions)


# PySpark's own functions.


@pytest.mark.skipif(not on_spark.MASTER, reason="there is no Spark")
def test_in_functions_of_pyspark(
    create: Callable[..., nf.Pipeline], engine: str, legacy: Any, scoring: Any
) -> None:
    if engine == "spark":
        pytest.skip("once is enough")
    create().parallelize([1]).map(str).get()  # there is a context from here on
    spark = _pyspark("sql").SparkSession.builder.getOrCreate()
    spark.sparkContext.pythonExec = sys.executable
    functions = _pyspark("sql.functions")
    frame = spark.createDataFrame([(json.dumps(ORDER),)], "line string")

    orders = frame.select(functions.from_json("line", _order_type()).alias("order"))
    price = functions.udf(legacy.PriceOf, legacy.PriceOf.spark_schema)
    by_rows = orders.select(price("order").alias("price"))
    price = functions.udf(lambda line: legacy.PriceOf(json.loads(line)), legacy.PriceOf.spark_schema)
    by_lambda = frame.select(price("line").alias("price"))
    on_text = functions.udf(legacy.PriceOf.on_text)
    by_text = frame.select(
        functions.from_json(on_text("line"), legacy.PriceOf.spark_json_schema).alias("price")
    )
    for made, key in ((by_rows, int), (by_lambda, int), (by_text, str)):
        (row,) = made.select("price.*").collect()
        assert (row.customer, row.total, row.missing) == ("ann", 7.5, [7])
        assert row.lines[key(1)].total == 4.5 and row.lines[key(7)] is None
    if all(importlib.util.find_spec(name) for name in ("pandas", "pyarrow")):
        _check_pandas(spark, functions, scoring)


def _order_type() -> Any:
    """What a reader of JSON would say: keys of maps are texts to Spark's."""
    return (
        "customer string, items map<string, struct<price: double, quantity: int, note: string>>,"
        " discounts map<string, double>"
    )


def _check_pandas(spark: Any, functions: Any, scoring: Any) -> None:
    lines = spark.createDataFrame([(1.0, 20), (2.0, 1)], "price double, quantity long")
    totals = functions.pandas_udf(lambda frame: scoring.totals(frame), "total double")
    made = lines.select(totals(functions.struct("price", "quantity")).alias("t")).select("t.total")
    assert [row.total for row in made.collect()] == [18.0, 2.0]


@settings(max_examples=20)
@given(st.binary(max_size=50))
def test_bytes_are_base64(pricing: Any, value: bytes) -> None:
    import base64

    assert pricing.echo(value) == base64.b64encode(value).decode()
