//! A few records per group, or all: the n with the largest or smallest sort keys, the first n, all
//! in order. States and results of `Top` and `First` are packed lists: for each record its order,
//! itself, and the keys it shows, each behind a `u32` length; all of a group come out as one list cell.
//!
//! The keys that a record shows are nearly always what the group's key cells say, and then nothing;
//! otherwise they are one part a level, empty where the cell says it.
//!
//! A group holds at most twice its limit and then lets go of the worse half: amortised O(log n) a
//! record whatever n is.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryViewArray, BooleanArray};
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
    /// By sort key, and by position where that is equal. The order of a record is both: the key and
    /// then eight bytes.
    Sorted { limit: u64, descending: bool },
    /// By position.
    First { limit: u64 },
    /// Sort keys and their positions, by a hash of the position: evenly from all rows, and the same
    /// ones whenever it is done again.
    Sample { limit: u64 },
    /// All, by position.
    All,
}

impl Keep {
    fn limit(self) -> usize {
        match self {
            Keep::Top { limit, .. }
            | Keep::Sorted { limit, .. }
            | Keep::First { limit }
            | Keep::Sample { limit } => usize::try_from(limit).unwrap_or(usize::MAX),
            Keep::All => usize::MAX,
        }
    }

    fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            Keep::Top { largest: true, .. } => b.cmp(a),
            Keep::Sorted { descending, .. } => compare_sorted(a, b, descending),
            _ => a.cmp(b),
        }
    }
}

#[derive(Debug)]
struct Item {
    order: Slot,
    value: Slot,
    shown: Option<Box<[u8]>>,
}

impl Item {
    fn bytes(&self) -> usize {
        let shown = self.shown.as_ref().map_or(0, |shown| shown.len() + 16);
        size_of::<Item>() + self.order.heap() + self.value.heap() + shown
    }
}

#[derive(Debug, Default)]
struct Group {
    items: Vec<Item>,
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

    fn offer(&mut self, number: usize, order: &[u8], value: &[u8], shown: &[u8]) -> crate::error::Result<()> {
        let limit = self.keep.limit();
        if limit == 0 {
            return Ok(());
        }
        let group = &mut self.groups[number];
        if let Some(known) = group.items.first().map(|item| item.order.get()) {
            let compared = match self.keep {
                Keep::Top { .. } => check_order_comparable(known, order),
                Keep::Sorted { .. } => check_order_comparable(sort_key(known).0, sort_key(order).0),
                Keep::First { .. } | Keep::Sample { .. } | Keep::All => Ok(()),
            };
            compared.map_err(|error| incomparable(&error, ""))?;
        }
        if group.bound.as_ref().is_some_and(|bound| self.keep.compare(order, bound.get()).is_ge()) {
            return Ok(());
        }
        let shown = (!shown.is_empty()).then(|| shown.into());
        let item = Item { order: Slot::new(order), value: Slot::new(value), shown };
        self.bytes += item.bytes();
        group.items.push(item);
        if group.items.len() >= limit.saturating_mul(2) {
            self.bytes -= shrink(group, self.keep);
        }
        Ok(())
    }

    fn emit(&mut self, emit_to: EmitTo) -> Vec<Group> {
        let mut out = emit_to.take_needed(&mut self.groups);
        for group in &mut out {
            let held: usize = group.items.iter().map(Item::bytes).sum();
            self.bytes -= held;
            group.items.sort_by(|a, b| self.keep.compare(a.order.get(), b.order.get()));
            group.items.truncate(self.keep.limit());
        }
        out
    }
}

