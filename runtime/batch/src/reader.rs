//! Walks a cell in one pass: every byte is looked at once, however deep containers are nested. Keeps
//! no tree and copies nothing that has no escapes.

use crate::cell::{Cell, CellError, MAX_DEPTH, nested_scalar, scalar, unflip64};
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

    /// The text that stands next inside of a container, where one does and has no escapes. Where not,
    /// [`Reader::token`] says what does.
    #[inline]
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let [tag::STR, payload @ ..] = self.rest else { return None };
        if self.open == 0 {
            return None;
        }
        let end = memchr::memchr(tag::END, payload)?;
        if payload.get(end + 1) == Some(&tag::ESCAPE) {
            return None;
        }
        self.rest = &payload[end + 1..];
        Some(&payload[..end])
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
        if let (tag::INT, [integer @ .., tag::WHOLE]) = (tag, payload.get(..9).unwrap_or_default()) {
            self.rest = &payload[9..];
            return Ok(Some(Token::Value(Cell::Int(unflip64(integer)))));
        }
        let span = nested_scalar(tag, payload)?;
        self.rest = &payload[span.whole..];
        scalar(tag, &payload[..span.payload], span.escaped).map(|cell| Some(Token::Value(cell)))
    }
}
