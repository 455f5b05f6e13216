//! `reduce(+)`: ints of 64 bits and floats natively, everything else by Python's own `+`.

use arrow::array::{ArrayRef, BooleanArray};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use nestflow_batch::cell::Cell;
use nestflow_batch::columns::cell_at;
use nestflow_batch::{put, tag};

use super::cells;
use super::fold::Folder;
use super::slots::{Slot, Slots, column};

#[derive(Clone, Copy, Debug, Default)]
enum Number {
    #[default]
    Empty,
    Int(i64),
    Float(f64),
    /// The state is a cell among `others`.
    Other,
}

/// Sums per group.
pub struct Sum {
    add: Folder,
    numbers: Vec<Number>,
    others: Slots,
}

impl Sum {
    /// Sums; `add` is Python's `+`.
    pub fn new(add: Folder) -> Sum {
        Sum { add, numbers: Vec::new(), others: Slots::default() }
    }

    fn add_rows(&mut self, values: &ArrayRef, groups: &[usize], total: usize) -> crate::error::Result<()> {
        if total > self.numbers.len() {
            self.numbers.resize(total, Number::Empty);
        }
        let values = cells(values)?;
        let mut slow: Vec<(usize, &[u8])> = Vec::new();
        for (row, &group) in groups.iter().enumerate() {
            let Some(cell) = cell_at(values, row) else { continue };
            let state = self.numbers[group];
            self.numbers[group] = match (state, number_of(cell)) {
                (Number::Empty, Some(number)) => number,
                (Number::Int(a), Some(Number::Int(b))) => match a.checked_add(b) {
                    Some(sum) => Number::Int(sum),
                    None => {
                        slow.push((group, cell));
                        state
                    }
                },
                (Number::Float(a), Some(Number::Float(b))) => Number::Float(a + b),
                (Number::Int(a), Some(Number::Float(b))) => Number::Float(a as f64 + b),
                (Number::Float(a), Some(Number::Int(b))) => Number::Float(a + b as f64),
                _ => {
                    slow.push((group, cell));
                    state
                }
            };
        }
        if slow.is_empty() {
            return Ok(());
        }
        self.others.resize(total);
        for &(group, _) in &slow {
            let number = std::mem::replace(&mut self.numbers[group], Number::Other);
            if let Some(cell) = number_cell(number) {
                self.others.set(group, Some(&cell));
            }
        }
        self.add.fold(&mut self.others, slow.into_iter())
    }

    fn emit(&mut self, emit_to: EmitTo) -> crate::error::Result<ArrayRef> {
        let numbers = emit_to.take_needed(&mut self.numbers);
        self.others.resize(numbers.len());
        let mut others = self.others.emit(match emit_to {
            EmitTo::All => EmitTo::All,
            EmitTo::First(n) => EmitTo::First(n),
        });
        others.resize(numbers.len(), None);
        for (slot, number) in others.iter_mut().zip(numbers) {
            if let Some(cell) = number_cell(number) {
                *slot = Some(Slot::new(&cell));
            }
        }
        column(&others)
    }
}

fn number_of(cell: &[u8]) -> Option<Number> {
    match cell[0] {
        tag::INT | tag::FLOAT => match Cell::read(cell) {
            Ok(Cell::Int(value)) => Some(Number::Int(value)),
            Ok(Cell::Float(value)) => Some(Number::Float(value)),
            _ => None,
        },
        _ => None,
    }
}

fn number_cell(number: Number) -> Option<Vec<u8>> {
    let mut cell = Vec::with_capacity(10);
    match number {
        Number::Int(value) => put::put_i64(&mut cell, value),
        Number::Float(value) => put::put_f64(&mut cell, value),
        Number::Empty | Number::Other => return None,
    }
    Some(cell)
}

impl GroupsAccumulator for Sum {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        _: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        Ok(self.add_rows(&values[0], groups, total)?)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        Ok(self.add_rows(&values[0], groups, total)?)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.emit(emit_to)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], _: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        Ok(vec![values[0].clone()])
    }

    fn size(&self) -> usize {
        self.numbers.capacity() * size_of::<Number>() + self.others.size() + self.add.size()
    }
}
