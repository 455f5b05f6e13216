"""Puts the slow engine in the place of the compiled module for the tests of this directory.

With ``NESTFLOW_COMPILED=1`` the compiled module stays: programs and examples have to agree with it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "python")]

import fake_native  # noqa: E402

import nestflow as nf  # noqa: E402


@pytest.fixture(autouse=True)
def _slow_engine(monkeypatch):
    if os.environ.get("NESTFLOW_COMPILED"):
        return
    monkeypatch.setitem(sys.modules, "nestflow._native", fake_native)
    monkeypatch.setattr(nf, "_native", fake_native, raising=False)


@pytest.fixture
def p():
    return nf.Pipeline.create("local")
