//! Bounds how deep nested plan data may go while it is decoded: bytes from outside must not be able to
//! use up the stack.

use std::cell::Cell;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Deeper than any honest plan.
const DEEPEST: u32 = 80;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Decodes a value that may contain values of its own kind.
pub fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    let depth = DEPTH.get() + 1;
    if depth > DEEPEST {
        return Err(D::Error::custom("nested too deep"));
    }
    DEPTH.set(depth);
    let value = T::deserialize(from);
    DEPTH.set(depth - 1);
    value
}
