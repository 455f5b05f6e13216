"""nestflow: dataflow over nested distributed datasets.

``import nestflow as nf`` gives the everyday names; the transforms are methods of the datasets and
functions in ``nf.transforms``. Must stay fast to import: the compiled module and cloudpickle come
with their first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# The handles come first; their methods find the transforms through the package.
from .pcollection import PCollection
from .pobject import PObject
from .ptable import PTable

from .pipeline import Pipeline  # isort: skip
from . import base, counter, error, errors, lazy_var, output, resources, serde, transforms, udf
from . import input as input
from .errors import NativeFunctionError
from .frames import from_spark
from .input import TextFile
from .native import native
from .transformer import Transformer

__version__ = "0.1.0"

__all__ = [
    "NativeFunctionError",
    "PCollection",
    "PObject",
    "PTable",
    "Pipeline",
    "TextFile",
    "Transformer",
    "base",
    "counter",
    "error",
    "errors",
    "from_spark",
    "native",
    "lazy_var",
    "output",
    "resources",
    "schema",
    "serde",
    "transforms",
    "udf",
]


if TYPE_CHECKING:
    from . import schema as schema
else:

    def __getattr__(name: str) -> object:
        """Import the schema layer with its first use."""
        if name == "schema":
            import importlib

            return importlib.import_module("nestflow.schema")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
