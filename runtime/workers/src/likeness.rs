//! What tells one side input from another: 128 bits of a hash of its records, which are the same for the same
//! records wherever they lie in memory. Nobody can choose records that look like others: each process hashes
//! in a way of its own.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use xxhash_rust::xxh3::Xxh3;

/// The hash of a batch.
pub fn likeness(batch: &RecordBatch) -> u128 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let mut hash = Xxh3::with_seed(*SEED.get_or_init(|| RandomState::new().hash_one("nestflow")));
    hash.update(&batch.num_rows().to_le_bytes());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        hash.update(&field.name().len().to_le_bytes());
        hash.update(field.name().as_bytes());
        match column.as_binary_view_opt() {
            Some(cells) => cells.iter().for_each(|cell| {
                // No cell is as long as that.
                hash.update(&cell.map_or(usize::MAX, <[u8]>::len).to_le_bytes());
                hash.update(cell.unwrap_or_default());
            }),
            // Numbers; a column of another type is refused when it is sent.
            None => column.to_data().buffers().iter().for_each(|buffer| hash.update(buffer)),
        }
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::BinaryViewArray;
    use arrow_schema::Schema;
    use nestflow_batch::columns::cell_field;

    use super::*;

    fn batch(cells: &[Option<&str>]) -> RecordBatch {
        let cells: BinaryViewArray = cells.iter().map(|cell| cell.map(str::as_bytes)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(vec![cell_field("v")])), vec![Arc::new(cells)]).unwrap()
    }

    #[test]
    fn records_count_and_not_where_they_lie() {
        let whole = batch(&[Some("x"), Some("a long enough value"), None, Some("b")]);
        let same = batch(&[Some("a long enough value"), None, Some("b")]);
        assert_eq!(likeness(&whole.slice(1, 3)), likeness(&same));
        for other in [
            batch(&[Some("a long enough value"), Some(""), Some("b")]),
            batch(&[Some("a long enough valueb"), None, Some("")]),
            batch(&[Some("a long enough value"), None]),
        ] {
            assert_ne!(likeness(&other), likeness(&same));
        }
    }
}
