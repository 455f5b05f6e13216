//! Cells held by group: short ones in place, long ones on the heap.

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion_expr::EmitTo;
use nestflow_batch::columns::CellBuilder;

use crate::error::Result;

const INLINE: usize = 22;

/// A cell of its own.
#[derive(Clone, Debug)]
pub enum Slot {
    /// Length and bytes.
    Inline(u8, [u8; INLINE]),
    /// Anything longer.
    Heap(Box<[u8]>),
}

impl Slot {
    /// A copy of a cell.
    pub fn new(cell: &[u8]) -> Slot {
        if cell.len() > INLINE {
            return Slot::Heap(cell.into());
        }
        let mut bytes = [0; INLINE];
        bytes[..cell.len()].copy_from_slice(cell);
        Slot::Inline(cell.len() as u8, bytes)
    }

    /// The cell.
    pub fn get(&self) -> &[u8] {
        match self {
            Slot::Inline(len, bytes) => &bytes[..usize::from(*len)],
            Slot::Heap(bytes) => bytes,
        }
    }

    /// Bytes on the heap.
    pub fn heap(&self) -> usize {
        match self {
            Slot::Inline(..) => 0,
            // The allocator's own share included.
            Slot::Heap(bytes) => bytes.len() + 16,
        }
    }
}

/// One cell, or none, per group.
#[derive(Debug, Default)]
pub struct Slots {
    slots: Vec<Option<Slot>>,
    heap: usize,
}

impl Slots {
    /// Makes room for so many groups.
    pub fn resize(&mut self, groups: usize) {
        if groups > self.slots.len() {
            self.slots.resize(groups, None);
        }
    }

    /// The cell of a group.
    pub fn get(&self, group: usize) -> Option<&[u8]> {
        self.slots.get(group).and_then(|slot| slot.as_ref()).map(Slot::get)
    }

    /// Replaces the cell of a group.
    pub fn set(&mut self, group: usize, cell: Option<&[u8]>) {
        let new = cell.map(Slot::new);
        let old = std::mem::replace(&mut self.slots[group], new);
        self.heap += self.slots[group].as_ref().map_or(0, Slot::heap);
        self.heap -= old.as_ref().map_or(0, Slot::heap);
    }

    /// The cells of groups that go out.
    pub fn emit(&mut self, emit_to: EmitTo) -> Vec<Option<Slot>> {
        let out = emit_to.take_needed(&mut self.slots);
        self.heap -= out.iter().flatten().map(Slot::heap).sum::<usize>();
        out
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.slots.capacity() * size_of::<Option<Slot>>() + self.heap
    }
}

/// Slots as a column.
pub fn column(slots: &[Option<Slot>]) -> Result<ArrayRef> {
    let mut built = CellBuilder::with_capacity(slots.len());
    slots.iter().for_each(|slot| built.append_option(slot.as_ref().map(Slot::get)));
    Ok(Arc::new(built.finish()?))
}
