"""Lets programs written for Bigflow import it: ``bigflow`` and its modules become nestflow's.

``import nestflow.compat.bigflow`` once, before the program's own imports; or put the folder `FOLDER`
on ``PYTHONPATH``, and not even that is needed. Worker processes find the name too, since they search
for modules where the program does. What differs stands in the guide "From Bigflow".

Example:
    >>> import nestflow.compat.bigflow
    >>> from bigflow import base, transforms
    >>> p = base.Pipeline.create("local")
    >>> p.parallelize([1, 2]).apply(transforms.sum).get()
    3
"""

from __future__ import annotations

import os
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "path")
"""Where the package ``bigflow`` stands that gives other names to nestflow's modules."""

if FOLDER not in sys.path:
    # At the end: a Bigflow that is installed keeps its name.
    sys.path.append(FOLDER)
