#!/usr/bin/env python
"""Runs pytest, and writes down which public names each test used, and on which engines it ran.

Usage: scripts/record_tests.py FILE ARGUMENTS-OF-PYTEST…

Calls are seen as they happen, in this process: programs are built here, wherever they run. A test is
watched on the first of its engines only, and of a case just how it is built: to watch takes time. Names
that are not called (constants, exceptions, methods that users override) are used by a test whose text has
them. What the engine was, the pipelines say that ran. `scripts/coverage.py` makes a page of the files.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import json
import os
import runpy
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

CLIENT = "client"
"""Instead of an engine: of what happens while a pipeline is built."""

OVERRIDDEN = ("Transformer", "UserInputBase", "UserOutputBase")
"""Classes whose methods users write: to have them is to use them."""


REMOTE = {"counter.increase": "counter.increase", "resources.resource": "resource"}
"""What users' functions call, and not always in this process; with the word that shows it."""


class Recorder:
    """The plugin: notes what is called while a test runs."""

    def __init__(self, file: Path) -> None:
        """Write to the file at the end."""
        self.file = file
        self.used: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.engines: set[str] = set()
        self.functions: dict[CodeType, list[str]] = defaultdict(list)
        self.methods: dict[CodeType, list[tuple[type, str]]] = defaultdict(list)
        self.by_word: dict[str, list[str]] = defaultdict(list)
        self.words: dict[Any, dict[str, set[str]]] = {}
        self.seen: dict[str, set[str]] = {}

    def pytest_sessionstart(self) -> None:
        """Find the code behind each name."""
        names = runpy.run_path(str(Path(__file__).parent / "public_names.py"))
        found = names["found"]
        self._watch_runs(found("Pipeline"))
        for name in (name for section in names["public"]().values() for name in section):
            thing, (path, _, last) = found(name), name.rpartition(".")
            owner = found(path) if path else None
            code = _code(thing)
            if owner is not None and owner.__name__ in OVERRIDDEN:
                self.by_word[f"{owner.__name__}.{last}"].append(name)
            if name in REMOTE:
                self.by_word[REMOTE[name]].append(name)
            if inspect.isclass(thing) and not issubclass(thing, BaseException):
                self._know_class(thing, name)
            elif code is None:
                self.by_word[last if len(last) > 1 else name].append(name)
            elif inspect.isclass(owner) and not isinstance(inspect.getattr_static(owner, last), staticmethod):
                self.methods[code].append((owner, name))
            else:
                self.functions[code].append(name)

    def _know_class(self, kind: type, name: str) -> None:
        """A class is used where one of its objects is."""
        codes = [_code(value) for parent in kind.__mro__ for value in vars(parent).values()]
        for code in filter(None, codes):
            self.methods[code].append((kind, name))
        if not any(codes) or kind.__name__ in OVERRIDDEN:
            self.by_word[name.rpartition(".")[2]].append(name)

    def _watch_runs(self, pipeline: Any) -> None:
        run = pipeline._run

        @functools.wraps(run)
        def watched(this: Any, *arguments: Any) -> Any:
            self.engines.add(_engine(this))
            return run(this, *arguments)

        pipeline._run = watched

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Watch a test and the fixtures that are made for it; random programs may have used anything."""
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            return (yield)
        parameters = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        parameters.pop("engine", None)
        case = parameters.get("case") if hasattr(parameters.get("case"), "fn") else None
        name = _name(item)
        key = str(case) if case else f"{name} {parameters!r}"
        self.engines = set()
        if case and key not in self.seen:
            self.seen[key] = self._built(case)
        if key in self.seen:
            result = yield
        else:
            with self._watching() as calls:
                result = yield
            self.seen[key] = calls | self._written(item)
        test = f"case: {case}" if case else name
        for used in self.seen[key]:
            for engine in self.engines or {CLIENT}:
                self.used[used][engine].add(test)
        return result

    def _built(self, case: Any) -> set[str]:
        """What a case calls."""
        import nestflow as nf

        p = nf.Pipeline.create("local")
        wanted = [q for q in inspect.signature(case.fn).parameters.values() if q.default is q.empty]
        values = [p.parallelize(data) for data in (case.records, case.outer)]
        with self._watching() as calls:
            case.fn(*values[: len(wanted)])
        return calls

    @contextlib.contextmanager
    def _watching(self) -> Iterator[set[str]]:
        """Note the names that are called."""
        calls: set[str] = set()

        def note(frame: FrameType, event: str, _: object) -> None:
            if event != "call":
                return
            code = frame.f_code
            if code in self.functions:
                calls.update(self.functions[code])
            if code in self.methods and code.co_argcount:
                this = frame.f_locals.get(code.co_varnames[0])
                kind = this if inspect.isclass(this) else type(this)
                calls.update(name for owner, name in self.methods[code] if issubclass(kind, owner))

        sys.setprofile(note)
        try:
            yield calls
        finally:
            sys.setprofile(None)

    def _written(self, item: pytest.Item) -> set[str]:
        """The names that the text of a test has, and of what stands beside it and is mentioned there."""
        module = getattr(item, "module", None)
        if module is None:
            return set()
        if module not in self.words:
            self.words[module] = _words(Path(module.__file__).read_text(encoding="utf-8"))
        known = self.words[module]
        words = set(known.get(getattr(item, "originalname", None) or item.name, ()))
        for word in list(words):
            words |= known.get(word, set())
        return {name for word in words & self.by_word.keys() for name in self.by_word[word]}

    def pytest_sessionfinish(self) -> None:
        """Write it all down."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        used = {
            name: {engine: sorted(tests) for engine, tests in sorted(engines.items())}
            for name, engines in sorted(self.used.items())
        }
        self.file.write_text(json.dumps(used, indent=1, ensure_ascii=False), encoding="utf-8")


