//! The result of a driver as columns: which parts a row has, and how each part is stored.

use std::ops::Range;

use arrow_array::BinaryViewArray;
use nestflow_batch::columns::CellBuilder;
use nestflow_batch::put;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::decode::Frozen;
use crate::kinds::Kinds;
use crate::{fast, keys};

/// What one part of a row is stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The key of a level that the chain opens.
    Level,
    /// A value cell.
    Value,
    /// A key.
    Key,
    /// A pair of a key and a value.
    Pair,
    /// A pair that opens a level.
    Split,
    /// A sort key.
    Order,
    /// A value that is its own sort key.
    Ordered,
    /// Only that there is a record.
    Present,
    /// Nothing.
    Nothing,
}

impl Part {
    /// The part by the name that drivers use.
    pub(crate) fn named(name: &str) -> Option<Part> {
        Some(match name {
            "level" => Part::Level,
            "value" => Part::Value,
            "key" => Part::Key,
            "pair" => Part::Pair,
            "split" => Part::Split,
            "order" => Part::Order,
            "ordered" => Part::Ordered,
            "present" => Part::Present,
            "nothing" => Part::Nothing,
            _ => return None,
        })
    }

    /// The names of its columns; `level` counts the levels before it.
    pub(crate) fn columns(self, level: usize) -> Vec<String> {
        let key = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        match self {
            Part::Level => vec![format!("n{level}"), format!("n{level}s")],
            Part::Split => vec![format!("n{level}"), format!("n{level}s"), "v".to_owned()],
            Part::Value | Part::Present => key(&["v"]),
            Part::Key => key(&["j", "js"]),
            Part::Pair => key(&["j", "js", "v"]),
            Part::Order => key(&["o"]),
            Part::Ordered => key(&["v", "o"]),
            Part::Nothing => Vec::new(),
        }
    }
}

/// A value that could not be stored.
pub(crate) struct Unfit<'py> {
    pub(crate) error: PyErr,
    pub(crate) value: Bound<'py, PyAny>,
    /// Index of the part.
    pub(crate) part: usize,
    /// What it was wanted as: `value`, `key`, `order`.
    pub(crate) role: &'static str,
}

impl<'py> Unfit<'py> {
    #[cold]
    fn new(error: PyErr, value: &Bound<'py, PyAny>, part: usize, role: &'static str) -> Self {
        Unfit { error, value: value.clone(), part, role }
    }
}

/// The input that a row came from.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// The column of the records' cells, and its row there.
    pub(crate) values: &'a BinaryViewArray,
    pub(crate) row: usize,
    /// The record as the driver got it: its cell is stored as it was where it comes back and nobody can have
    /// changed it.
    pub(crate) record: Frozen,
}

/// What a row of a driver holds, and the columns that each part fills.
pub(crate) struct Layout {
    parts: Vec<(Part, Range<usize>)>,
    /// The names of all columns.
    pub(crate) names: Vec<String>,
    /// Whether rows will be sorted by their order cells descending.
    reverse: bool,
}

impl Layout {
    /// The columns of these parts, in order.
    pub(crate) fn new(parts: &[Part], reverse: bool) -> Self {
        let mut layout = Layout { parts: Vec::new(), names: Vec::new(), reverse };
        for (level, part) in parts.iter().enumerate() {
            let start = layout.names.len();
            layout.names.extend(part.columns(level));
            layout.parts.push((*part, start..layout.names.len()));
        }
        layout
    }
}

