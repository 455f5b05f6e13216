//! A few records per group, or all: the n with the largest or smallest sort keys, the first n, all
//! in order. States and results of `Top` and `First` are packed lists: for each record its order
//! and itself, both behind a `u32` length; all of a group come out as one list cell.
//!
//! A group holds at most twice its limit and then lets go of the worse half: amortised O(log n) a
//! record whatever n is.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use nestflow_batch::columns::{CellBuilder, cell_at};
use nestflow_batch::key::check_order_comparable;
use nestflow_batch::{put, tag};

use super::cells;
use super::slots::Slot;
use crate::executor::columns::positions;
use crate::executor::operators::check_order::incomparable;
use crate::internal;

/// Which records of a group are kept.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    /// By sort key.
    Top { limit: u64, largest: bool },
    /// By position.
    First { limit: u64 },
    /// All, by position.
    All,
}

impl Keep {
    fn limit(self) -> usize {
        match self {
            Keep::Top { limit, .. } | Keep::First { limit } => usize::try_from(limit).unwrap_or(usize::MAX),
            Keep::All => usize::MAX,
        }
    }

    fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Keep::Top { largest: true, .. } => b.cmp(a),
            _ => a.cmp(b),
        }
    }
}

#[derive(Debug, Default)]
struct Group {
    items: Vec<(Slot, Slot)>,
    /// The worst order that still counts, once there are enough.
    bound: Option<Slot>,
}

/// Kept records per group.
#[derive(Debug)]
pub struct Packed {
    keep: Keep,
    groups: Vec<Group>,
    bytes: usize,
}

impl Packed {
    /// An aggregate that keeps so.
    pub fn new(keep: Keep) -> Packed {
        Packed { keep, groups: Vec::new(), bytes: 0 }
    }

    fn resize(&mut self, total: usize) {
        if total > self.groups.len() {
            self.groups.resize_with(total, Group::default);
        }
    }

    fn offer(&mut self, number: usize, order: &[u8], value: &[u8]) -> crate::error::Result<()> {
        let limit = self.keep.limit();
        if limit == 0 {
            return Ok(());
        }
        let group = &mut self.groups[number];
        if let (Keep::Top { .. }, Some((known, _))) = (self.keep, group.items.first()) {
            check_order_comparable(known.get(), order).map_err(|error| incomparable(&error, ""))?;
        }
        if group.bound.as_ref().is_some_and(|bound| self.keep.compare(order, bound.get()).is_ge()) {
            return Ok(());
        }
        let item = (Slot::new(order), Slot::new(value));
        self.bytes += size_of::<(Slot, Slot)>() + item.0.heap() + item.1.heap();
        group.items.push(item);
        if group.items.len() >= limit.saturating_mul(2) {
            self.bytes -= shrink(group, self.keep);
        }
        Ok(())
    }

    fn emit(&mut self, emit_to: EmitTo) -> Vec<Group> {
        let mut out = emit_to.take_needed(&mut self.groups);
        for group in &mut out {
            let held: usize = group.items.iter().map(|(order, value)| bytes(order, value)).sum();
            self.bytes -= held;
            group.items.sort_by(|a, b| self.keep.compare(a.0.get(), b.0.get()));
            group.items.truncate(self.keep.limit());
        }
        out
    }
}

fn bytes(order: &Slot, value: &Slot) -> usize {
    size_of::<(Slot, Slot)>() + order.heap() + value.heap()
}

/// Lets go of what is beyond the limit; returns the bytes.
fn shrink(group: &mut Group, keep: Keep) -> usize {
    let limit = keep.limit();
    group.items.sort_by(|a, b| keep.compare(a.0.get(), b.0.get()));
    let gone = group.items[limit..].iter().map(|(order, value)| bytes(order, value)).sum();
    group.items.truncate(limit);
    group.bound = group.items.last().map(|(order, _)| order.clone());
    gone
}

impl GroupsAccumulator for Packed {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        _: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.resize(total);
        let records = cells(&values[0])?;
        if matches!(self.keep, Keep::Top { .. }) {
            let orders = cells(&values[1])?;
            for (row, &group) in groups.iter().enumerate() {
                if let (Some(record), Some(order)) = (cell_at(records, row), cell_at(orders, row)) {
                    self.offer(group, order, record)?;
                }
            }
            return Ok(());
        }
        let positions = positions(&values[1])?;
        for (row, &group) in groups.iter().enumerate() {
            if let Some(record) = cell_at(records, row) {
                self.offer(group, &positions.value(row).to_be_bytes(), record)?;
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.resize(total);
        let states = cells(&values[0])?;
        for (row, &group) in groups.iter().enumerate() {
            let Some(mut state) = cell_at(states, row) else { continue };
            while !state.is_empty() {
                let order = take_part(&mut state)?;
                self.offer(group, order, take_part(&mut state)?)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        if !matches!(self.keep, Keep::All) {
            return Ok(self.state(emit_to)?.remove(0));
        }
        let groups = self.emit(emit_to);
        let mut built = CellBuilder::with_capacity(groups.len());
        for group in &groups {
            put::open(built.buffer(), tag::LIST);
            group.items.iter().for_each(|(_, value)| put::put_item(built.buffer(), value.get()));
            put::close(built.buffer());
            built.commit();
        }
        Ok(Arc::new(built.finish()?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.emit(emit_to);
        let mut built = CellBuilder::with_capacity(groups.len());
        for group in &groups {
            if group.items.is_empty() {
                built.append_null();
                continue;
            }
            for (order, value) in &group.items {
                put_part(built.buffer(), order.get());
                put_part(built.buffer(), value.get());
            }
            built.commit();
        }
        Ok(vec![Arc::new(built.finish()?)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut each = Packed::new(self.keep);
        let groups: Vec<usize> = (0..values[0].len()).collect();
        each.update_batch(values, &groups, None, groups.len())?;
        each.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.capacity() * size_of::<Group>()
    }
}

/// Appends a part of a packed state.
pub fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&(part.len() as u32).to_le_bytes());
    out.extend_from_slice(part);
}

/// Takes the next part off a packed state.
pub fn take_part<'a>(state: &mut &'a [u8]) -> crate::error::Result<&'a [u8]> {
    let damaged = || internal!("a damaged packed state");
    let (length, rest) = state.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
    *state = rest;
    Ok(part)
}

/// The records of a packed list.
pub fn packed_items(mut list: &[u8]) -> impl Iterator<Item = crate::error::Result<&[u8]>> {
    std::iter::from_fn(move || {
        if list.is_empty() {
            return None;
        }
        let mut both = || {
            take_part(&mut list)?;
            take_part(&mut list)
        };
        Some(both())
    })
}
