"""A group for each record, under the module name that Bigflow programs import."""

from __future__ import annotations

from ..transforms.positions import group_by_every_record

__all__ = ["group_by_every_record"]
