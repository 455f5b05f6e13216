"""The logger of programs that ask for it here."""

from __future__ import annotations

import logging

logger = logging.getLogger("nestflow")
"""An ordinary logger of Python's; what is done with its records is up to the program."""
