//! Walks a cell in one pass: every byte is looked at once, however deep containers are nested. Keeps
//! no tree and copies nothing that has no escapes.

use crate::cell::{Cell, CellError, MAX_DEPTH, find_zero, nested_scalar, scalar, unflip64};
use crate::tag;

/// One step of a [`Reader`].
#[derive(Clone, Debug, PartialEq)]
pub enum Token<'a> {
    /// A value that is no container.
    Value(Cell<'a>),
    /// A container of this tag begins.
    Open(u8),
    /// The container opened last ends.
    Close,
}

/// What stands inside of a container, if it is of the kinds that most is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Common<'a> {
    /// The end of the container opened last.
    Close,
    /// A `str` without escapes.
    Str(&'a [u8]),
    /// An `int` of 64 bits.
    Int(i64),
    /// A `float`.
    Float(f64),
}

/// Walks one top-level cell from its first byte to its last.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    open: usize,
    started: bool,
}

impl<'a> Reader<'a> {
    /// A walk over a whole top-level cell.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, open: 0, started: false }
    }

    /// A walk over the inside of a container, whose tag is the second; `None` if the cell is of another kind.
    #[inline]
    pub fn inside(bytes: &'a [u8]) -> Option<(Reader<'a>, u8)> {
        match bytes {
            [tag, rest @ ..] if tag::is_container(*tag) => {
                Some((Reader { rest, open: 1, started: true }, *tag))
            }
            _ => None,
        }
    }

    /// Whether the cell is over, and nothing is left.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.started && self.open == 0 && self.rest.is_empty()
    }

    /// What stands next inside of a container, where that is of a common kind. Where not, [`Reader::token`]
    /// says what does.
    #[inline]
    pub fn common(&mut self) -> Option<Common<'a>> {
        if self.open == 0 {
            return None;
        }
        match self.rest {
            [tag::END, rest @ ..] => {
                self.rest = rest;
                self.open -= 1;
                Some(Common::Close)
            }
            [tag::STR, payload @ ..] => {
                let end = find_zero(payload)?;
                if payload.get(end + 1) == Some(&tag::ESCAPE) {
                    return None;
                }
                self.rest = &payload[end + 1..];
                Some(Common::Str(&payload[..end]))
            }
            [tag::INT, payload @ ..] => {
                let (integer, [tag::WHOLE, rest @ ..]) = payload.split_first_chunk::<8>()? else {
                    return None;
                };
                self.rest = rest;
                Some(Common::Int(unflip64(integer)))
            }
            [tag::FLOAT, payload @ ..] => {
                let (bits, rest) = payload.split_first_chunk()?;
                self.rest = rest;
                Some(Common::Float(f64::from_bits(u64::from_be_bytes(*bits))))
            }
            _ => None,
        }
    }

    /// The next token; `None` after the end of the cell, once nothing is left over.
    #[inline]
    pub fn token(&mut self) -> Result<Option<Token<'a>>, CellError> {
        let Some((&tag, payload)) = self.rest.split_first() else {
            return if self.started && self.open == 0 { Ok(None) } else { Err(CellError::Truncated) };
        };
        if self.open == 0 {
            if self.started {
                return Err(CellError::Trailing(self.rest.len()));
            }
            self.started = true;
            if !tag::is_container(tag) {
                self.rest = &[];
                return scalar(tag, payload, false).map(|cell| Some(Token::Value(cell)));
            }
        }
        if tag == tag::END {
            self.rest = payload;
            self.open -= 1;
            return Ok(Some(Token::Close));
        }
        if tag::is_container(tag) {
            if self.open == MAX_DEPTH {
                return Err(CellError::Depth);
            }
            self.rest = payload;
            self.open += 1;
            return Ok(Some(Token::Open(tag)));
        }
        let span = nested_scalar(tag, payload)?;
        self.rest = &payload[span.whole..];
        scalar(tag, &payload[..span.payload], span.escaped).map(|cell| Some(Token::Value(cell)))
    }
}
