"""The compiled host has to be there for these tests."""

import pytest

pytest.importorskip("nestflow._host")
