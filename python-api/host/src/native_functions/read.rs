//! From JSON to Python objects, exactly: every number comes back as the one that was written.
//!
//! A text is read once, by the type that the library describes where it does: keys of maps become
//! integers, `3` becomes `3.0` where a number is meant. Must not be lenient: what is no JSON is an error.

use std::borrow::Cow;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};

use super::shape::{Shape, Shapes, kind};
use super::write::DEEPEST;

/// Reads one text.
pub(crate) struct Reader<'a, 'py> {
    py: Python<'py>,
    shapes: &'a Shapes,
    /// Whether objects whose keys are all integers get integers as keys where no type says so.
    integer_keys: bool,
    text: &'a str,
    at: usize,
    depth: usize,
}

/// What the text of a call holds: a value, and what went wrong.
pub(crate) type Answer<'py> = (Option<Bound<'py, PyAny>>, Option<String>);

impl<'a, 'py> Reader<'a, 'py> {
    pub(crate) fn new(
        py: Python<'py>,
        shapes: &'a Shapes,
        integer_keys: bool,
        text: &'a str,
    ) -> Reader<'a, 'py> {
        Reader { py, shapes, integer_keys, text, at: 0, depth: 0 }
    }

    /// The object of a text that holds one value.
    pub(crate) fn whole(mut self) -> PyResult<Bound<'py, PyAny>> {
        let value = self.value(self.shapes.whole())?;
        self.end()?;
        Ok(value)
    }

    /// Value and error of `{"value": …, "err": …}`.
    pub(crate) fn envelope(self) -> PyResult<Answer<'py>> {
        Ok(self.both()?.0)
    }

    /// The same, with the value as a text; nothing where it is null.
    pub(crate) fn inside(self) -> PyResult<(Option<String>, Option<String>)> {
        let ((value, err), text) = self.both()?;
        Ok((value.filter(|value| !value.is_none()).map(|_| text.to_owned()), err))
    }

    /// Value and error, and the text of the value.
    fn both(mut self) -> PyResult<(Answer<'py>, &'a str)> {
        let (mut value, mut err, mut text) = (None, None, "");
        self.skip();
        if self.next() != Some(b'{') {
            return Err(self.unexpected("an object with value and err"));
        }
        self.members(|reader, name| {
            match name {
                "value" => {
                    reader.skip();
                    let start = reader.at;
                    value = Some(reader.value(reader.shapes.whole())?);
                    text = &reader.text[start..reader.at];
                }
                "err" => {
                    err = reader.value(None)?.extract::<Option<String>>()?.filter(|text| !text.is_empty())
                }
                _ => drop(reader.value(None)?),
            }
            Ok(())
        })?;
        self.end()?;
        Ok(((value, err), text))
    }

    fn end(&mut self) -> PyResult<()> {
        self.skip();
        if self.at < self.text.len() { Err(self.unexpected("the end")) } else { Ok(()) }
    }

    fn value(&mut self, shape: Option<&Shape>) -> PyResult<Bound<'py, PyAny>> {
        self.skip();
        match self.peek() {
            Some(b'"') => self.string_value(shape),
            Some(b'-' | b'0'..=b'9') => self.number(shape),
            Some(b'{') => self.nested(|reader| reader.object(shape)),
            Some(b'[') => self.nested(|reader| reader.array(shape)),
            Some(b'n') => self.word("null", |py| py.None().into_bound(py)),
            Some(b't') => self.word("true", |py| PyBool::new(py, true).to_owned().into_any()),
            Some(b'f') => self.word("false", |py| PyBool::new(py, false).to_owned().into_any()),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn nested<R>(&mut self, read: impl FnOnce(&mut Self) -> PyResult<R>) -> PyResult<R> {
        if self.depth == DEEPEST {
            return Err(PyValueError::new_err(format!("nested more than {DEEPEST} levels deep")));
        }
        self.depth += 1;
        self.at += 1;
        let done = read(self)?;
        self.depth -= 1;
        Ok(done)
    }

    fn array(&mut self, shape: Option<&Shape>) -> PyResult<Bound<'py, PyAny>> {
        let of_items = shape.and_then(|shape| self.shapes.at(shape.items));
        let list = PyList::empty(self.py);
        self.skip();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(list.into_any());
        }
        loop {
            list.append(self.value(of_items)?)?;
            self.skip();
            match self.next() {
                Some(b',') => {}
                Some(b']') => return Ok(list.into_any()),
                _ => return Err(self.unexpected("',' or ']'")),
            }
        }
    }

    fn object(&mut self, shape: Option<&Shape>) -> PyResult<Bound<'py, PyAny>> {
        let dict = PyDict::new(self.py);
        let integer_keys = shape.is_some_and(|shape| shape.integer_keys);
        let mut expected = 0;
        self.members(|reader, name| {
            if let Some((at, field)) = shape.and_then(|shape| shape.field(name, expected)) {
                expected = at + 1;
                let value = reader.value(reader.shapes.at(Some(field.shape)))?;
                return dict.set_item(&field.key, value);
            }
            let value = reader.value(shape.and_then(|shape| reader.shapes.at(shape.rest)))?;
            match integer_keys.then(|| name.parse::<i128>()) {
                Some(Ok(number)) => dict.set_item(number, value),
                _ => dict.set_item(name, value),
            }
        })?;
        if self.integer_keys && shape.is_none_or(|shape| shape.fields.is_empty()) {
            return self.with_integers(dict);
        }
        Ok(dict.into_any())
    }

    /// The same dict with integers as keys, if all of them are some.
    fn with_integers(&self, dict: Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let whole = PyDict::new(self.py);
        for (key, value) in dict.iter() {
            let Ok(text) = key.cast::<PyString>() else { return Ok(dict.into_any()) };
            let text = text.to_str()?;
            match text.parse::<i128>() {
                // Only what an integer is written as: not "+1" or "007".
                Ok(number) if number.to_string() == text => whole.set_item(number, value)?,
                _ => return Ok(dict.into_any()),
            }
        }
        Ok(whole.into_any())
    }

    /// Goes through the members of an object, from behind its brace to behind the other one.
    fn members(&mut self, mut each: impl FnMut(&mut Self, &str) -> PyResult<()>) -> PyResult<()> {
        self.skip();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key"));
            }
            let name = self.string()?;
            self.skip();
            if self.next() != Some(b':') {
                return Err(self.unexpected("':'"));
            }
            each(self, &name)?;
            self.skip();
            match self.next() {
                Some(b',') => {}
                Some(b'}') => return Ok(()),
                _ => return Err(self.unexpected("',' or '}'")),
            }
        }
    }

    fn string_value(&mut self, shape: Option<&Shape>) -> PyResult<Bound<'py, PyAny>> {
        let text = self.string()?;
        if shape.is_some_and(|shape| shape.base64) {
            let decode =
                self.py.import(intern!(self.py, "base64"))?.getattr(intern!(self.py, "b64decode"))?;
            return decode.call1((text,));
        }
        Ok(PyString::new(self.py, &text).into_any())
    }

    /// A text in quotes; most are borrowed.
    fn string(&mut self) -> PyResult<Cow<'a, str>> {
        self.at += 1;
        let (text, start) = (self.text, self.at);
        let bytes = text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text[start..self.at - 1].into());
                }
                Some(b'\\') => return self.escaped(start).map(Into::into),
                Some(byte) if *byte >= 0x20 => self.at += 1,
                _ => return Err(self.unexpected("the end of a text")),
            }
        }
    }

    /// A text with escapes, of which the part from `start` to here has none.
    fn escaped(&mut self, start: usize) -> PyResult<String> {
        let mut text = self.text[start..self.at].to_owned();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ');
            let plain = plain.ok_or_else(|| self.unexpected("the end of a text"))?;
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.next() {
                Some(b'"') => return Ok(text),
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.unexpected("the end of a text")),
            }
        }
    }

    fn escape(&mut self) -> PyResult<char> {
        Ok(match self.next() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.hex()?;
                if let Some(found) = char::from_u32(first) {
                    return Ok(found);
                }
                let second = if self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    self.hex()?
                } else {
                    0
                };
                let pair = char::decode_utf16([first as u16, second as u16]).next();
                pair.and_then(Result::ok).ok_or_else(|| self.unexpected("both halves of a surrogate pair"))?
            }
            _ => return Err(self.unexpected("an escape")),
        })
    }

    fn hex(&mut self) -> PyResult<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or_default();
        if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(self.unexpected("four digits"));
        }
        let digits = &self.text[self.at..self.at + 4];
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.unexpected("four digits"))
    }

    fn number(&mut self, shape: Option<&Shape>) -> PyResult<Bound<'py, PyAny>> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let first = self.at;
        let digits = self.digits()?;
        if digits > 1 && self.text.as_bytes()[first] == b'0' {
            return Err(self.unexpected("a number without leading zeros"));
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let is_float = shape.is_some_and(|shape| shape.allows(kind::NUMBER) && !shape.allows(kind::INTEGER));
        if !whole || is_float {
            let number: f64 = text.parse().map_err(|_| self.unexpected("a number"))?;
            return Ok(PyFloat::new(self.py, number).into_any());
        }
        match text.parse::<i64>() {
            Ok(number) => Ok(number.into_pyobject(self.py)?.into_any()),
            Err(_) => self.py.get_type::<PyInt>().call1((text,)),
        }
    }

    /// How many digits there are; at least one.
    fn digits(&mut self) -> PyResult<usize> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected("a digit")) } else { Ok(self.at - start) }
    }

    fn word(
        &mut self,
        word: &str,
        value: impl FnOnce(Python<'py>) -> Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(value(self.py))
    }

    fn skip(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn unexpected(&self, wanted: &str) -> PyErr {
        PyValueError::new_err(format!(
            "no JSON: {wanted} is missing at byte {}",
            self.at.min(self.text.len())
        ))
    }
}
