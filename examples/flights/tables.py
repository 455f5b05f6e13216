"""Prints tables of results, and what a run did, as text. Knows nothing of flights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def heading(text: str) -> None:
    """Print a title."""
    print(f"\n{text}\n{'─' * len(text)}")


def show(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their columns; what is not a text stands to the right."""
    rows = list(rows)
    texts = [list(columns), *([_text(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    left = [all(isinstance(value, str) for value in column) for column in zip(*rows, strict=True)]
    for line in texts:
        cells = zip(line, widths, left, strict=False)
        print(
            "  "
            + "  ".join(cell.ljust(width) if to_left else cell.rjust(width) for cell, width, to_left in cells)
        )


def show_stages(run: dict[str, Any]) -> None:
    """Print what the stages of a run read, gave and took, as far as the engine tells."""
    stages = run["stages"]
    titles = {
        "tasks": "tasks",
        "rows": "rows in",
        "rows_out": "rows out",
        "bytes": "bytes",
        "seconds": "seconds",
    }
    fields = [field for field in titles if all(field in stage for stage in stages)]
    rows = [[_short(stage["name"]), *map(stage.get, fields)] for stage in stages]
    show(["stage", *map(titles.get, fields)], rows)
    seconds = f", {sum(stage['seconds'] for stage in stages):.1f} s" if "seconds" in fields else ""
    print(f"  {len(stages)} stages{seconds}")


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)


def _short(name: str, width: int = 60) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"
