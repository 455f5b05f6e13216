#!/usr/bin/env python
"""Writes docs/coverage.md: each public name, the engines that tests try it on, and its cases.

Cases (`tests/cases`) are built to see which names they call; other tests are read for the names that
they mention. A name without any is listed as such: nothing is missing silently.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import runpy
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, ModuleType

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"

MODULES = {
    "Transforms": ["transforms", "transform_impls.sort", "transform_impls.group_by_every_record"],
    "Sources and targets": ["input", "output"],
    "Schema": ["schema", "future.fields"],
    "Serdes": ["serde"],
    "Errors": ["error"],
    "Other modules": ["base", "counter", "lazy_var", "udf", "test.magic", "test.test_base"],
    "Utilities": [f"util.{name}" for name in ("broadcast", "utils", "path_util", "decorators", "log")],
}
"""Modules below ``nestflow`` whose public names are listed."""

CLASSES = ["Pipeline", "PCollection", "PObject", "PTable"]
"""Classes whose public methods are listed."""

BUILDERS = ["input.SequenceFile", "output.TextFile", "output.SequenceFile", "output.UserOutputBase"]
"""Classes of sources and targets with methods that users call or override."""

LOCAL = "local"
SPARK = "Spark"
CLIENT = "client"
"""Tests without an engine: of what happens while a pipeline is built."""

ENGINE_FIXTURES = {"p", "lender", "create", "engine"}


def page() -> str:
    """Give the text of the page."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "python-api" / "python")]
    found = defaultdict(list)
    for name, case in called_by_cases():
        found[name].append((case, (LOCAL, SPARK)))
    mentioned = list(mentions())
    lines = [
        "# What is tested where",
        "",
        "Made by `scripts/coverage.py` from the tests; do not edit. *local*: in this interpreter and in",
        "worker processes, with much and little memory; *Spark*: inside executors; *client*: while a",
        "pipeline is built.",
        "Every case of `tests/cases` runs on whole datasets and in the groups of tables of depth 1 to 3; the",
        "files of other tests stand where there is no case.",
    ]
    for title, names in public().items():
        lines += ["", f"## {title}", "", "| name | engines | cases | test files |", "|---|---|---|---|"]
        for name, key in sorted(names.items()):
            tests = [(test, where) for test, words, where in mentioned if _is_in(key, words)]
            # Of what has cases, they say it all.
            tests = [] if found[key] else tests
            files = _listed(tests) if len(dict(tests)) <= 5 else "many"
            cells = [f"`{name}`", _engines(found[key] or tests), _listed(found[key], 3), files]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def public() -> dict[str, dict[str, str]]:
    """Give the public names by section, each with what tests call it."""
    sections: dict[str, dict[str, str]] = {}
    for title, modules in MODULES.items():
        sections[title] = {}
        for module in modules:
            for name in _names(_module(module)):
                sections[title][f"{module}.{name}"] = f"{module}.{name}"
    for title, classes in (("Methods", CLASSES), ("Methods of sources and targets", BUILDERS)):
        sections[title] = {}
        for path in classes:
            owner, _, last = path.rpartition(".")
            kind = getattr(_module(owner) if owner else _module(""), last)
            for name in dir(kind):
                if not name.startswith("_") and not hasattr(object, name):
                    sections[title][f"{path}.{name}"] = f"{last}.{name}"
    return sections


def called_by_cases() -> Iterator[tuple[str, str]]:
    """Give each public transform and method with the case that calls it."""
    import cases

    import nestflow as nf

    calls: set[str] = set()
    with _recorded(nf, calls):
        for case in cases.ALL:
            calls.clear()
            p = nf.Pipeline.create("local")
            wanted = [q for q in inspect.signature(case.fn).parameters.values() if q.default is q.empty]
            outer = [p.parallelize(case.outer)] if len(wanted) == 2 else []
            calls.clear()
            case.fn(p.parallelize(case.records), *outer)
            for name in sorted(calls):
                yield name, case.name