def _code(value: Any) -> CodeType | None:
    if isinstance(value, property):
        value = value.fget
    function = inspect.unwrap(getattr(value, "__func__", value)) if callable(value) else value
    return getattr(function, "__code__", None)


def _engine(pipeline: Any) -> str:
    """The name of the engine that a pipeline runs on, as the page has it."""
    engine = pipeline._engine
    if type(engine).__name__ != "SparkEngine":
        if getattr(sys.modules.get("nestflow._native"), "__name__", "") == "fake_native":
            return CLIENT  # the slow engine of the tests of the API
        if engine._options.get("memory_limit"):
            return "little memory"
        return "workers" if engine._options["host"] == "workers" else "in process"
    master = engine._conf.get("spark.master", "")
    if engine._host == "embedded":
        return "embedded"
    if master.startswith("yarn"):
        return "YARN"
    if master.startswith("local-cluster"):
        return "cluster"
    version = Path(os.environ.get("SPARK_HOME", "")).parent.name.rpartition("-")[2]
    return f"Spark {version.rpartition('.')[0]}"


def _name(item: pytest.Item) -> str:
    """The file and the function."""
    return f"{Path(item.path).stem}: {getattr(item, 'originalname', None) or item.name}"


def _words(text: str) -> dict[str, set[str]]:
    """For each function, class and variable of a module, the words in it.

    A word is a name, `owner.attribute`, or `Base.method` of a class that derives from a base.
    """
    tree = ast.parse(text)
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    words: dict[str, set[str]] = {}
    for node in tree.body:
        inside = {word for part in ast.walk(node) for word in _words_of(part, classes)}
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            words[node.name] = inside
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                words.update({name.id: inside for name in ast.walk(target) if isinstance(name, ast.Name)})
    return words


def _words_of(node: ast.AST, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield node.attr
        yield f"{getattr(node.value, 'attr', getattr(node.value, 'id', ''))}.{node.attr}"
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        for alias in node.names:
            yield alias.name.rpartition(".")[2]
    elif isinstance(node, ast.ClassDef):
        methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
        yield from (f"{base}.{method}" for base in _bases(node, classes) for method in methods)


def _bases(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    for base in node.bases:
        name = getattr(base, "attr", getattr(base, "id", ""))
        yield name
        if name in classes and classes[name] is not node:
            yield from _bases(classes[name], classes)


if __name__ == "__main__":
    # As with `python -m pytest`: the folder of this file has modules that hide others.
    sys.path[0] = os.getcwd()
    sys.exit(pytest.main(sys.argv[2:], plugins=[Recorder(Path(sys.argv[1]))]))
