//! The result of a driver as columns: which parts a row has, and how each part is stored.

use std::ops::Range;

use nestflow_batch::columns::CellBuilder;
use nestflow_batch::put;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

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

    /// A row of nulls for a marker in the input.
    pub(crate) fn push_marker(&mut self, origin: u32) {
        self.came_from(origin);
        self.columns.iter_mut().for_each(CellBuilder::append_null);
    }

    /// What a driver gave for one record: a row, or word that there is none.
    #[inline]
    pub(crate) fn push<'py>(&mut self, origin: u32, row: &Bound<'py, PyAny>) -> Result<(), Unfit<'py>> {
        if row.is(&self.kinds.drop) {
            return Ok(());
        }
        self.came_from(origin);
        let layout = self.layout;
        if let [(part, columns)] = layout.parts.as_slice() {
            return self.put(0, *part, columns, row);
        }
        let unfit = |error: PyErr| Unfit { error, value: row.clone(), part: 0, role: "value" };
        let items = row.cast::<PyTuple>().map_err(|error| unfit(error.into()))?;
        for (index, (part, columns)) in layout.parts.iter().enumerate() {
            let item = items.get_item(index).map_err(unfit)?;
            self.put(index, *part, columns, &item)?;
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
        value: &Bound<'py, PyAny>,
    ) -> Result<(), Unfit<'py>> {
        let columns = &mut self.columns[columns.clone()];
        if value.is(&self.kinds.gone) {
            columns.iter_mut().for_each(CellBuilder::append_null);
            return Ok(());
        }
        let unfit = |role, value: &Bound<'py, PyAny>| {
            let value = value.clone();
            move |error| Unfit { error, value, part: index, role }
        };
        match (part, columns) {
            (Part::Value, [cells]) => put_value(value, cells).map_err(unfit("value", value)),
            (Part::Level | Part::Key, [key, shown]) => {
                keys::put_key(value, key, shown, &mut self.scratch).map_err(unfit("key", value))
            }
            (Part::Pair | Part::Split, [key, shown, cells]) => {
                let (first, second) = pair(value).map_err(unfit("value", value))?;
                keys::put_key(&first, key, shown, &mut self.scratch).map_err(unfit("key", &first))?;
                put_value(&second, cells).map_err(unfit("value", &second))
            }
            (Part::Order, [order]) => {
                put_order(value, order, self.layout.reverse, &mut self.scratch).map_err(unfit("order", value))
            }
            (Part::Ordered, [cells, order]) => {
                put_value(value, cells).map_err(unfit("value", value))?;
                put_order(value, order, self.layout.reverse, &mut self.scratch).map_err(unfit("order", value))
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
fn put_value(value: &Bound<'_, PyAny>, cells: &mut CellBuilder) -> PyResult<()> {
    fast::put_value(value, cells.buffer())?;
    cells.commit();
    Ok(())
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

/// Both halves of a record that has to be a pair.
#[inline]
fn pair<'py>(record: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if let Ok(pair) = record.cast::<PyTuple>()
        && pair.len() == 2
    {
        return Ok((pair.get_item(0)?, pair.get_item(1)?));
    }
    if let Ok(pair) = record.cast::<PyList>()
        && pair.len() == 2
    {
        return Ok((pair.get_item(0)?, pair.get_item(1)?));
    }
    let class = record.py().import("nestflow.host.program")?.getattr("NotAPair")?;
    Err(PyErr::from_value(class.call0()?))
}
