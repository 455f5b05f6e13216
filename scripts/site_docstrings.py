"""Has the site show the examples of docstrings as code: Griffe knows them by another title."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Gives the sections `Example` the title that Griffe knows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Look at what was read."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
