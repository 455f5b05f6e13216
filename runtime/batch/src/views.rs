//! Views of cells, and cells of views. Most cells are shorter than a view: they go through a register, since a
//! copy of a few bytes whose number is not known takes longer than all the rest.

use arrow_array::BinaryViewArray;

/// The longest value that lies inside its view.
pub(crate) const INLINE: usize = 12;

/// The view of a value that lies in the numbered buffer, from `start`.
#[inline]
pub(crate) fn view(value: &[u8], buffer: u32, start: u32) -> u128 {
    let length = value.len() as u32;
    match value.first_chunk::<4>() {
        Some(prefix) if value.len() > INLINE => {
            let prefix = u32::from_le_bytes(*prefix);
            let halves =
                [u64::from(length) | u64::from(prefix) << 32, u64::from(buffer) | u64::from(start) << 32];
            u128::from(halves[0]) | u128::from(halves[1]) << 64
        }
        _ => u128::from(length) | short(value) << 32,
    }
}

/// The bytes of a short value, the first one lowest.
#[inline]
fn short(value: &[u8]) -> u128 {
    // Two words that may overlap: where they do, they are equal.
    if let (Some(first), Some(last)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        let shift = 8 * (value.len() - 8);
        return u128::from(u64::from_le_bytes(*first)) | u128::from(u64::from_le_bytes(*last)) << shift;
    }
    if let (Some(first), Some(last)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        let shift = 8 * (value.len() - 4);
        return u128::from(u32::from_le_bytes(*first)) | u128::from(u32::from_le_bytes(*last)) << shift;
    }
    value.iter().rev().fold(0, |bytes, &byte| bytes << 8 | u128::from(byte))
}

/// Appends the value in a row.
#[inline]
pub(crate) fn push(values: &mut Vec<u8>, from: &BinaryViewArray, row: usize) {
    let view = from.views()[row];
    let length = view as u32 as usize;
    if length > INLINE {
        values.extend_from_slice(from.value(row));
        return;
    }
    let end = values.len() + length;
    values.extend_from_slice(&(view >> 32).to_le_bytes());
    values.truncate(end);
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::make_view;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn views_are_those_of_arrow(value in prop::collection::vec(any::<u8>(), 0..40), buffer: u32, start: u32) {
            prop_assert_eq!(view(&value, buffer, start), make_view(&value, buffer, start));
        }

        #[test]
        fn values_come_one_after_another(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..30)) {
            let views = BinaryViewArray::from_iter_values(&values);
            let mut found = Vec::new();
            (0..values.len()).for_each(|row| push(&mut found, &views, row));
            prop_assert_eq!(found, values.concat());
        }
    }
}
