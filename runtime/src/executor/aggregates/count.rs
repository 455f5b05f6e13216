//! How many records: rows whose argument is not null. The state and the result are int cells.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use nestflow_batch::columns::{CellBuilder, cell_at};
use nestflow_batch::put;

use super::cells;
use crate::executor::operators::int_of;

/// Counts per group.
#[derive(Debug, Default)]
pub struct Count {
    counts: Vec<i64>,
}

impl Count {
    fn resize(&mut self, groups: usize) {
        if groups > self.counts.len() {
            self.counts.resize(groups, 0);
        }
    }
}

fn column(counts: impl ExactSizeIterator<Item = i64>) -> Result<ArrayRef> {
    let mut built = CellBuilder::with_capacity(counts.len());
    for count in counts {
        put::put_i64(built.buffer(), count);
        built.commit();
    }
    Ok(Arc::new(built.finish()?))
}

impl GroupsAccumulator for Count {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        _: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.resize(total);
        match values[0].nulls().filter(|nulls| nulls.null_count() > 0) {
            None => groups.iter().for_each(|&group| self.counts[group] += 1),
            Some(nulls) => {
                for (row, &group) in groups.iter().enumerate() {
                    self.counts[group] += i64::from(nulls.is_valid(row));
                }
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.resize(total);
        let states = cells(&values[0])?;
        for (row, &group) in groups.iter().enumerate() {
            if let Some(state) = cell_at(states, row) {
                self.counts[group] += int_of(state)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        column(emit_to.take_needed(&mut self.counts).into_iter())
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let valid = |row| i64::from(values[0].is_valid(row));
        Ok(vec![column((0..values[0].len()).map(valid))?])
    }

    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}
