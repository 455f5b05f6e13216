//! Compression inside sequence files: zlib and gzip, which need no library of Hadoop's.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// What compressed the values, or blocks, of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// `DefaultCodec` and `DeflateCodec`.
    Zlib,
    /// `GzipCodec`.
    Gzip,
}

impl Codec {
    /// The codec of this Java class; `None`: another one.
    pub(super) fn of_class(class: &str) -> Option<Codec> {
        match class.strip_prefix("org.apache.hadoop.io.compress.")? {
            "DefaultCodec" | "DeflateCodec" => Some(Codec::Zlib),
            "GzipCodec" => Some(Codec::Gzip),
            _ => None,
        }
    }

    /// What was compressed; more than `most` bytes are an error.
    pub(super) fn unpacked(self, packed: &[u8], most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = match self {
            Codec::Zlib => ZlibDecoder::new(packed).take(most + 1).read_to_end(&mut bytes),
            Codec::Gzip => MultiGzDecoder::new(packed).take(most + 1).read_to_end(&mut bytes),
        }?;
        if read as u64 > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it unpacks to more than fits"));
        }
        Ok(bytes)
    }
}
