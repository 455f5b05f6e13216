//! Keeps the markers of dropped records few: one for each group that a bounded table remembers.
//!
//! A marker says that a group exists, however many records of it were dropped. Forgetting only
//! costs duplicates; taking two groups for one would lose a group, so whole keys are compared, and
//! rows whose outer groups are not told are taken to be of different ones.

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, BinaryViewArray, BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use nestflow_batch::columns::{cell_at, hash_columns};
use nestflow_batch::put::{put_bytes, put_none};
use nestflow_chain::HostError;

/// Groups that are remembered; a new one takes the place of an old one.
const SLOTS: usize = 4096;

/// The groups that have a marker already.
pub(crate) struct Markers {
    /// The key columns of the levels that the chain opens.
    levels: Vec<String>,
    seen: Vec<Vec<u8>>,
    batches: u64,
}

impl Markers {
    /// For a chain whose output has these columns.
    pub(crate) fn new(names: &[String]) -> Self {
        let is_level = |name: &&String| name.starts_with('n') && !name.ends_with('s');
        let levels = names.iter().filter(is_level).cloned().collect();
        Markers { levels, seen: vec![Vec::new(); SLOTS], batches: 0 }
    }

    /// The output without the markers of groups that have one.
    pub(crate) fn thin_out(
        &mut self,
        input: &RecordBatch,
        output: RecordBatch,
    ) -> Result<RecordBatch, HostError> {
        // Markers have no record: no value, or no key where that is all that there is of it.
        let records = output.column_by_name("v").or_else(|| output.column_by_name("j"));
        let Some(records) = records else { return Ok(output) };
        if records.null_count() == 0 {
            return Ok(output);
        }
        let Some(origin) = output.column(0).as_primitive_opt::<UInt32Type>() else { return Ok(output) };
        self.batches += 1;
        // Columns besides the chain's own are keys of outer groups: the same keys of the levels in
        // another outer group are another group.
        let schema = input.schema_ref();
        let outer = schema.fields().iter().zip(input.columns()).filter(|(field, _)| is_outer(field.name()));
        let outer: Vec<_> = outer.filter_map(|(_, column)| column.as_binary_view_opt()).collect();
        let levels = self.levels.iter().filter_map(|name| output.column_by_name(name)?.as_binary_view_opt());
        let levels: Vec<&BinaryViewArray> = levels.collect();
        let mut hashes = vec![0; output.num_rows()];
        hash_columns(&levels, &mut hashes);
        let mut group = Vec::new();
        let keep: BooleanArray = (0..output.num_rows())
            .map(|row| {
                if records.is_valid(row) {
                    return Some(true);
                }
                let outer_row = origin.value(row);
                group.clear();
                if outer.is_empty() {
                    group.extend(self.batches.to_be_bytes());
                    group.extend(outer_row.to_be_bytes());
                }
                let cells = outer.iter().map(|column| cell_at(column, outer_row as usize));
                for cell in cells.chain(levels.iter().map(|column| cell_at(column, row))) {
                    match cell {
                        Some(cell) => put_bytes(&mut group, cell, true),
                        None => put_none(&mut group),
                    }
                }
                Some(self.remember(hashes[row], &group))
            })
            .collect();
        filter_record_batch(&output, &keep).map_err(|error| HostError::Internal(error.to_string()))
    }

    /// Whether the group is new.
    fn remember(&mut self, hash: u64, group: &[u8]) -> bool {
        let slot = &mut self.seen[hash as usize % SLOTS];
        if slot == group {
            return false;
        }
        slot.clear();
        slot.extend_from_slice(group);
        true
    }
}

/// Whether an input column is neither the record nor a side input.
fn is_outer(name: &str) -> bool {
    let side = name.strip_prefix('x').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    name != "v" && !side
}
