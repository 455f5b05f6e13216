"""``nestflow migrate``: programs written for Bigflow and Python 2, rewritten for nestflow and Python 3.

Python's own changes are made by `fissix`, the successor of 2to3; here only imports are changed. What needs
a person to look at it, divisions, is named and left alone. Must not write a file that it was not asked to.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import io
import os
import shutil
import sys
import tokenize
from typing import TYPE_CHECKING, Any

from .errors import NestflowRuntimeException

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ALIAS = "nestflow.compat.bigflow"
_ALIAS_LINE = f"import {_ALIAS}  # makes the name bigflow\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Show, or write, what becomes of the files of the command line."""
    parser = argparse.ArgumentParser(
        prog="nestflow migrate", description="Rewrite Bigflow programs for nestflow and Python 3."
    )
    parser.add_argument("--write", action="store_true", help="change the files; FILE.bak is what they were")
    parser.add_argument("files", nargs="+", metavar="FILE")
    given = parser.parse_args(arguments)
    tools, failed = _tools(), False
    for path in given.files:
        try:
            _migrate(path, tools, given.write)
        except (OSError, SyntaxError, UnicodeDecodeError, LookupError) as error:
            print(f"nestflow migrate: {path}: {error}", file=sys.stderr)
            failed = True
    return int(failed)


def rewritten(text: str, path: str, tools: Sequence[Any]) -> str:
    """Give the text of a program as it has to be.

    Args:
        text: the program.
        path: its name, for messages.
        tools: fixers for programs that print by a statement, and by a function.

    Raises:
        SyntaxError: it is no program, in Python 2 or 3.
    """
    whole = text if text.endswith("\n") else text + "\n"
    for tool in tools:
        try:
            tree = tool.refactor_string(whole, path)
        except Exception as error:  # a class of fissix's own
            reason = error
            continue
        made = imports(str(tree))
        compile(made, path, "exec", dont_inherit=True)
        return made if whole == text else made.removesuffix("\n")
    raise SyntaxError(f"cannot be read as a program of Python 2 or 3: {reason}")


def imports(text: str) -> str:
    r"""Give the text with Bigflow's imports made nestflow's; of ``import bigflow`` the name stays.

    Raises:
        SyntaxError: it is no program of Python 3.

    Example:
        >>> print(imports("from bigflow import base\nimport bigflow.schema as s"))
        from nestflow import base
        import nestflow.schema as s
        >>> print(imports("import bigflow.base"))
        import nestflow.compat.bigflow  # makes the name bigflow
        import bigflow.base
    """
    tree = ast.parse(text)
    # Positions count bytes.
    lines = text.encode().split(b"\n")
    places = list(_renamed(tree, lines))
    first = next((statement for statement in tree.body if not _comes_first(statement, tree)), None)
    if first is not None and _keeps_the_name(tree):
        line, column = _start(first)
        # Behind another statement of its line there is no room for a comment.
        alias = f"import {_ALIAS}; " if lines[line][:column].strip() else _ALIAS_LINE
        places.append((line, column, column, alias.encode()))
    for line, start, end, put in sorted(places, reverse=True):
        lines[line] = lines[line][:start] + put + lines[line][end:]
    return b"\n".join(lines).decode()


def _renamed(tree: ast.Module, lines: list[bytes]) -> Iterator[tuple[int, int, int, bytes]]:
    """Give line, start, end and new text of the names that become nestflow's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_bigflow(node.module or ""):
            line, start = node.lineno - 1, lines[node.lineno - 1].find(b"bigflow", node.col_offset)
            while start < 0:  # `from` and a backslash
                line += 1
                start = lines[line].find(b"bigflow")
            yield line, start, start + len("bigflow"), b"nestflow"
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.asname and _is_bigflow(name.name):
                    start = name.col_offset
                    yield name.lineno - 1, start, start + len("bigflow"), b"nestflow"


def _keeps_the_name(tree: ast.Module) -> bool:
    """Whether there are imports that make the name ``bigflow``, and nothing yet that lets them."""
    lets = (name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names)
    names = (name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names)
    return _ALIAS not in lets and any(_is_bigflow(name.name) and not name.asname for name in names)


def _is_bigflow(module: str) -> bool:
    return module.partition(".")[0] == "bigflow"


def _comes_first(statement: ast.stmt, tree: ast.Module) -> bool:
    """Whether nothing may stand before a statement: the docstring, what is of the future."""
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__"
    return statement is tree.body[0] and ast.get_docstring(tree, clean=False) is not None


def _start(statement: ast.stmt) -> tuple[int, int]:
    """Line and column of a statement, its first decorator included."""
    decorators = getattr(statement, "decorator_list", None)
    if decorators:
        return decorators[0].lineno - 1, 0
    return statement.lineno - 1, statement.col_offset


def divisions(text: str) -> Iterator[int]:
    r"""Give the lines with a division that may have been one of whole numbers.

    Example:
        >>> list(divisions("a = b / c\nd = b // c\ne = '/'"))
        [1]
    """
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.OP and token.string in ("/", "/="):
            yield token.start[0]


def _migrate(path: str, tools: Sequence[Any], write: bool) -> None:
    with open(path, "rb") as file:
        encoding, _ = tokenize.detect_encoding(file.readline)
    with open(path, encoding=encoding, newline="") as file:
        before = file.read()
    after = rewritten(before.replace("\r\n", "\n"), path, tools)
    for line in sorted(set(divisions(after))):
        print(
            f"{path}: {after.splitlines()[line - 1].strip()}: `/` gives a float now; write `//` if whole "
            "numbers were rounded down",
            file=sys.stderr,
        )
    if "\r\n" in before:
        after = after.replace("\n", "\r\n")
    if after == before:
        return
    if not write:
        old, new = (text.splitlines(keepends=True) for text in (before, after))
        sys.stdout.writelines(difflib.unified_diff(old, new, path, path))
        return
    shutil.copy2(path, path + ".bak")
    with open(path + ".new", "w", encoding=encoding, newline="") as file:
        file.write(after)
    shutil.copymode(path, path + ".new")
    os.replace(path + ".new", path)


def _tools() -> list[Any]:
    """Make fixers for programs that print by a statement, and by a function.

    Raises:
        NestflowRuntimeException: fissix is not installed.
    """
    try:
        from fissix.refactor import RefactoringTool, get_fixers_from_package
    except ImportError as error:
        raise NestflowRuntimeException(
            f"nestflow migrate needs fissix, which is not here ({error}): pip install 'nestflow[migrate]'"
        ) from error
    fixers = get_fixers_from_package("fissix.fixes")
    return [RefactoringTool(fixers, {"print_function": by_function}) for by_function in (False, True)]
