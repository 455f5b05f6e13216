"""``python -m nestflow.native``: where the header is, what a library has, and wheels of libraries."""

from __future__ import annotations

import argparse
import os
import sys


def include() -> str:
    """Give the folder of ``nestflow_function.h``, for compilers.

    Example:
        >>> import os
        >>> os.listdir(include())
        ['nestflow_function.h']
    """
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m nestflow.native", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("include", help="print the folder of nestflow_function.h")
    show = commands.add_parser("show", help="list the functions of a library")
    pack = commands.add_parser("pack", help="make a wheel of a library, with a typed module")
    for each in (show, pack):
        each.add_argument("library", help="path of the shared library")
        each.add_argument("--free", help="how texts are freed, where the library does not say so")
        each.add_argument("--returns", choices=("struct", "value", "envelope"), help="what functions return")
    pack.add_argument("--name", required=True, help="of the package, and of the module")
    pack.add_argument("--out", default="dist", help="folder of the wheel (dist)")
    pack.add_argument("--version", help="of the package (0.0.0 and the hash of the library)")
    pack.add_argument("--platform", help="tag of the platform (what the library needs)")
    pack.add_argument("--functions", nargs="*", help="which functions (all that are found)")
    given = parser.parse_args(arguments)
    if given.command == "include":
        print(include())
        return 0
    from nestflow.errors import NestflowError

    try:
        return _show(given) if given.command == "show" else _pack(given)
    except (NestflowError, OSError, ValueError, AttributeError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1


def _show(given: argparse.Namespace) -> int:
    import inspect

    from nestflow import native

    library = native(given.library, free=given.free, returns=given.returns)
    for name in dir(library):
        function = getattr(library, name)
        signature = inspect.signature(function)
        print(f"{name}{signature}  # {function.__doc__}")
    return 0


def _pack(given: argparse.Namespace) -> int:
    from .pack import pack

    print(
        pack(
            given.library,
            given.name,
            given.out,
            version=given.version,
            platform=given.platform,
            functions=given.functions,
            free=given.free,
            returns=given.returns,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
