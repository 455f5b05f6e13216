//! Batches that pass from one library to another in the same process: pointers into the sender's buffers, and a
//! function that lets go of them. Nothing is copied.
//!
//! Only the columns that hosts know: cells, `UInt32` and `UInt64`.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, RecordBatch, RecordBatchOptions, UInt32Array, UInt64Array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema};

const CELLS: u32 = 0;
const U32: u32 = 1;
const U64: u32 = 2;

/// Bytes of the sender.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Span {
    at: *const u8,
    length: usize,
}

/// A column of a batch.
#[repr(C)]
struct Column {
    name: Span,
    kind: u32,
    /// Its bits of validity, and the first of them; null where no row is null.
    valid: Span,
    first: usize,
    values: Span,
    buffers: *const Span,
    count: usize,
}

/// A batch on its way: whoever has it last lets go of it, once.
#[repr(C)]
pub struct Passed {
    rows: usize,
    columns: *const Column,
    count: usize,
    held: *mut c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
}

// SAFETY: it points into buffers that never change, and its release may be called on any thread: what it
// drops are reference counts.
unsafe impl Send for Passed {}
// SAFETY: as above; nothing of it is changed through a shared reference.
unsafe impl Sync for Passed {}

/// What a batch on its way holds until it is let go.
struct Held {
    columns: Vec<Column>,
    _spans: Vec<Vec<Span>>,
    _batch: RecordBatch,
}

unsafe extern "C" fn release(held: *mut c_void) {
    // SAFETY: made from a box by `pass`, and given to nobody but this function, once.
    drop(unsafe { Box::from_raw(held.cast::<Held>()) });
}

impl Drop for Passed {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            // SAFETY: taken out, so that it is called once, with what belongs to it.
            unsafe { release(self.held) };
        }
    }
}

impl Span {
    const NONE: Span = Span { at: ptr::null(), length: 0 };

    fn of(bytes: &[u8]) -> Span {
        Span { at: bytes.as_ptr(), length: bytes.len() }
    }

    /// # Safety
    /// The bytes live as long as the caller uses them.
    unsafe fn bytes<'a>(self) -> &'a [u8] {
        match self.length {
            0 => &[],
            // SAFETY: the sender made it from a slice, which lives by the caller's promise.
            length => unsafe { std::slice::from_raw_parts(self.at, length) },
        }
    }
}

impl Passed {
    /// No batch.
    pub const NONE: Passed =
        Passed { rows: 0, columns: ptr::null(), count: 0, held: ptr::null_mut(), release: None };

    /// Whether there is one.
    pub fn is_some(&self) -> bool {
        self.release.is_some()
    }

    /// Prepares a batch to be passed.
    pub fn of(batch: RecordBatch) -> Result<Passed, String> {
        let mut columns = Vec::with_capacity(batch.num_columns());
        let mut spans = Vec::new();
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let (kind, values) = match array.data_type() {
                DataType::BinaryView => {
                    let cells = array.as_binary_view();
                    spans
                        .push(cells.data_buffers().iter().map(|buffer| Span::of(buffer)).collect::<Vec<_>>());
                    (CELLS, Span::of(cells.views().inner()))
                }
                DataType::UInt32 => (U32, Span::of(array.as_primitive::<UInt32Type>().values().inner())),
                DataType::UInt64 => (U64, Span::of(array.as_primitive::<UInt64Type>().values().inner())),
                other => return Err(format!("column {} has the type {other}", field.name())),
            };
            let (buffers, count) = match (kind, spans.last()) {
                (CELLS, Some(spans)) => (spans.as_ptr(), spans.len()),
                _ => (ptr::null(), 0),
            };
            let nulls = array.nulls().map(|nulls| nulls.inner());
            let valid = nulls.map_or(Span::NONE, |bits| Span::of(bits.inner()));
            let first = nulls.map_or(0, |bits| bits.offset());
            // The names live in the schema, which the batch holds.
            let name = Span::of(field.name().as_bytes());
            columns.push(Column { name, kind, valid, first, values, buffers, count });
        }
        let rows = batch.num_rows();
        let held = Box::new(Held { columns, _spans: spans, _batch: batch });
        let (columns, count) = (held.columns.as_ptr(), held.columns.len());
        Ok(Passed { rows, columns, count, held: Box::into_raw(held).cast(), release: Some(release) })
    }

    /// The batch, over the sender's buffers.
    ///
    /// # Safety
    /// It was made by [`Passed::of`], by whichever library.
    pub unsafe fn open(self) -> Result<RecordBatch, String> {
        let rows = self.rows;
        let columns = match self.count {
            0 => &[],
            // SAFETY: made by `of`; it lives until `self` is released, which `owner` below puts off.
            count => unsafe { std::slice::from_raw_parts(self.columns, count) },
        };
        let owner = Arc::new(self);
        // SAFETY: the bytes are the sender's, live as long as the owner and never change.
        let shared = |span: Span| unsafe { buffer(span, &owner) };
        let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
        for column in columns {
            // SAFETY: as above; it is copied at once.
            let name = String::from_utf8_lossy(unsafe { column.name.bytes() }).into_owned();
            let nulls = (!column.valid.at.is_null())
                .then(|| NullBuffer::new(BooleanBuffer::new(shared(column.valid), column.first, rows)));
            let nullable = column.kind == CELLS;
            let array: ArrayRef = match column.kind {
                U32 => Arc::new(UInt32Array::new(ScalarBuffer::new(shared(column.values), 0, rows), None)),
                U64 => Arc::new(UInt64Array::new(ScalarBuffer::new(shared(column.values), 0, rows), None)),
                _ => {
                    let spans = match column.count {
                        0 => &[],
                        // SAFETY: as for the columns.
                        count => unsafe { std::slice::from_raw_parts(column.buffers, count) },
                    };
                    let buffers: Vec<Buffer> = spans.iter().map(|span| shared(*span)).collect();
                    let views = ScalarBuffer::new(shared(column.values), 0, rows);
                    // SAFETY: these are the parts of a whole array.
                    Arc::new(unsafe { BinaryViewArray::new_unchecked(views, buffers, nulls) })
                }
            };
            fields.push(Field::new(name, array.data_type().clone(), nullable));
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
        batch.map_err(|error| error.to_string())
    }
}

