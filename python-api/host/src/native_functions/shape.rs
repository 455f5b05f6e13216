//! What a library says of its types, as far as JSON is written and read by it.
//!
//! Made by `nestflow/native/shapes.py`, the only place that understands JSON Schema. Types may contain
//! themselves, so they refer to each other by number.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// Kinds of JSON values, as bits; no bit at all means that nothing is known.
pub(crate) mod kind {
    pub(crate) const NULL: u8 = 1;
    pub(crate) const BOOLEAN: u8 = 2;
    pub(crate) const INTEGER: u8 = 4;
    pub(crate) const NUMBER: u8 = 8;
    pub(crate) const STRING: u8 = 16;
    pub(crate) const ARRAY: u8 = 32;
    pub(crate) const OBJECT: u8 = 64;
}

/// The type of a value.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Shape {
    pub(crate) kinds: u8,
    /// Of the items of an array.
    pub(crate) items: Option<usize>,
    pub(crate) fields: Vec<Field>,
    /// Of what is in an object besides its fields.
    pub(crate) rest: Option<usize>,
    /// Whether an object has nothing besides its fields.
    pub(crate) closed: bool,
    /// Whether the keys of an object are integers to Python.
    pub(crate) integer_keys: bool,
    /// Whether a string stands for bytes.
    pub(crate) base64: bool,
    /// The only strings that there are; empty for any.
    pub(crate) choices: Vec<String>,
}

/// A field of an object.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The same, as the key of a dict.
    pub(crate) key: Py<PyString>,
    pub(crate) shape: usize,
    pub(crate) required: bool,
}

/// Types that refer to each other; the first is that of the whole.
#[derive(Default)]
pub(crate) struct Shapes(Vec<Shape>);

impl Shapes {
    /// From the list that Python made; none is no knowledge.
    pub(crate) fn new(shapes: Option<Vec<Shape>>) -> Shapes {
        Shapes(shapes.unwrap_or_default())
    }

    /// The type of the whole, if anything is known of it.
    pub(crate) fn whole(&self) -> Option<&Shape> {
        self.0.first()
    }

    /// A type that another one refers to.
    pub(crate) fn at(&self, number: Option<usize>) -> Option<&Shape> {
        self.0.get(number?)
    }
}

impl Shape {
    pub(crate) fn allows(&self, kinds: u8) -> bool {
        self.kinds == 0 || self.kinds & kinds != 0
    }

    /// The field of this name; `expected` is where it is likely to be.
    pub(crate) fn field(&self, name: &str, expected: usize) -> Option<(usize, &Field)> {
        if let Some(field) = self.fields.get(expected).filter(|field| field.name == name) {
            return Some((expected, field));
        }
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// What the value may be, in words.
    pub(crate) fn wanted(&self) -> String {
        let words = [
            (kind::BOOLEAN, "a bool"),
            (kind::INTEGER, "an int"),
            (kind::NUMBER, "a number"),
            (kind::STRING, if self.base64 { "bytes" } else { "a str" }),
            (kind::ARRAY, "a list"),
            (kind::OBJECT, "a dict"),
            (kind::NULL, "None"),
        ];
        let words: Vec<_> =
            words.iter().filter(|(bit, _)| self.kinds & bit != 0).map(|(_, word)| *word).collect();
        words.join(" or ")
    }
}
