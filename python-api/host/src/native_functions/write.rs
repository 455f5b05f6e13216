//! From Python objects to JSON, checked against the type that the library describes on the way.
//!
//! Common types are told by identity; whatever else there is (dataclasses, named tuples, values of
//! NumPy) is first made plain by `nestflow/native/plain.py`.

use std::io::Write;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use super::shape::{Field, Shape, Shapes, kind};

/// Containers inside containers, at most: what contains itself ends here.
pub(crate) const DEEPEST: usize = 256;

/// Why an object has no JSON.
pub(crate) enum Misfit {
    /// What is wrong, and the way to it, from the inside out.
    Told(String, Vec<String>),
    Raised(PyErr),
}

impl From<PyErr> for Misfit {
    fn from(error: PyErr) -> Self {
        Misfit::Raised(error)
    }
}

impl Misfit {
    fn told(text: impl Into<String>) -> Misfit {
        Misfit::Told(text.into(), Vec::new())
    }

    fn inside(self, step: impl FnOnce() -> String) -> Misfit {
        match self {
            Misfit::Told(text, mut path) => {
                path.push(step());
                Misfit::Told(text, path)
            }
            raised => raised,
        }
    }

    /// The exception that the user is to see.
    pub(crate) fn raise(self, function: &str) -> PyErr {
        match self {
            Misfit::Raised(error) => error,
            Misfit::Told(text, path) => {
                let path: String = path.into_iter().rev().collect();
                PyTypeError::new_err(format!("{function}: argument{path} {text}"))
            }
        }
    }
}

