//! The record with the largest or smallest sort key. The state packs sort key and record.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use nestflow_batch::columns::{CellBuilder, cell_at};
use nestflow_batch::key::check_order_comparable;
use nestflow_batch::{repr, tag};

use super::cells;
use super::packed::{put_part, take_part};
use super::slots::{Slot, Slots};
use crate::executor::operators::check_order::incomparable;

/// Extremes per group.
#[derive(Debug)]
pub struct Extreme {
    largest: bool,
    orders: Slots,
    values: Slots,
}

impl Extreme {
    /// Largest or smallest.
    pub fn new(largest: bool) -> Extreme {
        Extreme { largest, orders: Slots::default(), values: Slots::default() }
    }

    fn offer(&mut self, group: usize, order: &[u8], value: &[u8]) -> crate::error::Result<()> {
        if let Some(best) = self.orders.get(group) {
            check_order_comparable(best, order).map_err(|error| incomparable(&error, ""))?;
            // In a sort None is least; `max` and `min` are Python's own, which refuse it.
            if (best[0] == tag::NONE) != (order[0] == tag::NONE) {
                let text = format!("{} and {} cannot be compared", repr::repr(best), repr::repr(order));
                return Err(incomparable(&text, ""));
            }
            let better = if self.largest { order > best } else { order < best };
            if !better {
                return Ok(());
            }
        }
        self.orders.set(group, Some(order));
        self.values.set(group, Some(value));
        Ok(())
    }

    fn resize(&mut self, total: usize) {
        self.orders.resize(total);
        self.values.resize(total);
    }
}

impl GroupsAccumulator for Extreme {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        _: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.resize(total);
        let (records, orders) = (cells(&values[0])?, cells(&values[1])?);
        for (row, &group) in groups.iter().enumerate() {
            if let (Some(record), Some(order)) = (cell_at(records, row), cell_at(orders, row)) {
                self.offer(group, order, record)?;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.resize(total);
        let states = cells(&values[0])?;
        for (row, &group) in groups.iter().enumerate() {
            if let Some(mut state) = cell_at(states, row) {
                let order = take_part(&mut state)?;
                self.offer(group, order, take_part(&mut state)?)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        self.orders.emit(emit_to);
        Ok(super::slots::column(&self.values.emit(emit_to))?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (orders, values) = (self.orders.emit(emit_to), self.values.emit(emit_to));
        let mut built = CellBuilder::with_capacity(orders.len());
        for (order, value) in orders.iter().zip(&values) {
            pack(&mut built, order.as_ref().map(Slot::get), value.as_ref().map(Slot::get));
        }
        Ok(vec![Arc::new(built.finish()?)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let (records, orders) = (cells(&values[0])?, cells(&values[1])?);
        let mut built = CellBuilder::with_capacity(records.len());
        for row in 0..records.len() {
            pack(&mut built, cell_at(orders, row), cell_at(records, row));
        }
        Ok(vec![Arc::new(built.finish()?)])
    }

    fn size(&self) -> usize {
        self.orders.size() + self.values.size()
    }
}

fn pack(built: &mut CellBuilder, order: Option<&[u8]>, value: Option<&[u8]>) {
    match (order, value) {
        (Some(order), Some(value)) => {
            put_part(built.buffer(), order);
            put_part(built.buffer(), value);
            built.commit();
        }
        _ => built.append_null(),
    }
}
