"""What becomes known of an interpreter's lock, with interpreters that only say so."""

import pickle
import sys
import warnings

import pytest

from nestflow.host import free_threading, functions


@pytest.fixture
def lock(monkeypatch):
    """An interpreter without a lock; it can be brought back."""
    state = {"enabled": False}
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: state["enabled"], raising=False)
    monkeypatch.setattr(free_threading, "_had_lock", False)
    return state


def test_a_lock_that_comes_back_with_a_function_is_told_once(lock):
    assert not free_threading.has_lock()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        functions.load(pickle.dumps(len))
    lock["enabled"] = True
    with pytest.warns(RuntimeWarning, match="run one at a time"):
        functions.load(pickle.dumps(sorted))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        functions.load(pickle.dumps(print))


def test_a_lock_that_was_there_all_the_time_is_no_news(lock, monkeypatch):
    monkeypatch.setattr(free_threading, "_had_lock", True)
    lock["enabled"] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        functions.load(pickle.dumps(reversed))
