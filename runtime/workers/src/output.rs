//! What workers print, line by line to wherever the pool's owner wants it, and the last lines kept
//! for the message about a crash. A warning that several of them print is handed on once.

use std::collections::{HashSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// A line that a worker printed.
#[derive(Clone, Copy, Debug)]
pub struct Printed<'a> {
    /// The line, without its end.
    pub line: &'a str,
    /// The process.
    pub process: u32,
    /// The task whose chain was the last that was opened there, by the name that its host has.
    pub task: &'a str,
}

/// Takes what workers print.
pub type Output = Arc<dyn Fn(&Printed<'_>) + Send + Sync>;

/// The task that a worker works for.
pub(crate) type Task = Arc<Mutex<Arc<str>>>;

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
    Arc::new(|printed| {
        // Nobody to tell if that fails.
        let _ = writeln!(std::io::stderr().lock(), "{}", printed.line);
    })
}

/// The last lines of one worker.
#[derive(Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    /// Hands on lines until the other end is closed.
    pub(crate) fn forward(&self, from: impl Read, output: &Output, process: u32, task: &Task) {
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
                let task = task.lock().unwrap_or_else(PoisonError::into_inner).clone();
                output(&Printed { line: &text, process, task: &task });
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
