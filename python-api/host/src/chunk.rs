//! How many records are objects at a time: few enough to stay in the processor's cache, and fewer
//! where they are large.

use std::ops::Range;

use arrow_array::BinaryViewArray;

/// More records than these would leave the processor's cache.
const MOST: usize = 1024;
/// So many bytes of cells, but for the last record.
const BYTES: usize = 1 << 20;

/// The rows of the next chunk, from `start` and at most up to `end`, and the bytes of their cells.
pub(crate) fn chunk(cells: &BinaryViewArray, start: usize, end: usize) -> (Range<usize>, usize) {
    let (mut bytes, mut next) = (0, start);
    while next < end.min(start + MOST) && bytes < BYTES {
        // The low half of a view's first word is the length of its cell; of a null it is 0.
        bytes += cells.views()[next] as u32 as usize;
        next += 1;
    }
    (start..next, bytes)
}
