"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil

import pytest

import nestflow

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(nestflow.__path__, "nestflow.")
    if not info.name.startswith(("nestflow.host", "nestflow._native"))
    # The slow engine calls functions in the thread that asks, which nobody else can end.
    and (os.environ.get("NESTFLOW_COMPILED") or info.name != "nestflow.cancelling")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
