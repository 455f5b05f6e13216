"""The slow truth: what a pipeline means, evaluated group by group over its logical plan.

Read in this order: `evaluate` (one method per operator), `identity` (what is one key), `ordering`
(what is sorted before what), `compare` (which answers are the same). It knows the plan's
dataclasses and nothing of the engine: no lifting, no exchanges, no markers, just groups whose
lists may be empty.

    expected = oracle.get(handle)
    oracle.check(handle.get(), expected)
"""

from .compare import check, difference, same
from .evaluate import Fails, get
from .literals import cut, remember
from .rows import Bag

__all__ = ["Bag", "Fails", "check", "cut", "difference", "get", "remember", "same"]
