//! Which part of a sorted dataset a row belongs to: by bounds that are taken from a sample.
//!
//! Bounds are rows of the dataset themselves, position included, so that equal keys can be dealt to
//! several parts, and stay in order. A bound is the last row of its part. That the first rows of the
//! next can be compared with it is checked here: nobody else sees rows of two parts side by side.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::SchemaRef;
use datafusion_physical_plan::ExecutionPlan;
use nestflow_batch::columns::cell_at;
use nestflow_batch::key::check_order_comparable;

use super::check_order::incomparable;
use crate::error::Result;
use crate::executor::aggregates::{compare_sorted, packed_items, put_sort_key, sort_key};
use crate::executor::columns::{self, cells, column, positions, schema};
use crate::executor::stream::{StreamExec, Tactic};
use crate::executor::{TaskEnv, leaves};
use crate::plan::flat::{Col, FlatNode};

struct Rank {
    sample: Col,
    descending: bool,
    parts: u32,
    /// Where the sample comes from, until it is read.
    source: Option<Arc<dyn ExecutionPlan>>,
    /// The last rows of all parts but the last one.
    bounds: Vec<Vec<u8>>,
    env: TaskEnv,
    cols: Vec<Col>,
    out: SchemaRef,
    site: String,
}

/// The plan node that ranks.
pub fn plan(
    input: Arc<dyn ExecutionPlan>,
    sample: Arc<dyn ExecutionPlan>,
    node: &FlatNode,
    (column, descending, parts): (Col, bool, u32),
    env: &TaskEnv,
) -> Arc<dyn ExecutionPlan> {
    let out = schema(&node.cols);
    let tactic = Rank {
        sample: column,
        descending,
        parts,
        source: Some(sample),
        bounds: vec![],
        env: env.clone(),
        cols: node.cols.clone(),
        out: out.clone(),
        site: super::place(node),
    };
    StreamExec::tactic("Rank", out, input, Box::new(tactic))
}

impl Rank {
    fn read_bounds(&mut self, source: Arc<dyn ExecutionPlan>) -> Result<()> {
        let sample = leaves::read_whole(source, &self.env)?;
        let lists = cells(&sample, self.sample)?;
        let mut keys: Vec<&[u8]> = Vec::new();
        for row in 0..sample.num_rows() {
            for item in cell_at(lists, row).into_iter().flat_map(packed_items) {
                keys.push(item?.0);
            }
        }
        keys.sort_unstable_by(|a, b| compare_sorted(a, b, self.descending));
        let parts = self.parts as usize;
        let bounds = (1..parts).filter_map(|part| keys.get((keys.len() * part / parts).checked_sub(1)?));
        self.bounds = bounds.map(|key| key.to_vec()).collect();
        Ok(())
    }
}

impl Tactic for Rank {
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        if let Some(source) = self.source.take() {
            self.read_bounds(source)?;
        }
        let orders = cells(&batch, Col::Order)?;
        let positions = positions(column(&batch, Col::Pos)?)?;
        let mut ranks = Vec::with_capacity(batch.num_rows());
        let mut key = Vec::new();
        for row in 0..batch.num_rows() {
            key.clear();
            let order = cell_at(orders, row).unwrap_or_default();
            put_sort_key(&mut key, order, positions.value(row));
            let rank =
                self.bounds.partition_point(|bound| compare_sorted(bound, &key, self.descending).is_lt());
            if let Some(bound) = rank.checked_sub(1).and_then(|last| self.bounds.get(last)) {
                check_order_comparable(sort_key(bound).0, order)
                    .map_err(|error| incomparable(&error, &self.site))?;
            }
            ranks.push(rank as u64);
        }
        let ranks: ArrayRef = Arc::new(UInt64Array::from(ranks));
        let mut arrays = Vec::with_capacity(self.cols.len());
        for &col in &self.cols {
            arrays.push(match col {
                Col::Rank => ranks.clone(),
                _ => column(&batch, col)?.clone(),
            });
        }
        out.push(columns::batch(&self.out, arrays, batch.num_rows())?);
        Ok(())
    }
}
