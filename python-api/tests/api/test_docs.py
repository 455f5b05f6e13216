"""Every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import nestflow

MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(nestflow.__path__, "nestflow.")
    if not info.name.startswith(("nestflow.host", "nestflow._native"))
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
