"""Objects as bytes that another process can read."""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle
from cloudpickle import cloudpickle as _cloudpickle


stays_here = False
"""Whether whatever is pickled is only read in this process: then a class of `__main__` goes by name."""


def dumps(value: Any) -> bytes:
    """The pickle of a value, with classes and functions of `__main__` inside it.

    Plain pickle is several times as fast, and right as long as everything that the value refers to
    can be imported elsewhere.
    """
    if not _cloudpickle._PICKLE_BY_VALUE_MODULES:
        try:
            pickled = pickle.dumps(value, 5)
        except Exception:
            pass
        else:
            # A class of __main__ is found there in this process only.
            if stays_here or b"__main__" not in pickled and b"__mp_main__" not in pickled:
                return pickled
    return bytes(cloudpickle.dumps(value, 5))