/// A number that looks random: the finalizer of MurmurHash3 (public domain, Austin Appleby).
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let number = (number ^ (number >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}

/// Appends a sort key with the position behind it.
pub fn put_sort_key(out: &mut Vec<u8>, order: &[u8], position: u64) {
    out.extend_from_slice(order);
    out.extend_from_slice(&position.to_be_bytes());
}

/// How two sort keys with positions behind them follow each other; ties stay in input order.
pub fn compare_sorted(a: &[u8], b: &[u8], descending: bool) -> Ordering {
    let (a, b) = (sort_key(a), sort_key(b));
    let by_key = if descending { b.0.cmp(a.0) } else { a.0.cmp(b.0) };
    by_key.then_with(|| a.1.cmp(b.1))
}

/// The sort key of an order that holds a position behind it, and the position.
pub fn sort_key(order: &[u8]) -> (&[u8], &[u8]) {
    order.split_at(order.len().saturating_sub(size_of::<u64>()))
}

/// Lets go of what is beyond the limit; returns the bytes.
fn shrink(group: &mut Group, keep: Keep) -> usize {
    let limit = keep.limit();
    group.items.sort_by(|a, b| keep.compare(a.order.get(), b.order.get()));
    let gone = group.items[limit..].iter().map(Item::bytes).sum();
    group.items.truncate(limit);
    group.bound = group.items.last().map(|item| item.order.clone());
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
        if let Keep::Sample { .. } = self.keep {
            let (orders, positions) = (records, positions(&values[1])?);
            let mut key = Vec::new();
            for (row, &group) in groups.iter().enumerate() {
                let Some(order) = cell_at(orders, row) else { continue };
                let position = positions.value(row);
                key.clear();
                put_sort_key(&mut key, order, position);
                self.offer(group, &mixed(position).to_be_bytes(), &key, &[])?;
            }
            return Ok(());
        }
        if let Keep::Sorted { .. } = self.keep {
            let (orders, positions) = (cells(&values[1])?, positions(&values[2])?);
            let shown = shown_columns(&values[3..])?;
            let mut key = Vec::new();
            for (row, &group) in groups.iter().enumerate() {
                if let (Some(record), Some(order)) = (cell_at(records, row), cell_at(orders, row)) {
                    key.clear();
                    put_sort_key(&mut key, order, positions.value(row));
                    self.offer(group, &key, record, &packed_shown(&shown, row))?;
                }
            }
            return Ok(());
        }
        let shown = shown_columns(&values[2..])?;
        if matches!(self.keep, Keep::Top { .. }) {
            let orders = cells(&values[1])?;
            for (row, &group) in groups.iter().enumerate() {
                if let (Some(record), Some(order)) = (cell_at(records, row), cell_at(orders, row)) {
                    self.offer(group, order, record, &packed_shown(&shown, row))?;
                }
            }
            return Ok(());
        }
        let positions = positions(&values[1])?;
        for (row, &group) in groups.iter().enumerate() {
            if let Some(record) = cell_at(records, row) {
                self.offer(group, &positions.value(row).to_be_bytes(), record, &packed_shown(&shown, row))?;
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
                let (order, value) = (take_part(&mut state)?, take_part(&mut state)?);
                self.offer(group, order, value, take_part(&mut state)?)?;
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
            group.items.iter().for_each(|item| put::put_item(built.buffer(), item.value.get()));
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
            for item in &group.items {
                put_part(built.buffer(), item.order.get());
                put_part(built.buffer(), item.value.get());
                put_part(built.buffer(), item.shown.as_deref().unwrap_or_default());
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

/// The records of a packed list, each with the keys it shows.
pub fn packed_items(mut list: &[u8]) -> impl Iterator<Item = crate::error::Result<(&[u8], &[u8])>> {
    std::iter::from_fn(move || {
        if list.is_empty() {
            return None;
        }
        let mut item = || {
            take_part(&mut list)?;
            Ok((take_part(&mut list)?, take_part(&mut list)?))
        };
        Some(item())
    })
}

/// What a row shows as its keys, a column a level, or none where nobody wants that one; empty where all are
/// what the key cells say.
pub fn packed_shown(columns: &[Option<&BinaryViewArray>], row: usize) -> Vec<u8> {
    let cell = |column: &Option<_>| column.and_then(|column| cell_at(column, row));
    let mut keys = Vec::new();
    if columns.iter().any(|column| cell(column).is_some()) {
        columns.iter().for_each(|column| put_part(&mut keys, cell(column).unwrap_or_default()));
    }
    keys
}

/// The columns that some row shows as its keys; none where every row shows what its key cells say.
fn shown_columns(columns: &[ArrayRef]) -> crate::error::Result<Vec<Option<&BinaryViewArray>>> {
    if columns.iter().all(|column| column.null_count() == column.len()) {
        return Ok(vec![]);
    }
    columns.iter().map(|column| cells(column).map(Some)).collect()
}