/// # Safety
/// The bytes live as long as `owner` and never change.
unsafe fn buffer(span: Span, owner: &Arc<Passed>) -> Buffer {
    match NonNull::new(span.at.cast_mut()) {
        Some(at) if span.length > 0 => {
            // SAFETY: by the caller's promise.
            unsafe { Buffer::from_custom_allocation(at, span.length, owner.clone()) }
        }
        _ => Buffer::from(Vec::<u128>::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> RecordBatch {
        let long = "a text that no view has room for".as_bytes();
        let cells: BinaryViewArray =
            [Some(&b"short"[..]), None, Some(long), Some(b""), None].into_iter().collect();
        let fields = vec![
            Field::new("v", DataType::BinaryView, true),
            Field::new("origin", DataType::UInt32, false),
            Field::new("g", DataType::UInt64, false),
        ];
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(cells),
            Arc::new(UInt32Array::from(vec![1, 2, 3, 4, 5])),
            Arc::new(UInt64Array::from(vec![9, 8, 7, 6, 5])),
        ];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    fn through(batch: RecordBatch) -> RecordBatch {
        // SAFETY: made by `of`.
        unsafe { Passed::of(batch).unwrap().open() }.unwrap()
    }

    #[test]
    fn batches_come_through() {
        let whole = batch();
        for (offset, length) in [(0, 5), (1, 4), (2, 1), (4, 1), (3, 0)] {
            let part = whole.slice(offset, length);
            assert_eq!(through(part.clone()), part, "{offset} {length}");
        }
        let bare = RecordBatch::try_new_with_options(
            Arc::new(Schema::empty()),
            vec![],
            &RecordBatchOptions::new().with_row_count(Some(3)),
        )
        .unwrap();
        assert_eq!(through(bare.clone()), bare);
    }

    #[test]
    fn the_sender_s_buffers_live_as_long_as_they_are_used() {
        let weak = Arc::new(UInt64Array::from(vec![7; 1000]));
        let schema = Schema::new(vec![Field::new("g", DataType::UInt64, false)]);
        let sent = RecordBatch::try_new(Arc::new(schema), vec![weak.clone()]).unwrap();
        let got = through(sent);
        assert_eq!(Arc::strong_count(&weak), 2);
        let column = got.column(0).slice(10, 2);
        drop(got);
        assert_eq!(column.as_primitive::<UInt64Type>().values(), &[7, 7]);
        drop(column);
        assert_eq!(Arc::strong_count(&weak), 1);
        drop(Passed::of(batch()).unwrap());
        assert!(!Passed::NONE.is_some());
    }

    #[test]
    fn other_columns_are_refused() {
        let schema = Schema::new(vec![Field::new("x", DataType::Int8, false)]);
        let odd =
            RecordBatch::try_new(Arc::new(schema), vec![Arc::new(arrow_array::Int8Array::from(vec![1]))]);
        assert!(Passed::of(odd.unwrap()).is_err());
    }
}
