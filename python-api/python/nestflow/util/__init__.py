"""Helpers that Bigflow programs import: see the modules."""
