"""What attempts that fail leave behind: nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nestflow import counter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import nestflow as nf


def test_only_successful_attempts_count(spark: Callable[..., nf.Pipeline], tmp_path: Path) -> None:
    mark = tmp_path / "died"

    def visit(x: int) -> int:
        counter.increase("visits")
        if x == 5000 and not mark.exists():
            mark.touch()
            os._exit(1)
        return x

    counter.reset_all()
    assert spark().parallelize(list(range(10_000))).map(visit).count().get() == 10_000
    assert mark.exists()
    assert counter.get("visits") == 10_000
