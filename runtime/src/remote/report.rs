//! How a task's error travels as text, and how kept blocks become rows again.

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use nestflow_batch::block::BlockHeader;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::executor::kept_batch;

const ORIGIN: &str = "a kept dataset";

/// An error as JSON: `kind`, `message`, and for an exception of the user all that is known of it.
pub fn failure(error: &Error) -> String {
    let mut failure = json!({"kind": error.kind(), "message": error.to_string(), "step": error.step()});
    if let (Error::User(user), Some(fields)) = (error, failure.as_object_mut()) {
        let pickled = user.pickled.as_ref().map_or(Value::Null, |bytes| Value::String(hex(bytes)));
        fields.insert("pickled".into(), pickled);
        for (name, text) in [("class", &user.class), ("traceback", &user.traceback), ("record", &user.record)]
        {
            fields.insert(name.into(), Value::String(text.clone()));
        }
    }
    failure.to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Blocks, each of them with its length as four bytes in front, most significant first.
pub(super) fn blocks(bytes: &[u8]) -> Result<Vec<&[u8]>> {
    let cut_off = || Error::Data("the blocks of a result are cut off".into());
    let mut blocks = Vec::new();
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let (block, after) = after.split_at_checked(length).ok_or_else(cut_off)?;
        blocks.push(block);
        rest = after;
    }
    if rest.is_empty() { Ok(blocks) } else { Err(cut_off()) }
}

/// The batches of a kept dataset, in order, from its blocks in any order.
pub fn rows_of(bytes: &[u8], depth: u32) -> Result<Vec<RecordBatch>> {
    let mut blocks = blocks(bytes)?
        .into_iter()
        .map(|block| match BlockHeader::read(block, ORIGIN) {
            Ok((header, _)) => Ok(((header.producer, header.sequence), block)),
            Err(error) => Err(Error::Data(error.to_string())),
        })
        .collect::<Result<Vec<_>>>()?;
    blocks.sort_by_key(|(order, _)| *order);
    blocks.into_iter().map(|(_, block)| kept_batch(&Buffer::from(block), depth, ORIGIN)).collect()
}

/// What the client is told and tells, as far as it is JSON, is made by ourselves.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        Error::Internal(format!("a description cannot be read or written: {error}"))
    }
}
