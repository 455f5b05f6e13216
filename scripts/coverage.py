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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"

MODULES = {
    "Transforms": ["transforms", "transform_impls.sort", "transform_impls.group_by_every_record"],
    "Sources and targets": ["input", "output"],
    "Schema": ["schema", "future.fields"],
    "Serdes": ["serde"],
    "Errors": ["error"],
    "Other modules": ["base", "counter", "lazy_var", "udf", "test.magic", "test.test_base"],
    "Helpers": [f"util.{name}" for name in ("broadcast", "utils", "path_util", "decorators", "log")],
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
            word = key.rpartition(".")[2]
            tests = [(test, where) for test, words, where in mentioned if word in words]
            # Of what has cases, they say it all.
            tests = [] if found[key] else tests
            cells = [f"`{name}`", _engines(found[key] or tests), _listed(found[key], 3), _listed(tests)]
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
    """Have public functions and methods say that they are called."""
    replaced: list[tuple[Any, str, Any]] = []

    def replace(owner: Any, name: str, shown: str) -> None:
        original = inspect.getattr_static(owner, name)
        if not inspect.isfunction(original):
            return

        def told(*args: Any, **kwargs: Any) -> Any:
            calls.add(shown)
            return original(*args, **kwargs)

        told.__name__ = name
        replaced.append((owner, name, original if name in vars(owner) else None))
        setattr(owner, name, told)

    for module in (nf.transforms, nf.schema, importlib.import_module("nestflow.future.fields")):
        for name in module.__all__:
            replace(module, name, f"{module.__name__.partition('.')[2]}.{name}")
    for kind in (nf.PCollection, nf.PObject, nf.PTable):
        for name in dir(kind):
            if not name.startswith("_") and not hasattr(object, name):
                replace(kind, name, f"{kind.__name__}.{name}")
    try:
        yield
    finally:
        for owner, name, original in reversed(replaced):
            delattr(owner, name) if original is None else setattr(owner, name, original)


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
    words = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            words.add(part.attr)
        elif isinstance(part, ast.Name):
            words.add(part.id)
        elif isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            words.add(part.name)
        elif isinstance(part, ast.alias):
            words.add(part.name.rpartition(".")[2])
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and len(part.value) < 100_000:
            words.update(part.value.replace("(", " ").replace(".", " ").split())
    return words


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
