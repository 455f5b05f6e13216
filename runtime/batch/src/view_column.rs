//! Columns of views, made without a check of each view: they are made here, of slices.
#![allow(unsafe_code)]

use arrow_array::BinaryViewArray;
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};

use crate::views::{INLINE, view, view_within};

/// Views of values one after another in one buffer, with where each begins and the last one ends. A place outside
/// of the buffer panics.
pub(crate) fn column_of(values: &Buffer, ends: &[i32], nulls: Option<NullBuffer>) -> BinaryViewArray {
    let views = ends.windows(2).map(|ends| view_within(values, ends[0] as usize, ends[1] as usize));
    let views = views.collect::<Vec<_>>();
    assert!(nulls.as_ref().is_none_or(|nulls| nulls.len() == views.len()), "as many null bits as values");
    // SAFETY: each view is that of a slice of the values, which are the first buffer; null bits are as many.
    unsafe { BinaryViewArray::new_unchecked(ScalarBuffer::from(views), vec![values.clone()], nulls) }
}

/// A column in the making: views of values that lie in its buffers.
#[derive(Debug, Default)]
pub(crate) struct Views {
    views: Vec<u128>,
    full: Vec<Buffer>,
    /// The last buffer, of which so many bytes belong to rows.
    pub(crate) buffer: Vec<u8>,
    committed: usize,
}

/// A buffer is closed beyond this, so that offsets into it stay within 32 bits.
const BUFFER_FULL: usize = 1 << 30;

impl Views {
    /// Room for so many rows.
    pub(crate) fn with_capacity(rows: usize) -> Views {
        Views { views: Vec::with_capacity(rows), ..Views::default() }
    }

    /// Makes a row of what was appended to the buffer since the last row; gives its length.
    #[inline]
    pub(crate) fn commit(&mut self) -> usize {
        let start = self.committed;
        let length = self.buffer.len() - start;
        // Both are below 2^32: the buffer is closed long before, and longer values are refused at the end.
        self.views.push(view(&self.buffer[start..], self.full.len() as u32, start as u32));
        if length <= INLINE {
            self.buffer.truncate(start);
            return length;
        }
        self.committed = self.buffer.len();
        if self.committed > BUFFER_FULL {
            self.full.push(Buffer::from_vec(std::mem::take(&mut self.buffer)));
            self.committed = 0;
        }
        length
    }

    /// A row whose value lies inside of its view, or the row of a null.
    #[inline]
    pub(crate) fn push_short(&mut self, view: u128) {
        assert!(view as u32 as usize <= INLINE, "it lies inside");
        self.abandon();
        self.views.push(view);
    }

    /// Forgets what was appended to the buffer since the last row.
    #[inline]
    pub(crate) fn abandon(&mut self) {
        self.buffer.truncate(self.committed);
    }

    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        self.views.len()
    }

    /// Bytes that the rows so far take.
    pub(crate) fn bytes(&self) -> usize {
        self.full.iter().map(Buffer::len).sum::<usize>() + self.committed + self.views.len() * 16
    }

    /// The column. There has to be a null bit for each row, if there are any, and no value that was longer than 4 GiB.
    pub(crate) fn finish(mut self, nulls: Option<NullBuffer>) -> BinaryViewArray {
        self.abandon();
        assert!(self.buffer.len() == self.committed, "nobody shortens what belongs to rows");
        assert!(
            nulls.as_ref().is_none_or(|nulls| nulls.len() == self.views.len()),
            "as many null bits as rows"
        );
        if !self.buffer.is_empty() {
            self.full.push(Buffer::from_vec(self.buffer));
        }
        // SAFETY: a short view is one that `view` made, or that `push_short` looked at; a longer one was made of a
        // slice that ends where its buffer was committed up to, and no buffer is shorter than that, as the first
        // assertion and the closing of buffers say; null bits are as many.
        unsafe { BinaryViewArray::new_unchecked(ScalarBuffer::from(self.views), self.full, nulls) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn columns_are_as_arrow_makes_them(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..30), nulls: bool) {
            let nulls = nulls.then(|| NullBuffer::from_iter((0..values.len()).map(|row| row % 3 > 0)));
            let ends = std::iter::once(0).chain(values.iter().scan(0, |end, value| {
                *end += value.len() as i32;
                Some(*end)
            }));
            let one = column_of(&Buffer::from_vec(values.concat()), &ends.collect::<Vec<_>>(), nulls.clone());
            let mut made = Views::default();
            for value in &values {
                made.buffer.extend_from_slice(value);
                prop_assert_eq!(made.commit(), value.len());
                made.buffer.extend_from_slice(b"abandoned, and longer than a view");
                made.abandon();
            }
            let other = made.finish(nulls.clone());
            for column in [one, other] {
                let (views, buffers, found) = column.clone().into_parts();
                let checked = BinaryViewArray::try_new(views, buffers, found.clone()).unwrap();
                prop_assert_eq!(&found, &nulls);
                prop_assert_eq!((0..values.len()).map(|row| checked.value(row).to_vec()).collect::<Vec<_>>(), values.clone());
            }
        }
    }
}
