"""The file systems that Spark reads, asked about through the driver's JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .temporary import Temporary


def asking(driver: Any, temporary: Temporary) -> Callable[[str, str, str], str | None]:
    """Give the function that asks for an operation on a path; ``scala-shim``'s ``Files`` answers.

    What ``elsewhere`` asks for, a folder that tasks see, is this client's own. It raises an ``OSError`` whose
    text is that of the JVM: a kind, a colon and what is wrong.
    """
    from py4j.protocol import Py4JJavaError  # type: ignore[import-not-found, unused-ignore]

    files = driver.files()

    def ask(operation: str, path: str, other: str) -> str | None:
        try:
            if operation == "elsewhere":
                return temporary.inside(files, path)
            answer: str | None = files.ask(operation, path, other)
        except Py4JJavaError as error:
            raise OSError(str(error.java_exception.getMessage())) from error
        return answer

    return ask