/// Writes objects of a type.
pub(crate) struct Writer<'a> {
    shapes: &'a Shapes,
    out: &'a mut Vec<u8>,
    depth: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(shapes: &'a Shapes, out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer { shapes, out, depth: 0 }
    }

    /// Appends the JSON of an object.
    pub(crate) fn put(&mut self, value: &Bound<'_, PyAny>, shape: Option<&Shape>) -> Result<(), Misfit> {
        if let Ok(text) = value.cast_exact::<PyString>() {
            return self.text(text, shape);
        } else if let Ok(number) = value.cast_exact::<PyFloat>() {
            return self.float(number, shape);
        } else if let Ok(number) = value.cast_exact::<PyInt>() {
            check(shape, kind::INTEGER | kind::NUMBER, value)?;
            return self.int(number);
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            check(shape, kind::OBJECT, value)?;
            return self.nested(|writer| writer.dict(dict, shape));
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            check(shape, kind::ARRAY, value)?;
            return self.nested(|writer| writer.list(list.iter(), shape));
        } else if value.is_none() {
            check(shape, kind::NULL, value)?;
            self.out.extend_from_slice(b"null");
            return Ok(());
        } else if let Ok(truth) = value.cast_exact::<PyBool>() {
            check(shape, kind::BOOLEAN, value)?;
            self.out.extend_from_slice(if truth.is_true() { b"true" } else { b"false" });
            return Ok(());
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            check(shape, kind::ARRAY, value)?;
            return self.nested(|writer| writer.list(tuple.iter(), shape));
        } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
            check(shape, kind::STRING, value)?;
            return self.bytes(bytes);
        }
        let plain = value.py().import(intern!(value.py(), "nestflow.native.plain"))?;
        let plain = plain.getattr(intern!(value.py(), "plain"))?.call1((value,))?;
        self.nested(|writer| writer.put(&plain, shape))
    }

    fn nested(&mut self, put: impl FnOnce(&mut Self) -> Result<(), Misfit>) -> Result<(), Misfit> {
        if self.depth == DEEPEST {
            return Err(Misfit::told(format!(
                "is nested more than {DEEPEST} levels deep, or contains itself"
            )));
        }
        self.depth += 1;
        put(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn list<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        shape: Option<&Shape>,
    ) -> Result<(), Misfit> {
        let of_items = shape.and_then(|shape| self.shapes.at(shape.items));
        self.out.push(b'[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.put(&item, of_items).map_err(|misfit| misfit.inside(|| format!("[{index}]")))?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>, shape: Option<&Shape>) -> Result<(), Misfit> {
        self.out.push(b'{');
        let start = self.out.len();
        let (mut expected, mut required) = (0, 0);
        for (key, value) in dict.iter() {
            let text = key.cast::<PyString>().ok();
            let name = text.map(|text| text.to_str()).transpose()?;
            let mut of_value = shape.and_then(|shape| self.shapes.at(shape.rest));
            if let (Some(shape), Some(name)) = (shape, name) {
                if let Some((at, field)) = shape.field(name, expected) {
                    expected = at + 1;
                    of_value = self.shapes.at(Some(field.shape));
                    if value.is_none() && self.leaves_out(field) {
                        continue;
                    }
                    required += usize::from(field.required);
                } else if shape.closed {
                    return Err(Misfit::told(format!("has no field {name:?}{}", among(shape))));
                }
            }
            if self.out.len() > start {
                self.out.push(b',');
            }
            match name {
                Some(name) => self.string(name),
                None => self.key(&key)?,
            }
            self.out.push(b':');
            self.put(&value, of_value).map_err(|misfit| misfit.inside(|| step(&key)))?;
        }
        self.out.push(b'}');
        match shape {
            Some(shape) => complete(dict, shape, required),
            None => Ok(()),
        }
    }

    /// Whether the field is absent where it is `None`: what Go's `omitempty` reads.
    fn leaves_out(&self, field: &Field) -> bool {
        !field.required && self.shapes.at(Some(field.shape)).is_some_and(|shape| !shape.allows(kind::NULL))
    }

    /// A key that is no text: JSON has only texts.
    fn key(&mut self, key: &Bound<'_, PyAny>) -> Result<(), Misfit> {
        let Ok(number) = key.cast::<PyInt>() else {
            return Err(Misfit::told(format!("has a key of type {}, JSON knows str and int", class(key))));
        };
        if number.is_instance_of::<PyBool>() {
            return Err(Misfit::told("has a key of type bool, JSON knows str and int"));
        }
        self.out.push(b'"');
        self.int(number)?;
        self.out.push(b'"');
        Ok(())
    }

    fn text(&mut self, text: &Bound<'_, PyString>, shape: Option<&Shape>) -> Result<(), Misfit> {
        check(shape, kind::STRING, text)?;
        let text =
            text.to_str().map_err(|_| Misfit::told("has half of a surrogate pair, which is no text"))?;
        if let Some(shape) = shape.filter(|shape| !shape.choices.is_empty())
            && !shape.choices.iter().any(|choice| choice == text)
        {
            return Err(Misfit::told(format!("has to be one of {}, not {text:?}", shape.choices.join(", "))));
        }
        self.string(text);
        Ok(())
    }

    fn string(&mut self, text: &str) {
        self.out.push(b'"');
        let bytes = text.as_bytes();
        let mut done = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.out.extend_from_slice(&bytes[done..index]);
            done = index + 1;
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                _ => self.format(format_args!("\\u{byte:04x}")),
            }
        }
        self.out.extend_from_slice(&bytes[done..]);
        self.out.push(b'"');
    }

    fn float(&mut self, number: &Bound<'_, PyFloat>, shape: Option<&Shape>) -> Result<(), Misfit> {
        let value = number.value();
        if !value.is_finite() {
            return Err(Misfit::told(format!("is {value}, which JSON does not have")));
        }
        if shape.is_some_and(|shape| !shape.allows(kind::NUMBER)) {
            // 3.0 is an integer to JSON Schema, but not to those who read "3.0" into one.
            if value.fract() != 0.0 || value.abs() >= 1e18 {
                check(shape, kind::NUMBER, number)?;
            }
            check(shape, kind::INTEGER, number)?;
            self.format(format_args!("{}", value as i64));
        } else {
            self.format(format_args!("{value:?}"));
        }
        Ok(())
    }

    fn int(&mut self, number: &Bound<'_, PyInt>) -> Result<(), Misfit> {
        match number.extract::<i64>() {
            Ok(value) => self.format(format_args!("{value}")),
            Err(_) => self.out.extend_from_slice(
                number
                    .call_method0(intern!(number.py(), "__repr__"))?
                    .cast::<PyString>()
                    .map_err(PyErr::from)?
                    .to_str()?
                    .as_bytes(),
            ),
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &Bound<'_, PyBytes>) -> Result<(), Misfit> {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        self.out.push(b'"');
        for part in bytes.as_bytes().chunks(3) {
            let word =
                part.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
            for digit in 0..4 {
                let index = (word >> (18 - 6 * digit)) as usize & 63;
                self.out.push(if digit <= part.len() { DIGITS[index] } else { b'=' });
            }
        }
        self.out.push(b'"');
        Ok(())
    }

    fn format(&mut self, arguments: std::fmt::Arguments<'_>) {
        // A vector takes everything.
        let _ = self.out.write_fmt(arguments);
    }
}

fn check(shape: Option<&Shape>, kinds: u8, value: &Bound<'_, PyAny>) -> Result<(), Misfit> {
    match shape {
        Some(shape) if !shape.allows(kinds) => {
            Err(Misfit::told(format!("has to be {}, not {}", shape.wanted(), class(value))))
        }
        _ => Ok(()),
    }
}

fn complete(dict: &Bound<'_, PyDict>, shape: &Shape, seen: usize) -> Result<(), Misfit> {
    if shape.fields.iter().filter(|field| field.required).count() == seen {
        return Ok(());
    }
    for field in shape.fields.iter().filter(|field| field.required) {
        if !dict.contains(field.key.bind(dict.py()))? {
            return Err(Misfit::told(format!("lacks the field {:?}", field.name)));
        }
    }
    Ok(())
}

fn among(shape: &Shape) -> String {
    let names: Vec<_> = shape.fields.iter().map(|field| field.name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!(", only {}", names.join(", ")) }
}

fn step(key: &Bound<'_, PyAny>) -> String {
    key.repr().map_or_else(|_| "[…]".to_owned(), |text| format!("[{text}]"))
}

fn class(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "?".to_owned(), |name| name.to_string())
}
