//! `tracing` events reach Python's `logging`, under the logger `nestflow`.
//!
//! Engine threads never take the GIL for a log line: lines wait in a queue until the thread that
//! called into the engine, which has the interpreter anyway, hands them over.

use std::fmt::Write;
use std::sync::OnceLock;

use crossbeam::channel::{Receiver, Sender, bounded};
use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Lines that wait at most; what comes beyond is dropped rather than held.
const WAITING: usize = 4096;

struct Line {
    level: Level,
    text: String,
}

static LINES: OnceLock<Receiver<Line>> = OnceLock::new();

struct ToPython {
    lines: Sender<Line>,
}

/// Makes this process's events go to Python. Where the process has a subscriber already, that stays.
pub fn install() {
    let (lines, waiting) = bounded(WAITING);
    if tracing::subscriber::set_global_default(ToPython { lines }).is_ok() {
        let _ = LINES.set(waiting);
    }
}

/// Hands waiting lines to `logging`.
pub fn hand_over(py: Python<'_>) -> PyResult<()> {
    let Some(lines) = LINES.get() else { return Ok(()) };
    if lines.is_empty() {
        return Ok(());
    }
    let logger = py.import("logging")?.call_method1("getLogger", ("nestflow",))?;
    for line in lines.try_iter() {
        let level = match line.level {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            Level::DEBUG | Level::TRACE => 10,
        };
        logger.call_method1("log", (level, "%s", line.text))?;
    }
    Ok(())
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        // Writing to a string cannot fail.
        let _ = written;
    }
}

impl Subscriber for ToPython {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("nestflow") && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let _ = self.lines.try_send(Line { level: *event.metadata().level(), text: text.0 });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
