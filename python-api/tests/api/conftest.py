"""Puts the slow engine in the place of the compiled module for the tests of this directory.

With ``NESTFLOW_COMPILED=1`` the compiled module stays, and only notes the plans that it is given: programs
and examples have to agree with it.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "python")]

import decode  # noqa: E402
import fake_native  # noqa: E402

import nestflow as nf  # noqa: E402


@pytest.fixture(autouse=True)
def _slow_engine(monkeypatch):
    if os.environ.get("NESTFLOW_COMPILED"):
        compiled = importlib.import_module("nestflow._native")
        monkeypatch.setattr(compiled, "run", _noting_plans(compiled.run))
        monkeypatch.setattr(compiled, "open_session", _noting_options(compiled.open_session))
        return
    monkeypatch.setitem(sys.modules, "nestflow._native", fake_native)
    monkeypatch.setattr(nf, "_native", fake_native, raising=False)


def _noting_plans(run):
    def noted(session, plan, *rest):
        fake_native.plans.append(decode.decode_plan(plan))
        return run(session, plan, *rest)

    return noted


def _noting_options(open_session):
    def noted(options):
        fake_native.options[len(fake_native.options)] = options
        return open_session(options)

    return noted


@pytest.fixture
def p():
    return nf.Pipeline.create("local")
