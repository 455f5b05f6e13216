//! How the processes of a pool are made and kept. Starts none.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::output::{Output, standard_error};

/// How workers are made and kept.
#[derive(Clone)]
pub struct Options {
    /// The program to start.
    pub program: PathBuf,
    /// Its arguments; one more follows: our process number.
    pub arguments: Vec<OsString>,
    /// Whether the program is a spawner (`spawner.rs`) where `spawn` comes before that number.
    pub spawns: bool,
    /// Environment variables besides our own.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it runs; here, if not told.
    pub folder: Option<PathBuf>,
    /// How many there may be.
    pub workers: usize,
    /// How long one may be idle.
    pub idle: Duration,
    /// Where printed lines go.
    pub output: Output,
}

impl Options {
    /// As many workers as the machine has cores, ended after a minute without work.
    pub fn new(program: impl Into<PathBuf>, arguments: Vec<OsString>) -> Options {
        Options {
            program: program.into(),
            arguments,
            spawns: false,
            environment: Vec::new(),
            folder: None,
            workers: thread::available_parallelism().map_or(1, usize::from),
            idle: Duration::from_secs(60),
            output: standard_error(),
        }
    }

    /// What starts the program, without the number.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}
