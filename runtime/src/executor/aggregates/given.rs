//! Which of equal keys is shown: the least-ranked of the keys as given. Nearly always all are what
//! their key cell says (null), and then nothing is held.

use arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use nestflow_batch::columns::{cell_at, null_column};
use nestflow_batch::key::rank_cmp;

use super::cells;
use super::slots::{Slots, column};

/// Shown keys per group.
#[derive(Debug, Default)]
pub struct Given {
    /// Groups so far.
    groups: usize,
    /// Once a key differed from its cell: whether a group has been seen, and what it shows.
    shown: Option<(Vec<bool>, Slots)>,
}

impl Given {
    fn add(&mut self, values: &ArrayRef, groups: &[usize], total: usize) -> Result<()> {
        let before = self.groups;
        self.groups = total.max(before);
        if values.null_count() == values.len() && self.shown.is_none() {
            return Ok(());
        }
        let (seen, slots) = self.shown.get_or_insert_with(|| (vec![true; before], Slots::default()));
        seen.resize(self.groups, false);
        slots.resize(self.groups);
        let values = cells(values)?;
        for (row, &group) in groups.iter().enumerate() {
            let new = cell_at(values, row);
            if !seen[group] || rank_cmp(new, slots.get(group)).is_lt() {
                slots.set(group, new);
                seen[group] = true;
            }
        }
        Ok(())
    }
}

impl GroupsAccumulator for Given {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        _: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.add(&values[0], groups, total)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.add(&values[0], groups, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let out = match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(n) => n,
        };
        self.groups -= out;
        Ok(match &mut self.shown {
            None => null_column(out),
            Some((seen, slots)) => {
                emit_to.take_needed(seen);
                column(&slots.emit(emit_to))?
            }
        })
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        Ok(vec![values[0].clone()])
    }

    fn size(&self) -> usize {
        self.shown.as_ref().map_or(0, |(seen, slots)| seen.capacity() + slots.size())
    }
}
