"""Native libraries come with the job to executors on other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import native_libraries

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def test_a_library_that_only_this_machine_has(
    spark: Callable[..., nf.Pipeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = native_libraries.EXAMPLES / "c" / "pricing.c"
    library: Any = nf.native(native_libraries.c(source, tmp_path, "libelsewhere.so"))
    # Executors of the test are on this machine: they are told another path.
    monkeypatch.setattr(library, "_resource", library._resource._replace(path="/nowhere/libelsewhere.so"))
    p = spark()
    prices = p.parallelize([{"base": 1.0}, {"base": 2.0}]).map(library.price_of)
    assert prices.get() == [{"total": 1.0}, {"total": 2.0}]
