//! The one place that knows how programs look as bytes: bincode 2 with fixed-width little-endian
//! integers, behind a size limit.

use crate::spec::ChainSpec;

/// The most bytes a decoder is willing to hold: far above any honest program.
const LIMIT: usize = 1 << 30;

fn config() -> impl bincode::config::Config {
    bincode::config::legacy().with_limit::<LIMIT>()
}

/// A program as bytes.
pub fn encode_chain(chain: &ChainSpec) -> Result<Vec<u8>, String> {
    bincode::serde::encode_to_vec(chain, config()).map_err(|e| e.to_string())
}

/// A program from bytes; anything but exactly one program is an error.
pub fn decode_chain(bytes: &[u8]) -> Result<ChainSpec, String> {
    match bincode::serde::decode_from_slice(bytes, config()) {
        Ok((chain, used)) if used == bytes.len() => Ok(chain),
        Ok((_, used)) => Err(format!("{} bytes after the program's end", bytes.len() - used)),
        Err(error) => Err(error.to_string()),
    }
}
