//! The only file that knows plan bytes: bincode 2 (serde mode) with fixed-width little-endian
//! integers behind a version word and a size limit. Its Python twin is `nestflow/plan/encode.py`;
//! `docs/plan-format.md` describes every byte.

use serde::{Serialize, de::DeserializeOwned};

use super::logical::LogicalPlan;
use super::stage::Stage;
use crate::error::{Error, Result};

/// First bytes of every encoded plan: `NFP` and the format's version.
pub const MAGIC: [u8; 4] = *b"NFP\x01";
/// First bytes of every encoded stage.
pub const STAGE_MAGIC: [u8; 4] = *b"NFS\x01";
/// First bytes of what a task is told besides.
pub const PART_MAGIC: [u8; 4] = *b"NFT\x01";
/// The most memory that a decoder reserves; literal data of a plan counts.
const LIMIT: usize = 1 << 32;

fn config() -> impl bincode::config::Config {
    bincode::config::legacy().with_limit::<LIMIT>()
}

fn decode<T: DeserializeOwned>(magic: [u8; 4], what: &str, bytes: &[u8]) -> Result<T> {
    let body = bytes
        .strip_prefix(&magic)
        .ok_or_else(|| Error::Plan(format!("these are not {what} bytes of this version of nestflow")))?;
    match bincode::serde::decode_from_slice(body, config()) {
        Ok((value, used)) if used == body.len() => Ok(value),
        Ok((_, used)) => Err(Error::Plan(format!("{} bytes after the end of the {what}", body.len() - used))),
        Err(error) => Err(Error::Plan(format!("damaged {what} bytes: {error}"))),
    }
}

fn encode<T: Serialize>(magic: [u8; 4], value: &T) -> Result<Vec<u8>> {
    let mut bytes = magic.to_vec();
    let body = bincode::serde::encode_to_vec(value, config()).map_err(|e| Error::Internal(e.to_string()))?;
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// A logical plan from the bytes that Python made.
pub fn decode_plan(bytes: &[u8]) -> Result<LogicalPlan> {
    decode(MAGIC, "plan", bytes)
}

/// A logical plan as bytes.
pub fn encode_plan(plan: &LogicalPlan) -> Result<Vec<u8>> {
    encode(MAGIC, plan)
}

/// A stage from bytes.
pub fn decode_stage(bytes: &[u8]) -> Result<Stage> {
    decode(STAGE_MAGIC, "stage", bytes)
}

/// A stage as the bytes that a task is given.
pub fn encode_stage(stage: &Stage) -> Result<Vec<u8>> {
    encode(STAGE_MAGIC, stage)
}

/// What a task of another process is told, from bytes.
pub fn decode_part<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    decode(PART_MAGIC, "task", bytes)
}

/// What a task of another process is told, as bytes.
pub fn encode_part<T: Serialize>(part: &T) -> Result<Vec<u8>> {
    encode(PART_MAGIC, part)
}
