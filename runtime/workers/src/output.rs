//! What workers print, line by line to wherever the pool's owner wants it, and the last lines kept
//! for the message about a crash. A warning that several of them print is handed on once.

use std::collections::{HashSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Takes a line that a worker printed, without its end.
pub type Output = Arc<dyn Fn(&str) + Send + Sync>;

/// Lines kept for the message about a crash.
const KEPT: usize = 60;
/// A longer line is handed on in pieces.
const LONGEST: u64 = 64 << 10;

/// What the line of a warning begins with; its own lines follow, this between them.
const WARNING: (&str, char) = ("\u{1e}nestflow-warning ", '\u{1f}');
/// Warnings that are remembered; beyond, they may be shown again.
const REMEMBERED: usize = 1000;

/// The lines of a warning that nobody has printed before; of any other line, itself.
fn shown(line: &str) -> Vec<String> {
    static WARNED: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let (mark, between) = WARNING;
    let Some(text) = line.strip_prefix(mark) else { return vec![line.to_owned()] };
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    let warned = warned.get_or_insert_default();
    if warned.len() >= REMEMBERED {
        warned.clear();
    }
    if !warned.insert(text.to_owned()) {
        return Vec::new();
    }
    text.split(between).map(str::to_owned).collect()
}

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
            for text in shown(text) {
                output(&text);
                let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == KEPT {
                    kept.pop_front();
                }
                kept.push_back(text);
            }
        }
    }

    /// The last lines.
    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|line| format!("\n  {line}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_shown_once_and_a_line_always() {
        let warning = format!("{}odd{}  here", WARNING.0, WARNING.1);
        assert_eq!((shown(&warning), shown(&warning)), (vec!["odd".to_owned(), "  here".to_owned()], vec![]));
        assert_eq!((shown("line"), shown("line")), (vec!["line".to_owned()], vec!["line".to_owned()]));
    }
}
