//! What workers print, line by line to wherever the pool's owner wants it, and the last lines kept
//! for the message about a crash.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Takes a line that a worker printed, without its end.
pub type Output = Arc<dyn Fn(&str) + Send + Sync>;

/// Lines kept for the message about a crash.
const KEPT: usize = 60;
/// A longer line is handed on in pieces.
const LONGEST: u64 = 64 << 10;

/// To the standard error of this process.
pub fn standard_error() -> Output {
    Arc::new(|line| {
        // Nobody to tell if that fails.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    })
}

/// The last lines of one worker.
#[derive(Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    /// Hands on lines until the other end is closed.
    pub(crate) fn forward(&self, from: impl Read, output: &Output) {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            match from.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            output(text);
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(text.to_owned());
        }
    }

    /// The last lines.
    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|line| format!("\n  {line}")).collect()
    }
}
