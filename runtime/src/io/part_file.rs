//! The file of a part: compressed or not, its size and checksum counted, written in place or, behind the
//! task, by a thread of its own.
//!
//! That thread begins with the second buffer, since a small part is not worth one, and takes compressing
//! along. Few buffers wait for it: whoever writes waits then. What goes wrong there is told by the next
//! write or by the end. Must not know what is written.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::storage::NewFile;

/// Buffers that wait for the thread.
const WAITING: usize = 2;

/// See the module.
pub(super) struct PartFile {
    state: State,
    /// Whether a thread may write.
    behind: bool,
}

enum State {
    Here(Form),
    Behind(Behind),
    /// It has failed, and said so.
    Over,
}

enum Form {
    Plain(Counted),
    Gzip(Box<GzEncoder<Counted>>),
}

/// A file, and what has gone into it.
struct Counted {
    file: Box<dyn NewFile>,
    size: u64,
    crc32c: u32,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.size += written as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl PartFile {
    /// Nothing is written yet.
    pub(super) fn new(file: Box<dyn NewFile>, gzip: bool, behind: bool) -> PartFile {
        let file = Counted { file, size: 0, crc32c: 0 };
        let form = match gzip {
            true => Form::Gzip(Box::new(GzEncoder::new(file, Compression::default()))),
            false => Form::Plain(file),
        };
        PartFile { state: State::Here(form), behind }
    }

    /// Writes what a buffer holds, and leaves it empty; more is to come.
    pub(super) fn write(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Here(mut form) => {
                form.write(buffer)?;
                if self.behind { State::Behind(Behind::start(form)?) } else { State::Here(form) }
            }
            State::Behind(mut behind) => {
                behind.write(buffer)?;
                State::Behind(behind)
            }
            State::Over => return Err(over()),
        };
        Ok(())
    }

    /// Writes the last of it, and makes the file whole: its size, and its CRC32C.
    pub(super) fn finish(self, buffer: &mut Vec<u8>) -> io::Result<(u64, u32)> {
        let mut form = match self.state {
            State::Here(form) => form,
            State::Behind(mut behind) => behind.end()?,
            State::Over => return Err(over()),
        };
        form.write(buffer)?;
        let Counted { file, size, crc32c } = match form {
            Form::Plain(file) => file,
            Form::Gzip(file) => file.finish()?,
        };
        file.finish()?;
        Ok((size, crc32c))
    }
}

fn over() -> io::Error {
    io::Error::other("an earlier write has failed")
}

impl Form {
    fn write(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Form::Plain(file) => file.write_all(buffer)?,
            Form::Gzip(file) => file.write_all(buffer)?,
        }
        buffer.clear();
        Ok(())
    }
}

/// A file with a thread that writes it. Dropped, it is waited for: nobody writes into what is removed next.
struct Behind {
    /// `None`: there is no more to come.
    full: Option<SyncSender<Vec<u8>>>,
    /// Buffers that were written, to be used again.
    empty: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<io::Result<Form>>>,
}

impl Behind {
    fn start(mut form: Form) -> io::Result<Behind> {
        let (full, waiting) = sync_channel::<Vec<u8>>(WAITING);
        let (written, empty) = sync_channel(WAITING + 1);
        let thread = std::thread::Builder::new().name("nestflow-writer".into()).spawn(move || {
            for mut buffer in waiting {
                form.write(&mut buffer)?;
                // There is room for all that there are.
                let _ = written.try_send(buffer);
            }
            Ok(form)
        })?;
        Ok(Behind { full: Some(full), empty, thread: Some(thread) })
    }

    fn write(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let full = std::mem::replace(buffer, self.empty.try_recv().unwrap_or_default());
        match self.full.as_ref().map(|to| to.send(full)) {
            Some(Ok(())) => Ok(()),
            // It has ended before its time.
            _ => self.end().and_then(|_| Err(over())),
        }
    }

    /// Waits for the thread, and takes the file back.
    fn end(&mut self) -> io::Result<Form> {
        self.full = None;
        let ended = self.thread.take().map(JoinHandle::join);
        ended.and_then(Result::ok).unwrap_or_else(|| Err(io::Error::other("the thread of a writer panicked")))
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        if self.thread.is_some() {
            // Given up: whatever it says, its file is removed next.
            let _ = self.end();
        }
    }
}
