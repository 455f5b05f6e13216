"""The compiled half of native functions, which comes with the first library."""

from __future__ import annotations

try:
    from nestflow import _host as host  # type: ignore[attr-defined]
except ImportError:
    # A wheel made by pip alone has one library for everything.
    from nestflow._native import _host as host

__all__ = ["host"]