@contextlib.contextmanager
def _recorded(nf: ModuleType, calls: set[str]) -> Iterator[None]:
    """Have the calls of public functions and methods noted."""
    shown: dict[CodeType, str] = {}
    for module in (nf.transforms, nf.schema, importlib.import_module("nestflow.future.fields")):
        for name in module.__all__:
            code = getattr(getattr(module, name), "__code__", None)
            shown.setdefault(code, f"{module.__name__.partition('.')[2]}.{name}")
    of_kind = {
        (kind, getattr(getattr(kind, name), "__code__", None)): f"{kind.__name__}.{name}"
        for kind in (nf.PCollection, nf.PObject, nf.PTable)
        for name in dir(kind)
        if not name.startswith("_")
    }

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            code = frame.f_code
            if code in shown:
                calls.add(shown[code])
            kind = type(frame.f_locals.get("self"))
            for parent in kind.__mro__:
                if (parent, code) in of_kind:
                    calls.add(of_kind[parent, code])

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


def mentions() -> Iterator[tuple[str, set[str], tuple[str, ...]]]:
    """Give the file of each test outside of the cases, the words of its body, and where it runs."""
    on_spark = runpy.run_path(str(ROOT / "scripts" / "test.py"), run_name="tests")["SPARK"]
    spark_files = {word for arguments in on_spark.values() for word in arguments if word.endswith(".py")}
    files = [*ROOT.glob("tests/test_*.py"), *ROOT.glob("tests/spark/test_*.py")]
    for path in sorted([*files, *ROOT.glob("python-api/tests/api/test_*.py")]):
        relative = path.relative_to(ROOT).as_posix()
        if relative in ("tests/test_cases.py", "tests/test_coverage.py"):
            continue
        here = (LOCAL, SPARK) if relative in spark_files else (LOCAL,)
        if relative.startswith("tests/spark"):
            here = (SPARK,)
        beside: set[str] = set()
        everywhere: tuple[str, ...] = (CLIENT,)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                beside |= _words(node)
                continue
            fixtures = {argument.arg for argument in node.args.args}
            on_engines = relative.startswith("tests/spark") or (
                relative.startswith("tests/") and fixtures & ENGINE_FIXTURES
            )
            where = here if on_engines else (CLIENT,)
            everywhere = here if on_engines else everywhere
            yield path.stem, _words(node), where
        yield path.stem, beside, everywhere


def _words(node: ast.AST) -> set[str]:
    """Give the names of a piece of code: ``name``, ``.attribute`` and ``owner.attribute``."""
    words = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            owner = part.value
            last = getattr(owner, "attr", getattr(owner, "id", ""))
            words |= {f".{part.attr}", f"{last}.{part.attr}"}
        elif isinstance(part, ast.Name):
            words.add(part.id)
        elif isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            words |= {part.name, f".{part.name}"}
        elif isinstance(part, ast.alias):
            words |= {part.name.rpartition(".")[2], part.asname or part.name}
    return words


def _is_in(key: str, words: set[str]) -> bool:
    """Whether code mentions a name: a method by any owner, a name of a module by the module's name."""
    owner, _, name = key.rpartition(".")
    owner = owner.rpartition(".")[2]
    if owner[:1].isupper():
        return f".{name}" in words
    short = {"transforms": "T", "errors": "error"}.get(owner, owner)
    return bool(
        {name} - {"_"} & words
        or {f"{owner}.{name}", f"{short}.{name}", f"nf.{name}", f"{owner}s.{name}"} & words
    )


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"nestflow.{name}" if name else "nestflow")


def _names(module: ModuleType) -> list[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    ]


def _engines(uses: list[tuple[str, tuple[str, ...]]]) -> str:
    where = {engine for _, engines in uses for engine in engines}
    return ", ".join(engine for engine in (LOCAL, SPARK, CLIENT) if engine in where) or "**none**"


def _listed(uses: list[tuple[str, tuple[str, ...]]], most: int = 99) -> str:
    names = list(dict.fromkeys(name.replace("|", "\\|") for name, _ in uses))
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + rest


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
