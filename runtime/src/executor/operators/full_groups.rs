//! Groups of which a task has given as many records as anybody uses: their further rows are passed over.
//!
//! A bounded table. Groups beyond it are never full here, which costs work and nothing else.

use std::collections::HashMap;

use arrow::array::{Array, BinaryViewArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use nestflow_batch::columns::cell_at;

use crate::error::Result;
use crate::executor::columns::cells;
use crate::plan::flat::{Col, keys};

/// The bytes that the keys of known groups may take.
const MOST_BYTES: usize = 1 << 20;
/// What a group takes besides its key.
const ENTRY: usize = 64;

/// How many records each group has given.
pub struct FullGroups {
    most: u64,
    keys: Vec<Col>,
    given: HashMap<Vec<u8>, u64>,
    bytes: usize,
    any_full: bool,
}

impl FullGroups {
    /// For groups at a depth, of whose records `most` are used.
    pub fn new(most: u64, depth: u32) -> FullGroups {
        FullGroups { most, keys: keys(depth), given: HashMap::new(), bytes: 0, any_full: false }
    }

    /// The rows of groups that want more.
    pub fn without_full(&self, rows: RecordBatch) -> Result<RecordBatch> {
        if !self.any_full {
            return Ok(rows);
        }
        let columns = self.columns(&rows)?;
        let mut key = Vec::new();
        let wanted = (0..rows.num_rows()).map(|row| {
            put_key(&columns, row, &mut key);
            self.given.get(&key).is_none_or(|&given| given < self.most)
        });
        let wanted: BooleanArray = wanted.map(Some).collect();
        Ok(if wanted.true_count() == rows.num_rows() { rows } else { filter_record_batch(&rows, &wanted)? })
    }

    /// Counts rows that have come out.
    pub fn count(&mut self, rows: &RecordBatch) -> Result<()> {
        let columns = self.columns(rows)?;
        let values = rows.column_by_name(&Col::Value.to_string());
        let mut key = Vec::new();
        for row in (0..rows.num_rows()).filter(|&row| values.is_none_or(|values| values.is_valid(row))) {
            put_key(&columns, row, &mut key);
            if let Some(given) = self.given.get_mut(&key) {
                *given += 1;
                self.any_full |= *given >= self.most;
            } else if self.bytes + key.len() + ENTRY <= MOST_BYTES {
                self.bytes += key.len() + ENTRY;
                self.given.insert(key.clone(), 1);
                self.any_full |= self.most <= 1;
            }
        }
        Ok(())
    }

    fn columns<'a>(&self, rows: &'a RecordBatch) -> Result<Vec<&'a BinaryViewArray>> {
        self.keys.iter().map(|&col| cells(rows, col)).collect()
    }
}

/// The key cells of a row, each behind its length.
fn put_key(columns: &[&BinaryViewArray], row: usize, key: &mut Vec<u8>) {
    key.clear();
    for column in columns {
        let cell = cell_at(column, row).unwrap_or_default();
        key.extend_from_slice(&(cell.len() as u64).to_le_bytes());
        key.extend_from_slice(cell);
    }
}
