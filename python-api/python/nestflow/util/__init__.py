"""Small functions that Bigflow programs import: see the modules."""
