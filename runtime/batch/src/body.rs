//! The columns of a block as an Arrow IPC record batch message, and back.
//!
//! Arrow's reader trusts lengths in the message and panics on some; all of them are checked here
//! first. Only column types of one or two buffers are let in: what nestflow stores, and no more
//! than can be checked.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use arrow_ipc::{CompressionType, MetadataVersion};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};

use crate::block::BlockError;
use crate::gather::{push, room_for};
use crate::view_column::column_of;

/// Buffers of the message start at multiples of this, and so do blocks written one after another.
const ALIGNMENT: usize = 8;
/// LZ4 cannot shrink data further than about this.
const LZ4_RATIO: u64 = 256;

/// The three parts of a block's body.
pub(crate) struct Written<P, D> {
    /// Bitmap of the columns that are written.
    pub(crate) present: P,
    /// The IPC message, a flatbuffer, padded.
    pub(crate) message: P,
    /// The buffers that the message describes.
    pub(crate) data: D,
}

/// Writes the columns that hold any value.
pub(crate) fn write(batch: &RecordBatch, compression: bool) -> Result<Written<Vec<u8>, Vec<u8>>, BlockError> {
    let schema = batch.schema();
    let mut present = vec![0; schema.fields().len().div_ceil(64) * 8];
    let mut columns = Vec::new();
    for (index, column) in batch.columns().iter().enumerate() {
        if !fits(column.data_type()) {
            let (name, kind) = (schema.field(index).name(), column.data_type());
            return Err(BlockError::Unfit(format!("column {name} has the type {kind}")));
        }
        if column.null_count() < column.len() {
            present[index / 8] |= 1 << (index % 8);
            columns.push(to_wire(column)?);
        }
    }
    if columns.is_empty() {
        return Ok(Written { present, message: Vec::new(), data: Vec::new() });
    }
    let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?
        .try_with_compression(compression.then_some(CompressionType::LZ4_FRAME))?;
    let wire = RecordBatch::try_new(wire_schema(&schema, &present), columns)?;
    let (_, encoded) = IpcDataGenerator::default().encode(
        &wire,
        &mut DictionaryTracker::new(true),
        &options,
        &mut Default::default(),
    )?;
    let (mut message, mut data) = (encoded.ipc_message, encoded.arrow_data);
    message.resize(message.len().next_multiple_of(ALIGNMENT), 0);
    data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
    Ok(Written { present, message, data })
}

/// Reads what [`write`] wrote; the error is what is wrong with it.
pub(crate) fn read(
    body: &Written<&[u8], Buffer>,
    schema: &SchemaRef,
    rows: usize,
    compressed: bool,
) -> Result<RecordBatch, String> {
    if let Some(field) = schema.fields().iter().find(|field| !fits(field.data_type())) {
        return Err(format!("column {} has the type {}", field.name(), field.data_type()));
    }
    let wire = wire_schema(schema, body.present);
    if wire.fields().len() as u32 != body.present.iter().map(|byte| byte.count_ones()).sum::<u32>() {
        return Err("holds columns that the schema does not have".to_owned());
    }
    let mut wired =
        if wire.fields().is_empty() { Vec::new() } else { read_message(body, wire, rows, compressed)? }
            .into_iter();
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        if is_present(body.present, index) {
            wired.next().map(|column| from_wire(column, field))
        } else {
            None
        }
        .unwrap_or_else(|| Ok(new_null_array(field.data_type(), rows)))
    });
    let columns = columns.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| error.to_string())
}

fn read_message(
    body: &Written<&[u8], Buffer>,
    wire: SchemaRef,
    rows: usize,
    compressed: bool,
) -> Result<Vec<ArrayRef>, String> {
    // A copy, because the flatbuffer has to be aligned, wherever the block lies in a file.
    let message = Buffer::from(body.message);
    let message = arrow_ipc::root_as_message(&message).map_err(|error| error.to_string())?;
    let batch = message.header_as_record_batch().ok_or("holds no record batch")?;
    check(&batch, &body.data, &wire, rows, compressed)?;
    let dictionaries = HashMap::new();
    let version = message.version();
    RecordBatchDecoder::try_new(&body.data, batch, wire, &dictionaries, &version)
        .and_then(RecordBatchDecoder::read_record_batch)
        .map(|batch| batch.columns().to_vec())
        .map_err(|error| error.to_string())
}

