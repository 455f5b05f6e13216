//! Cells, keys and blocks.
