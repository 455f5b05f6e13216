"""``nestflow migrate``: programs written for Bigflow and Python 2, rewritten for nestflow and Python 3.

Python's own changes are made by `fissix`, the successor of 2to3; here only imports are changed. What needs
a person to look at it, divisions, is named and left alone. Must not write a file that it was not asked to.
"""

from __future__ import annotations

import argparse
import difflib
import io
import os
import re
import shutil
import sys
import tokenize
from typing import TYPE_CHECKING, Any

from .errors import NestflowRuntimeException

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FROM = re.compile(r"^([ \t]*from[ \t]+)bigflow(?=[.\s])", re.M)
_NAMED = re.compile(r"^([ \t]*import[ \t]+)bigflow((?:\.\w+)*[ \t]+as\b)", re.M)
_PLAIN = re.compile(r"^([ \t]*)import[ \t]+(?:[\w.]+[ \t]*,[ \t]*)*bigflow\b", re.M)

_ALIAS = "import nestflow.compat.bigflow  # makes the name bigflow"


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

    Example:
        >>> print(imports("from bigflow import base\nimport bigflow.schema as s"))
        from nestflow import base
        import nestflow.schema as s
        >>> print(imports("import bigflow.base"))
        import nestflow.compat.bigflow  # makes the name bigflow
        import bigflow.base
    """
    text = _NAMED.sub(r"\1nestflow\2", _FROM.sub(r"\1nestflow", text))
    return _PLAIN.sub(rf"\1{_ALIAS}\n\g<0>", text, count=1) if _ALIAS not in text else text


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