/// Checks every length that Arrow's reader would take on trust.
fn check(
    batch: &arrow_ipc::RecordBatch<'_>,
    data: &[u8],
    wire: &Schema,
    rows: usize,
    compressed: bool,
) -> Result<(), String> {
    let right_codec = match batch.compression() {
        Some(compression) => compressed && compression.codec() == CompressionType::LZ4_FRAME,
        None => !compressed,
    };
    if !right_codec {
        return Err("compression is not what the header says".to_owned());
    }
    let nodes = batch.nodes().ok_or("has no columns")?;
    let lengths = nodes
        .iter()
        .all(|node| node.length() == rows as i64 && (0..=rows as i64).contains(&node.null_count()));
    if batch.length() != rows as i64 || nodes.len() != wire.fields().len() || !lengths {
        return Err("columns are not as long as the header says".to_owned());
    }
    if batch.variadicBufferCounts().is_some_and(|counts| !counts.is_empty()) {
        return Err("holds buffers that no column has".to_owned());
    }
    let mut buffers = batch.buffers().ok_or("has no buffers")?.iter();
    for (field, node) in wire.fields().iter().zip(nodes) {
        for (least, unit) in layout(field.data_type(), rows, node.null_count() > 0) {
            let buffer = buffers.next().ok_or("has too few buffers")?;
            let held = held_len(buffer, data, compressed).ok_or("has a buffer of an impossible length")?;
            if held < least as u64 || held % unit as u64 != 0 {
                return Err(format!("column {} has a buffer of {held} bytes", field.name()));
            }
        }
    }
    match buffers.next() {
        Some(_) => Err("has too many buffers".to_owned()),
        None => Ok(()),
    }
}

/// The length of a buffer once it is decompressed; `None` if it does not lie in the data, or cannot
/// be that long. A compressed buffer begins with its length, or with -1 if it was left as it is.
fn held_len(buffer: &arrow_ipc::Buffer, data: &[u8], compressed: bool) -> Option<u64> {
    let (offset, length) = (usize::try_from(buffer.offset()).ok()?, usize::try_from(buffer.length()).ok()?);
    let bytes = data.get(offset..offset.checked_add(length)?)?;
    if !compressed || bytes.is_empty() {
        return Some(length as u64);
    }
    let (length, bytes) = bytes.split_first_chunk::<8>()?;
    match i64::from_le_bytes(*length) {
        -1 => Some(bytes.len() as u64),
        length => u64::try_from(length).ok().filter(|&length| length <= bytes.len() as u64 * LZ4_RATIO),
    }
}

/// What the buffers of a column must at least hold, and the size of one element: null bits, then
/// bits or values, or offsets and bytes of any length (Arrow checks offsets against them).
fn layout(kind: &DataType, rows: usize, nulls: bool) -> Vec<(usize, usize)> {
    let bits = rows.div_ceil(8);
    let null_bits = (if nulls { bits } else { 0 }, 1);
    let offsets = if rows > 0 { rows + 1 } else { 0 };
    match kind {
        DataType::Boolean => vec![null_bits, (bits, 1)],
        DataType::Binary | DataType::Utf8 => vec![null_bits, (offsets * 4, 4), (0, 1)],
        DataType::LargeBinary | DataType::LargeUtf8 => vec![null_bits, (offsets * 8, 8), (0, 1)],
        _ => {
            let width = kind.primitive_width().unwrap_or(1);
            vec![null_bits, (rows * width, width)]
        }
    }
}

/// Whether columns of the type can stand in a block.
fn fits(kind: &DataType) -> bool {
    kind.is_primitive()
        || matches!(
            kind,
            DataType::BinaryView
                | DataType::Boolean
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::Utf8
                | DataType::LargeUtf8
        )
}

/// The columns that are present, as they are written.
fn wire_schema(schema: &Schema, present: &[u8]) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().filter(|(index, _)| is_present(present, *index));
    Arc::new(Schema::new(fields.map(|(_, field)| wire_field(field)).collect::<Vec<_>>()))
}

/// A column as it is written: `Binary` for `BinaryView`.
pub(crate) fn wire_field(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::BinaryView => Arc::new(Field::new(field.name(), DataType::Binary, true)),
        _ => Arc::clone(field),
    }
}

fn is_present(present: &[u8], index: usize) -> bool {
    present.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
}

/// Gathers the values of views one after another: the buffers that they point into may be shared
/// with, and mostly used by, other batches.
fn to_wire(column: &ArrayRef) -> Result<ArrayRef, BlockError> {
    let Some(views) = column.as_binary_view_opt() else { return Ok(Arc::clone(column)) };
    let total: usize = views.lengths().map(|length| length as usize).sum();
    if i32::try_from(total).is_err() {
        return Err(BlockError::Unfit(format!("a column of {total} bytes, limit 2 GiB")));
    }
    let mut values = Vec::with_capacity(room_for(total));
    let mut offsets = Vec::with_capacity(views.len() + 1);
    offsets.push(0);
    push(&mut values, &mut offsets, views, 0..views.len());
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let array = BinaryArray::try_new(offsets, Buffer::from_vec(values), views.nulls().cloned())?;
    Ok(Arc::new(array))
}

/// Views over the values where they lie.
fn from_wire(column: ArrayRef, field: &Field) -> Result<ArrayRef, ArrowError> {
    match (field.data_type(), column.as_binary_opt::<i32>()) {
        (DataType::BinaryView, Some(binary)) => {
            // Arrow has checked the offsets.
            Ok(Arc::new(column_of(binary.values(), binary.value_offsets(), binary.nulls().cloned())))
        }
        _ => Ok(column),
    }
}
