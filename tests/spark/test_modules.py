"""How modules of the user's project reach machines that do not have them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from nestflow.host import modules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    import nestflow as nf


def test_modules_of_the_project_travel(
    spark: Callable[..., nf.Pipeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "travelling").mkdir()
    (tmp_path / "travelling" / "__init__.py").write_text("")
    (tmp_path / "travelling" / "deep.py").write_text("import travelling\nf = lambda x: travelling.__file__")
    monkeypatch.syspath_prepend(str(tmp_path))
    import travelling.deep  # type: ignore[import-not-found]

    # As if executors ran elsewhere.
    elsewhere = [path for path in modules.search_path() if path != str(tmp_path)]
    monkeypatch.setattr(modules, "search_path", lambda: elsewhere)
    try:
        (found,) = spark().parallelize([1]).map(travelling.deep.f).get()
    finally:
        del sys.modules["travelling.deep"], sys.modules["travelling"]
    assert found.endswith(os.path.join("travelling", "__init__.py"))
    assert not found.startswith(str(tmp_path))
