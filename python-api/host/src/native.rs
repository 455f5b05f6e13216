//! Chains without a user function: keys, pairs and sort keys made from cells as they are, without
//! the interpreter and on any number of threads at once.
//!
//! What only Python can tell (the key of an odd object, why a record is no pair) is left to the
//! driver: then nothing is done here.

use arrow_array::{Array, BinaryViewArray};
use nestflow_batch::cell::{Cell, CellError};
use nestflow_batch::columns::{CellBuilder, cell_at};
use nestflow_batch::key::{KeyForm, key_of, put_order_component};
use nestflow_chain::{Emit, Step, StepKind};

/// What becomes of each record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Native {
    /// Whether it is a pair that opens a level.
    split: bool,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Nothing,
    Value,
    Key,
    Pair,
    Ordered,
}

impl Native {
    /// `None` where a function is called.
    pub(crate) fn of(steps: &[Step], emit: &Emit) -> Option<Native> {
        let split = match steps {
            [] => false,
            [Step { kind: StepKind::Split, .. }] => true,
            _ => return None,
        };
        let end = match emit {
            Emit::Nothing => End::Nothing,
            Emit::Value => End::Value,
            Emit::Key => End::Key,
            Emit::Pair => End::Pair,
            Emit::Ordered { key: None, .. } => End::Ordered,
            Emit::Ordered { .. } => return None,
        };
        Some(Native { split, end })
    }

    /// The columns of all rows, in the order of the driver's; `None` if Python is needed.
    pub(crate) fn run(self, values: &BinaryViewArray) -> Result<Option<Vec<CellBuilder>>, CellError> {
        let width = if self.split { 2 } else { 0 } + self.end.width();
        let mut columns: Vec<_> = (0..width).map(|_| CellBuilder::with_capacity(values.len())).collect();
        let (mut halves, mut inner) = (Halves::default(), Halves::default());
        for row in 0..values.len() {
            let Some(cell) = cell_at(values, row) else {
                columns.iter_mut().for_each(CellBuilder::append_null);
                continue;
            };
            let done = match columns.as_mut_slice() {
                [level, shown, rest @ ..] if self.split => {
                    halves.read(cell)?
                        && put_key(&halves.first, level, shown)?
                        && self.end.put(&halves.second, rest, &mut inner)?
                }
                columns => self.end.put(cell, columns, &mut halves)?,
            };
            if !done {
                return Ok(None);
            }
        }
        Ok(Some(columns))
    }
}

impl End {
    fn width(self) -> usize {
        match self {
            End::Nothing => 0,
            End::Value => 1,
            End::Key | End::Ordered => 2,
            End::Pair => 3,
        }
    }

    /// `false` if Python is needed.
    #[inline]
    fn put(self, cell: &[u8], columns: &mut [CellBuilder], halves: &mut Halves) -> Result<bool, CellError> {
        match (self, columns) {
            (End::Value, [cells]) => cells.append(cell),
            (End::Key, [key, shown]) => return put_key(cell, key, shown),
            (End::Pair, [key, shown, cells]) => {
                if !(halves.read(cell)? && put_key(&halves.first, key, shown)?) {
                    return Ok(false);
                }
                cells.append(&halves.second);
            }
            (End::Ordered, [cells, order]) => {
                cells.append(cell);
                halves.first.clear();
                let key = match key_of(cell, &mut halves.first)? {
                    KeyForm::NeedsHost => return Ok(false),
                    KeyForm::Same => cell,
                    KeyForm::Rewritten | KeyForm::Changed => &halves.first,
                };
                put_order_component(order.buffer(), key, false);
                order.commit();
            }
            _ => {}
        }
        Ok(true)
    }
}

/// Both halves of a pair as cells of their own.
#[derive(Default)]
struct Halves {
    first: Vec<u8>,
    second: Vec<u8>,
}

impl Halves {
    /// `false` if the cell is no pair.
    fn read(&mut self, cell: &[u8]) -> Result<bool, CellError> {
        let (Cell::Tuple(mut items) | Cell::List(mut items)) = Cell::read(cell)? else { return Ok(false) };
        let (Some(first), Some(second), None) = (items.next(), items.next(), items.next()) else {
            return Ok(false);
        };
        self.first.clear();
        self.second.clear();
        first?.put_top(&mut self.first);
        second?.put_top(&mut self.second);
        Ok(true)
    }
}

/// `false` if Python is needed.
#[inline]
fn put_key(cell: &[u8], keys: &mut CellBuilder, shown: &mut CellBuilder) -> Result<bool, CellError> {
    match key_of(cell, keys.buffer())? {
        KeyForm::NeedsHost => return Ok(false),
        KeyForm::Same => keys.append(cell),
        KeyForm::Rewritten => keys.commit(),
        KeyForm::Changed => {
            keys.commit();
            shown.append(cell);
            return Ok(true);
        }
    }
    shown.append_null();
    Ok(true)
}
