//! A sequence file read forward: its numbers, texts and markers. Knows nothing of records.

use std::io::{self, ErrorKind};

use super::{ESCAPE, MARKER};
use crate::error::Error;
use crate::io::storage::ReadAt;

/// Bytes read at a time.
const STEP: usize = 64 << 10;
/// The largest record, or block, that is taken into memory.
pub(super) const LARGEST: u64 = 1 << 30;

/// A file at some place, read forward.
pub(super) struct Input {
    pub(super) path: String,
    file: Box<dyn ReadAt>,
    /// Where the next byte that is taken stands in the file.
    pub(super) at: u64,
    buffer: Vec<u8>,
    /// The next byte in the buffer.
    next: usize,
}

impl Input {
    /// The file, from its first byte on.
    pub(super) fn new(path: &str, file: Box<dyn ReadAt>) -> Input {
        Input { path: path.into(), file, at: 0, buffer: Vec::new(), next: 0 }
    }

    /// Goes to another place.
    pub(super) fn seek(&mut self, at: u64) {
        self.at = at;
        self.buffer.clear();
        self.next = 0;
    }

    fn fill(&mut self) -> io::Result<bool> {
        let rest = self.buffer.split_off(self.next);
        self.buffer = rest;
        self.next = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + STEP, 0);
        let read = self.file.read_at(&mut self.buffer[kept..], self.at + kept as u64)?;
        self.buffer.truncate(kept + read);
        Ok(read > 0)
    }

    /// Makes sure of so many bytes; false if the file ends before.
    pub(super) fn has(&mut self, count: usize) -> io::Result<bool> {
        while self.buffer.len() - self.next < count {
            if !self.fill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        if !self.has(count)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        self.next += count;
        Ok(&self.buffer[self.next - count..self.next])
    }

    pub(super) fn sized(&mut self, count: i64) -> io::Result<Vec<u8>> {
        match u64::try_from(count) {
            Ok(count) if count <= LARGEST => Ok(self.take(count as usize)?.to_vec()),
            _ => Err(bad(&format!("a length of {count}"))),
        }
    }

    pub(super) fn int(&mut self) -> io::Result<i64> {
        Ok(i64::from(i32::from_be_bytes(fixed(self.take(4)?)?)))
    }

    pub(super) fn flag(&mut self) -> io::Result<bool> {
        Ok(self.take(1)?[0] != 0)
    }

    pub(super) fn variable(&mut self) -> io::Result<i64> {
        let first = self.take(1)?[0];
        let rest = self.take(extra(first))?;
        Ok(variable_of(first, rest))
    }

    pub(super) fn text(&mut self) -> io::Result<String> {
        let length = self.variable()?;
        String::from_utf8(self.sized(length)?).map_err(|_| bad("a name that is no text"))
    }

    /// Goes to the first marker from here on, which begins before `end`; false: there is none.
    pub(super) fn find(&mut self, marker: &[u8; MARKER], end: u64) -> io::Result<bool> {
        while self.has(ESCAPE.len() + MARKER)? && self.at < end {
            let rest = &self.buffer[self.next + ESCAPE.len()..];
            let found = memchr::memmem::find(rest, marker);
            let step = found.unwrap_or(rest.len() + 1 - MARKER);
            self.at += step as u64;
            self.next += step;
            if found.is_some() {
                return Ok(self.at < end);
            }
        }
        Ok(false)
    }

    pub(super) fn failed(&self, error: io::Error) -> Error {
        let what = match error.kind() {
            ErrorKind::UnexpectedEof => "it ends in the middle of a record".to_owned(),
            ErrorKind::InvalidData | ErrorKind::InvalidInput => error.to_string(),
            _ => return Error::Io { path: self.path.clone(), source: error },
        };
        Error::Data(format!("{}: damaged sequence file, near byte {}: {what}", self.path, self.at))
    }
}

/// How many bytes follow the first one of a number of variable size.
pub(super) fn extra(first: u8) -> usize {
    match first as i8 {
        -112.. => 0,
        small @ -120..=-113 => (-112 - i32::from(small)) as usize,
        small => (-120 - i32::from(small)) as usize,
    }
}

pub(super) fn variable_of(first: u8, rest: &[u8]) -> i64 {
    let small = first as i8;
    if small >= -112 {
        return i64::from(small);
    }
    let number = rest.iter().fold(0_i64, |number, &byte| (number << 8) | i64::from(byte));
    if small < -120 { !number } else { number }
}

pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> io::Result<[u8; N]> {
    bytes.try_into().map_err(|_| ErrorKind::UnexpectedEof.into())
}

pub(super) fn bad(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
