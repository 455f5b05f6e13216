//! One row per element of a packed list; a group whose list is empty stays known as a marker.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion_physical_plan::ExecutionPlan;
use nestflow_batch::columns::{CellBuilder, cell_at, null_column};

use crate::error::Result;
use crate::executor::aggregates::{packed_items, packed_shown, take_part};
use crate::executor::columns::{self, cells, column, schema};
use crate::executor::stream::{StreamExec, Tactic};
use crate::plan::flat::{Col, FlatNode};

struct Unpack {
    packed: Col,
    markers: bool,
    cols: Vec<Col>,
    out: SchemaRef,
}

/// The plan node that unpacks.
pub fn plan(input: Arc<dyn ExecutionPlan>, node: &FlatNode, packed: Col) -> Arc<dyn ExecutionPlan> {
    let out = schema(&node.cols);
    let tactic = Unpack { packed, markers: node.markers, cols: node.cols.clone(), out: out.clone() };
    StreamExec::tactic("Unpack", out, input, Box::new(tactic))
}

/// The keys that records show where these are not what their key cells say.
#[derive(Default)]
struct ShownKeys<'a> {
    /// Row and packed keys.
    rows: Vec<(usize, Cow<'a, [u8]>)>,
}

impl ShownKeys<'_> {
    /// The keys of one level.
    fn column(&self, level: u32, rows: usize) -> Result<ArrayRef> {
        if self.rows.is_empty() {
            return Ok(null_column(rows));
        }
        let mut built = CellBuilder::with_capacity(rows);
        for (row, keys) in &self.rows {
            let mut keys = &**keys;
            (built.len()..*row).for_each(|_| built.append_null());
            let mut key: &[u8] = &[];
            for _ in 0..level {
                key = take_part(&mut keys)?;
            }
            built.append_option((!key.is_empty()).then_some(key));
        }
        (built.len()..rows).for_each(|_| built.append_null());
        Ok(Arc::new(built.finish()?))
    }
}

/// The keys that a group shows, a column for each level down to the last that is wanted; none of those that
/// nobody wants.
fn shown_levels<'a>(cols: &[Col], batch: &'a RecordBatch) -> Result<Vec<Option<&'a BinaryViewArray>>> {
    let level = |col: &Col| match col {
        Col::Shown(level) => *level,
        _ => 0,
    };
    let last = cols.iter().map(level).max().unwrap_or(0);
    let wanted = |level| cols.contains(&Col::Shown(level)).then(|| cells(batch, Col::Shown(level)));
    (1..=last).map(|level| wanted(level).transpose()).collect()
}

impl Tactic for Unpack {
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let lists = cells(&batch, self.packed)?;
        let mut rows: Vec<u32> = Vec::new();
        let mut values = CellBuilder::default();
        let mut shown = ShownKeys::default();
        let of_group = shown_levels(&self.cols, &batch)?;
        for row in 0..batch.num_rows() {
            let before = rows.len();
            if let Some(list) = cell_at(lists, row) {
                for item in packed_items(list) {
                    let (value, keys) = item?;
                    values.append(value);
                    if !keys.is_empty() {
                        shown.rows.push((rows.len(), Cow::Borrowed(keys)));
                    }
                    rows.push(row as u32);
                }
            }
            if rows.len() == before && self.markers {
                values.append_null();
                // A group without a record shows the key of the group.
                let keys = packed_shown(&of_group, row);
                if !keys.is_empty() {
                    shown.rows.push((rows.len(), Cow::Owned(keys)));
                }
                rows.push(row as u32);
            }
        }
        let indices = UInt32Array::from(rows);
        let values: ArrayRef = Arc::new(values.finish()?);
        let mut arrays = Vec::new();
        for &col in &self.cols {
            arrays.push(match col {
                Col::Value => values.clone(),
                Col::Shown(level) => shown.column(level, indices.len())?,
                _ => take(column(&batch, col)?, &indices, None)?,
            });
        }
        out.push(columns::batch(&self.out, arrays, indices.len())?);
        Ok(())
    }
}
