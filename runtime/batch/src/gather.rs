//! Values of views one after another, as blocks have them. Short ones go through registers: a copy of a few bytes
//! whose number is not known takes longer than all the rest.

use arrow_array::BinaryViewArray;

use crate::views::INLINE;

/// So many bytes are copied of a value that is not longer, and what is behind it is cut off again.
const FEW: usize = 64;

/// Appends the values in some rows, and where each of them ends. There has to be room for [`room_for`] them, if
/// nothing is to be moved.
pub(crate) fn push(
    values: &mut Vec<u8>,
    ends: &mut Vec<i32>,
    from: &BinaryViewArray,
    rows: impl ExactSizeIterator<Item = usize> + Clone,
) {
    let views = from.views();
    let (mut total, mut longest) = (0, 0);
    for row in rows.clone() {
        let length = views[row] as u32 as usize;
        total += length;
        longest = longest.max(length);
    }
    if longest > INLINE {
        ends.extend(rows.map(|row| {
            push_any(values, from, views[row], row);
            values.len() as i32
        }));
        return;
    }
    let mut end = values.len();
    values.resize(room_for(end + total), 0);
    ends.extend(rows.map(|row| {
        // A whole view's bytes: the next value lies over those behind this one.
        values[end..end + size_of::<u128>()].copy_from_slice(&(views[row] >> 32).to_le_bytes());
        end += views[row] as u32 as usize;
        end as i32
    }));
    values.truncate(end);
}

/// Appends a value of any length.
#[inline]
fn push_any(values: &mut Vec<u8>, from: &BinaryViewArray, view: u128, row: usize) {
    let (length, start) = (view as u32 as usize, (view >> 96) as usize);
    let end = values.len() + length;
    if length <= INLINE {
        values.extend_from_slice(&(view >> 32).to_le_bytes());
        values.truncate(end);
        return;
    }
    if length <= FEW
        && let Some(buffer) = from.data_buffers().get((view >> 64) as u32 as usize)
        && let Some(bytes) = buffer.get(start..).and_then(<[u8]>::first_chunk::<FEW>)
    {
        values.extend_from_slice(bytes);
        values.truncate(end);
        return;
    }
    values.extend_from_slice(from.value(row));
}

/// How much room values of so many bytes need on their way.
pub(crate) fn room_for(bytes: usize) -> usize {
    bytes + FEW
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_come_one_after_another(values in prop::sample::select(vec![13, 100]).prop_flat_map(|longest| {
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..longest), 0..30)
        })) {
            let views = BinaryViewArray::from_iter_values(&values);
            let (mut found, mut ends) = (b"before".to_vec(), vec![6]);
            push(&mut found, &mut ends, &views, 0..values.len());
            prop_assert_eq!(&found[6..], values.concat());
            let borders: Vec<_> = ends.windows(2).map(|ends| found[ends[0] as usize..ends[1] as usize].to_vec()).collect();
            prop_assert_eq!(borders, values);
        }
    }
}
