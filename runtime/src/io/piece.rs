//! The bytes of one piece of a file, from its first line on: plain or gzip, with offsets for
//! messages. Knows where lines begin only as far as it must skip to the first.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use flate2::bufread::GzDecoder;

use super::splits::Piece;
use super::storage::{Files, ReadAt};
use crate::error::{Error, Result};

/// Bytes read at a time where the need is not known.
const STEP: usize = 64 << 10;

/// A piece that is being read.
pub(super) struct OpenPiece {
    path: String,
    source: Source,
    at: u64,
    end: u64,
}

enum Source {
    Plain(Box<dyn ReadAt>),
    Gzip(Box<Members>),
}

impl OpenPiece {
    /// Opens the file and goes to the first line that begins in the piece.
    pub(super) fn open(files: &dyn Files, piece: &Piece) -> Result<OpenPiece> {
        let file = piece.open(files)?;
        let (source, end) = if piece.is_gzip() {
            (Source::Gzip(Box::new(Members::new(file))), u64::MAX)
        } else {
            (Source::Plain(file), piece.end)
        };
        let mut opened = OpenPiece { path: piece.path.clone(), source, at: piece.start, end };
        if piece.start > 0 {
            opened.skip_to_line(piece)?;
        }
        Ok(opened)
    }

    /// A line begins after each newline, so the first line of the piece follows the first newline
    /// from the byte before the piece on. Without one there, the piece owns no line.
    fn skip_to_line(&mut self, piece: &Piece) -> Result<()> {
        let mut scratch = vec![0; STEP];
        self.at = piece.start - 1;
        while self.at + 1 < piece.end {
            let room = (piece.end - 1 - self.at).min(STEP as u64) as usize;
            let before = self.at;
            let read = self.read(&mut scratch[..room])?;
            if let Some(newline) = memchr::memchr(b'\n', &scratch[..read]) {
                self.at = before + newline as u64 + 1;
                return Ok(());
            }
        }
        self.at = piece.end;
        Ok(())
    }

    /// Fills the front of `buffer`; 0 only at the end of the file. Goes beyond the piece only as
    /// far as its last line needs.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = match &mut self.source {
            Source::Plain(file) => {
                let left = self.end.saturating_sub(self.at).try_into().unwrap_or(usize::MAX);
                let room = buffer.len().min(if left == 0 { STEP } else { left });
                let read = file.read_at(&mut buffer[..room], self.at);
                if matches!(read, Ok(0)) && left > 0 {
                    return Err(Error::Data(format!(
                        "{}: the file became shorter than {} bytes while it was read",
                        self.path, self.end
                    )));
                }
                read
            }
            Source::Gzip(members) => members.read(buffer),
        };
        let read = read.map_err(|error| self.failed(error))?;
        self.at += read as u64;
        Ok(read)
    }

    fn failed(&self, error: io::Error) -> Error {
        let broken = matches!(
            error.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidInput | ErrorKind::InvalidData
        );
        match &self.source {
            Source::Gzip(members) if broken => Error::Data(format!(
                "{}: damaged or cut off gzip file, near byte {}: {error}",
                self.path,
                members.at()
            )),
            _ => Error::Io { path: self.path.clone(), source: error },
        }
    }

    /// Offset in the text of the next byte that will be read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// No line of the piece begins here or later.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// An error about the line that begins at `offset`.
    pub(super) fn line_error(&self, offset: u64, what: &str) -> Error {
        let unpacked = if matches!(self.source, Source::Gzip(_)) { " of the uncompressed text" } else { "" };
        Error::Data(format!("{}: the line at byte {offset}{unpacked} {what}", self.path))
    }
}

/// A gzip file: members one after the other, and zeros after any of them, which pad files on tape
/// and are no damage to `gzip` and Python either.
struct Members {
    current: Option<GzDecoder<BufReader<Compressed>>>,
}

impl Members {
    fn new(file: Box<dyn ReadAt>) -> Members {
        Members { current: Some(GzDecoder::new(BufReader::with_capacity(STEP, Compressed { file, at: 0 }))) }
    }

    /// How far the file has been read.
    fn at(&self) -> u64 {
        self.current.as_ref().map_or(0, |member| member.get_ref().get_ref().at)
    }
}

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.current {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if skip_zeros(member.get_mut())? {
                return Ok(0);
            }
            self.current = self.current.take().map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(0)
    }
}

/// Goes to the first byte that is not zero; whether the file ends before one.
fn skip_zeros(file: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = file.fill_buf()?;
        let length = buffer.len();
        let zeros = buffer.iter().take_while(|&&byte| byte == 0).count();
        file.consume(zeros);
        if length == 0 || zeros < length {
            return Ok(length == 0);
        }
    }
}

/// The file as it is stored.
struct Compressed {
    file: Box<dyn ReadAt>,
    at: u64,
}

impl Read for Compressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
