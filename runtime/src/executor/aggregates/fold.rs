//! Folds by user functions: states are cells here and go to the host and back once per batch, so
//! that they spill and ship like any other.

use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use nestflow_batch::columns::{CellBuilder, cell_at, cell_field};
use nestflow_chain::{ChainSpec, Host, OpenChain};

use super::cells;
use super::slots::{Slot, Slots, column};
use crate::executor::columns;
use crate::internal;

/// A fold program, opened when it is first needed.
pub struct Folder {
    host: Arc<dyn Host>,
    spec: ChainSpec,
    open: Option<Box<dyn OpenChain>>,
    /// For each group, its number in the call in hand, if `stamp` says that it has one.
    numbers: Vec<(u64, u32)>,
    stamp: u64,
}

impl Folder {
    /// A fold in a host.
    pub fn new(host: Arc<dyn Host>, spec: ChainSpec) -> Folder {
        Folder { host, spec, open: None, numbers: Vec::new(), stamp: 0 }
    }

    /// Folds values (never null) into the states of their groups.
    pub fn fold<'v>(
        &mut self,
        states: &mut Slots,
        values: impl Iterator<Item = (usize, &'v [u8])>,
    ) -> crate::error::Result<()> {
        self.stamp += 1;
        let mut groups: Vec<usize> = Vec::new();
        let mut numbers: Vec<u32> = Vec::new();
        let mut folded = CellBuilder::default();
        for (group, value) in values {
            if group >= self.numbers.len() {
                self.numbers.resize(group + 1, (0, 0));
            }
            let (stamp, number) = &mut self.numbers[group];
            if *stamp != self.stamp {
                (*stamp, *number) = (self.stamp, groups.len() as u32);
                groups.push(group);
            }
            numbers.push(*number);
            folded.append(value);
        }
        if groups.is_empty() {
            return Ok(());
        }
        let results =
            self.call(groups.iter().map(|&group| states.get(group)), &numbers, &folded.finish()?)?;
        for (row, &group) in groups.iter().enumerate() {
            states.set(group, cell_at(&results, row));
        }
        Ok(())
    }

    /// The states of groups without a record.
    pub fn empty(&mut self, groups: usize) -> crate::error::Result<BinaryViewArray> {
        self.call((0..groups).map(|_| None), &[], &CellBuilder::default().finish()?)
    }

    fn call<'s>(
        &mut self,
        states: impl Iterator<Item = Option<&'s [u8]>>,
        numbers: &[u32],
        values: &BinaryViewArray,
    ) -> crate::error::Result<BinaryViewArray> {
        let mut cells = CellBuilder::default();
        states.for_each(|state| cells.append_option(state));
        let groups = cells.len() as u32;
        (0..values.len()).for_each(|row| cells.append_option(cell_at(values, row)));
        let numbers = UInt32Array::from_iter_values((0..groups).chain(numbers.iter().copied()));
        let schema = Arc::new(Schema::new(vec![Field::new("g", DataType::UInt32, false), cell_field("v")]));
        let rows = numbers.len();
        let batch = columns::batch(&schema, vec![Arc::new(numbers), Arc::new(cells.finish()?)], rows)?;
        let open = match self.open.as_mut() {
            Some(open) => open,
            None => self.open.insert(self.host.open(&self.spec, vec![])?),
        };
        open.push(batch)?;
        let result = open.pull()?;
        let states = result.column_by_name("v").and_then(|column| column.as_binary_view_opt());
        let states = states.filter(|states| states.len() == groups as usize);
        Ok(states.ok_or_else(|| internal!("a fold gave other than one state per group"))?.clone())
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.numbers.capacity() * size_of::<(u64, u32)>()
    }
}

/// Folded states per group.
pub struct Fold {
    partial: Mutex<Folder>,
    merge: Folder,
    states: Slots,
}

impl Fold {
    /// Values by `partial`, states by `merge`.
    pub fn new(partial: Folder, merge: Folder) -> Fold {
        Fold { partial: Mutex::new(partial), merge, states: Slots::default() }
    }
}

fn rows<'a>(column: &'a BinaryViewArray, groups: &'a [usize]) -> impl Iterator<Item = (usize, &'a [u8])> {
    groups.iter().enumerate().filter_map(|(row, &group)| cell_at(column, row).map(|cell| (group, cell)))
}

impl GroupsAccumulator for Fold {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        _: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.states.resize(total);
        let partial = self.partial.get_mut().map_err(|_| internal!("a fold is poisoned"))?;
        Ok(partial.fold(&mut self.states, rows(cells(&values[0])?, groups))?)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.states.resize(total);
        Ok(self.merge.fold(&mut self.states, rows(cells(&values[0])?, groups))?)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut states = self.states.emit(emit_to);
        let missing = states.iter().filter(|state| state.is_none()).count();
        if missing > 0 {
            let empty = self.merge.empty(missing)?;
            for (row, state) in states.iter_mut().filter(|state| state.is_none()).enumerate() {
                *state = cell_at(&empty, row).map(Slot::new);
            }
        }
        Ok(column(&states)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![column(&self.states.emit(emit_to))?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let mut states = Slots::default();
        states.resize(values[0].len());
        let groups: Vec<usize> = (0..values[0].len()).collect();
        let mut partial = self.partial.lock().map_err(|_| internal!("a fold is poisoned"))?;
        partial.fold(&mut states, rows(cells(&values[0])?, &groups))?;
        Ok(vec![column(&states.emit(EmitTo::All))?])
    }

    fn size(&self) -> usize {
        let partial = self.partial.lock().map_or(0, |partial| partial.size());
        self.states.size() + partial + self.merge.size()
    }
}