/// The columns of the rows so far.
pub(crate) struct Rows<'a> {
    kinds: &'a Kinds,
    layout: &'a Layout,
    pub(crate) columns: Vec<CellBuilder>,
    /// The input row of each row, where that is not its own number.
    pub(crate) origin: Option<Vec<u32>>,
    scratch: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// No rows yet, with room for some.
    pub(crate) fn new(kinds: &'a Kinds, layout: &'a Layout, one_to_one: bool, capacity: usize) -> Self {
        let columns = layout.names.iter().map(|_| CellBuilder::with_capacity(capacity)).collect();
        let origin = (!one_to_one).then(|| Vec::with_capacity(capacity));
        Rows { kinds, layout, columns, origin, scratch: Vec::new() }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.origin.as_ref().map_or(0, Vec::len)
    }

    /// Bytes that the rows take.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.iter().map(CellBuilder::bytes).sum()
    }

    /// A row of nulls for a marker in the input.
    pub(crate) fn push_marker(&mut self, origin: u32) {
        self.came_from(origin);
        self.columns.iter_mut().for_each(CellBuilder::append_null);
    }

    /// Whether a row says only that its groups exist.
    pub(crate) fn is_marker(&self, row: &Bound<'_, PyAny>) -> bool {
        let gone = &self.kinds.gone;
        row.is(gone)
            || row.cast::<PyTuple>().is_ok_and(|parts| {
                self.layout.parts.len() > 1
                    && parts.len() > 0
                    && parts.get_borrowed_item(parts.len() - 1).is_ok_and(|last| last.is(gone))
            })
    }

    /// What a driver gave for one record: a row, or word that there is none.
    #[inline]
    pub(crate) fn push<'py>(&mut self, given: Given<'_>, row: &Bound<'py, PyAny>) -> Result<(), Unfit<'py>> {
        if row.is(&self.kinds.drop) {
            return Ok(());
        }
        self.came_from(given.row as u32);
        let layout = self.layout;
        if let ([(Part::Value, _)], [cells]) = (layout.parts.as_slice(), self.columns.as_mut_slice())
            && !row.is(&self.kinds.gone)
        {
            return put_value(row, given, cells).map_err(|error| Unfit::new(error, row, 0, "value"));
        }
        if let [(part, columns)] = layout.parts.as_slice() {
            return self.put(0, *part, columns, given, row);
        }
        let items = match row.cast::<PyTuple>() {
            Ok(items) => items,
            Err(error) => return Err(Unfit::new(error.into(), row, 0, "value")),
        };
        for (index, (part, columns)) in layout.parts.iter().enumerate() {
            let item = items.get_borrowed_item(index).map_err(|error| Unfit::new(error, row, 0, "value"))?;
            self.put(index, *part, columns, given, &item)?;
        }
        Ok(())
    }

    #[inline]
    fn came_from(&mut self, row: u32) {
        if let Some(origin) = &mut self.origin {
            origin.push(row);
        }
    }

    #[inline]
    fn put<'py>(
        &mut self,
        index: usize,
        part: Part,
        columns: &Range<usize>,
        given: Given<'_>,
        value: &Bound<'py, PyAny>,
    ) -> Result<(), Unfit<'py>> {
        let columns = &mut self.columns[columns.clone()];
        if value.is(&self.kinds.gone) {
            columns.iter_mut().for_each(CellBuilder::append_null);
            return Ok(());
        }
        match (part, columns) {
            (Part::Value, [cells]) => {
                put_value(value, given, cells).map_err(|error| Unfit::new(error, value, index, "value"))
            }
            (Part::Level | Part::Key, [key, shown]) => keys::put_key(value, key, shown, &mut self.scratch)
                .map_err(|error| Unfit::new(error, value, index, "key")),
            (Part::Pair | Part::Split, [key, shown, cells]) => {
                let mut copy = None;
                let (first, second) =
                    pair(value, &mut copy).map_err(|error| Unfit::new(error, value, index, "value"))?;
                keys::put_key(&first, key, shown, &mut self.scratch)
                    .map_err(|error| Unfit::new(error, &first, index, "key"))?;
                put_value(&second, given, cells).map_err(|error| Unfit::new(error, &second, index, "value"))
            }
            (Part::Order, [order]) => put_order(value, order, self.layout.reverse, &mut self.scratch)
                .map_err(|error| Unfit::new(error, value, index, "order")),
            (Part::Ordered, [cells, order]) => {
                put_value(value, given, cells).map_err(|error| Unfit::new(error, value, index, "value"))?;
                put_order(value, order, self.layout.reverse, &mut self.scratch)
                    .map_err(|error| Unfit::new(error, value, index, "order"))
            }
            (Part::Present, [cells]) => {
                put::put_none(cells.buffer());
                cells.commit();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[inline]
fn put_value(value: &Bound<'_, PyAny>, given: Given<'_>, cells: &mut CellBuilder) -> PyResult<()> {
    if value.as_ptr().addr() == given.record {
        cells.append(given.values.value(given.row));
        return Ok(());
    }
    fast::append_value(value, cells)
}

fn put_order(
    value: &Bound<'_, PyAny>,
    cells: &mut CellBuilder,
    reverse: bool,
    scratch: &mut Vec<u8>,
) -> PyResult<()> {
    keys::put_order(value, cells.buffer(), reverse, scratch)?;
    cells.commit();
    Ok(())
}

/// Both halves of a record that has to be a pair; of a list, which others may change, those of a copy.
#[inline]
fn pair<'a, 'py>(
    record: &'a Bound<'py, PyAny>,
    copy: &'a mut Option<Bound<'py, PyTuple>>,
) -> PyResult<(Borrowed<'a, 'py, PyAny>, Borrowed<'a, 'py, PyAny>)> {
    let pair = match record.cast::<PyTuple>() {
        Ok(pair) => pair,
        Err(_) => match record.cast::<PyList>() {
            Ok(list) => copy.insert(list.to_tuple()),
            Err(_) => return Err(not_a_pair(record.py())),
        },
    };
    if pair.len() != 2 {
        return Err(not_a_pair(record.py()));
    }
    Ok((pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?))
}

#[cold]
fn not_a_pair(py: Python<'_>) -> PyErr {
    let class = py.import("nestflow.host.program").and_then(|program| program.getattr("NotAPair"));
    class.and_then(|class| class.call0()).map_or_else(|error| error, PyErr::from_value)
}
