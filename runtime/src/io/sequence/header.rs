//! The header of a sequence file, and how its classes of keys and values hold their bytes.

use std::io;

use super::codec::Codec;
use super::input::{Input, bad, extra, fixed, variable_of};
use super::{BYTES, MAGIC, MARKER};

/// What the header says.
pub(super) struct Header {
    pub(super) marker: [u8; MARKER],
    pub(super) classes: (Class, Class),
    pub(super) codec: Option<Codec>,
    pub(super) blocks: bool,
}

impl Header {
    /// Reads the header; `None`: the file does not begin as one.
    pub(super) fn read(input: &mut Input) -> io::Result<Option<Header>> {
        if !input.has(MAGIC.len())? || input.take(3)? != &MAGIC[..3] {
            return Ok(None);
        }
        let version = input.take(1)?[0];
        if !(5..=MAGIC[3]).contains(&version) {
            return Err(bad(&format!("version {version} of the format, which is not read")));
        }
        let classes = (Class::of(&input.text()?), Class::of(&input.text()?));
        let (compressed, blocks) = (input.flag()?, input.flag()?);
        let codec = if compressed {
            let class = input.text()?;
            let known = Codec::of_class(&class);
            Some(known.ok_or_else(|| bad(&format!("the compression {class}, which is not read")))?)
        } else {
            None
        };
        if version >= 6 {
            for _ in 0..input.int()? {
                input.text()?;
                input.text()?;
            }
        }
        let marker = fixed(input.take(MARKER)?)?;
        Ok(Some(Header { marker, classes, codec, blocks }))
    }
}

/// How the bytes of a key or value are found in what its class wrote.
#[derive(Clone, Copy)]
pub(super) enum Class {
    /// After their length.
    Bytes,
    /// After their length, of variable size.
    Text,
    /// As they are.
    Other,
}

impl Class {
    pub(super) fn of(name: &str) -> Class {
        match name {
            BYTES => Class::Bytes,
            "org.apache.hadoop.io.Text" => Class::Text,
            _ => Class::Other,
        }
    }

    pub(super) fn content(self, written: &[u8]) -> io::Result<Vec<u8>> {
        let rest = match self {
            Class::Other => return Ok(written.to_vec()),
            Class::Bytes => written.get(4..),
            Class::Text => written.first().and_then(|&first| written.get(1 + extra(first)..)),
        };
        let rest = rest.ok_or_else(|| bad("a value without its length"))?;
        let length = match self {
            Class::Bytes => i64::from(i32::from_be_bytes(fixed(&written[..4])?)),
            _ => variable_of(written[0], &written[1..1 + extra(written[0])]),
        };
        let content = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        content.map(<[u8]>::to_vec).ok_or_else(|| bad("a value shorter than its length"))
    }
}
