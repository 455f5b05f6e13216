//! Literal data inside a plan.

use std::hash::{Hash, Hasher};

use arrow::buffer::Buffer;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// A block of literal data (`docs/block-format.md`), shared by all that hold it.
///
/// It can be as large as memory, and a plan is read and passed on at each run: so it is read in one
/// piece, where a `Vec<u8>` would be read byte by byte (the encoded form is the same), and a clone
/// of it holds the same bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal(pub Buffer);

impl Eq for Literal {}

impl Hash for Literal {
    /// Its beginning is enough to tell most apart, and all of it would cost as much as reading it.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes = self.0.as_slice();
        bytes.len().hash(state);
        bytes[..bytes.len().min(256)].hash(state);
    }
}

impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Literal, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Literal;

            fn expecting(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                form.write_str("the bytes of a block")
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Literal, E> {
                Ok(Literal(Buffer::from_vec(bytes)))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Literal, E> {
                self.visit_byte_buf(bytes.to_vec())
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}
