//! How a directory of parts appears all at once, and only if the whole run succeeded.
//!
//! Beside the target `name` stands `.writing-<name>-<unique>/` for as long as the run lasts:
//! - `owner`: claimed by the process that writes, so that others can tell whether it is alive;
//! - `attempts/`: files that tasks are writing or have written, each under a name of its own; where they
//!   do not see this machine's files, it lies elsewhere, and the commit copies;
//! - `parts/`: what the commit gives the target's name, with one attempt for each part: the one that
//!   the task named which was taken for it, whatever others have written beside it;
//! - `old`: during the commit, the target that is being replaced.
//!
//! A run that fails, or a process that dies, at any moment leaves the target as it was, or, between
//! the two renames of a commit, as `old`, from where the next job for the same target takes it back.
//! That job also removes what dead owners left.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::sync::Arc;

use nestflow_chain::CallSite;

use super::local_storage::scheme;
use super::one_part;
use super::remote_storage::is_local;
use super::storage::{Claim, ClaimMode, EntryKind, Files, Storage, join};
use super::text_sink::{TaskOutput, Written};
use crate::error::{Error, Result};
use crate::internal;
use crate::plan::logical::FileSink;

const OWNER: &str = "owner";
const ATTEMPTS: &str = "attempts";
const PARTS: &str = "parts";
const OLD: &str = "old";
/// Length of what [`unique`] gives.
const UNIQUE_LENGTH: usize = 32;

/// One output of a run. Ends with [`commit`](Self::commit) or [`abort`](Self::abort); dropped
/// before, it aborts. Tasks must have stopped writing by then.
pub struct OutputJob {
    storage: Arc<dyn Storage>,
    target: String,
    work: String,
    parts: String,
    overwrite: bool,
    /// Nobody asked for a number of parts.
    any_parts: bool,
    output: TaskOutput,
    written: Vec<Written>,
    state: State,
    _claim: Claim,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The target is untouched.
    Writing,
    /// The new target is in place; `replaced` is whether the old one is in `old`.
    Placed { replaced: bool },
    /// The old target could not be put back: nothing may be removed.
    Stuck,
    /// Nothing is left to do.
    Over,
}

impl OutputJob {
    /// Begins an output: checks the target, removes what dead runs left beside it, and makes room
    /// for parts.
    pub fn begin(storage: Arc<dyn Storage>, sink: &FileSink) -> Result<OutputJob> {
        let target = resolved(storage.as_ref(), sink)?;
        let Some((parent, name)) =
            target.rsplit_once('/').filter(|(_, name)| !matches!(*name, "" | "." | ".."))
        else {
            return Err(Error::Data(format!("{}: cannot be an output directory", sink.path)));
        };
        let parent = if parent.is_empty() { "/" } else { parent };
        if storage.is_home(&target) {
            return Err(Error::Data(format!(
                "{}: an output replaces its whole directory, and {target} holds the working or the home \
                 directory. Write to a directory of its own",
                sink.path
            )));
        }
        check_free(storage.as_ref(), &target, sink.overwrite)?;
        storage.create_directory(parent)?;
        remove_left_overs(storage.as_ref(), parent, name, &target);
        let (work, claim) = make_work(storage.as_ref(), parent, name)?;
        let attempts = match scheme(&sink.path).is_none().then(|| storage.elsewhere()).transpose()?.flatten()
        {
            Some(elsewhere) => join(&elsewhere, &format!("{ATTEMPTS}-{}", unique())),
            None => join(&work, ATTEMPTS),
        };
        let output = TaskOutput {
            attempts,
            target: target.clone(),
            form: sink.form.clone(),
            marker: random(),
            behind: sink.behind,
        };
        let job = OutputJob {
            storage,
            target,
            parts: join(&work, PARTS),
            work,
            overwrite: sink.overwrite,
            any_parts: sink.parts.is_none(),
            output,
            written: Vec::new(),
            state: State::Writing,
            _claim: claim,
        };
        job.storage.create_directory(&job.output.attempts)?;
        job.storage.create_directory(&job.parts)?;
        Ok(job)
    }

    /// Begins all outputs of a run, or none. Two that write to one directory, or one inside another,
    /// are an error.
    pub fn begin_all(
        storage: &Arc<dyn Storage>,
        sinks: &[(&FileSink, Option<&CallSite>)],
    ) -> Result<Vec<OutputJob>> {
        let target = |(sink, site): &(&FileSink, Option<&CallSite>)| {
            resolved(storage.as_ref(), sink).map_err(|error| error.at(*site))
        };
        let targets = sinks.iter().map(target);
        let targets = targets.collect::<Result<Vec<_>>>()?;
        for (i, inner) in targets.iter().enumerate() {
            for (j, outer) in targets.iter().enumerate() {
                let below = inner.strip_prefix(outer.as_str());
                if i != j && below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
                    return Err(Error::Plan(format!(
                        "two outputs of this run write to {inner} and {outer}. Each needs a directory of its own"
                    )));
                }
            }
        }
        let begin = |(sink, site): &(&FileSink, Option<&CallSite>)| {
            OutputJob::begin(Arc::clone(storage), sink).map_err(|error| error.at(*site))
        };
        sinks.iter().map(begin).collect()
    }

    /// What tasks need in order to write.
    pub fn output(&self) -> &TaskOutput {
        &self.output
    }

    /// What was written for the parts, of which there are so many: one attempt for each, in any order.
    pub fn take(&mut self, parts: u32, mut written: Vec<Written>) -> Result<()> {
        written.sort_by_key(|written| written.part);
        if !written.iter().map(|written| written.part).eq(0..parts) {
            let numbers: Vec<_> = written.iter().map(|written| written.part).collect();
            return Err(internal!("{}: {parts} parts, but attempts at {numbers:?}", self.target));
        }
        self.written = written;
        Ok(())
    }

    /// Makes one part of all, in their order, where nobody asked for a number of parts. `go_on` is called
    /// from time to time, and ends it with an error.
    pub fn join_parts(&mut self, files: &dyn Files, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        if self.any_parts && self.written.len() > 1 {
            let parts = std::mem::take(&mut self.written);
            self.written = vec![one_part::join_parts(&self.output, &parts, files, go_on)?];
        }
        Ok(())
    }

    /// Makes the parts the target.
    pub fn commit(self) -> Result<()> {
        OutputJob::commit_all(vec![self])
    }

    /// Commits all outputs of a run. After an error every target is as it was, or the error says which
    /// are not.
    pub fn commit_all(mut jobs: Vec<OutputJob>) -> Result<()> {
        for job in &jobs {
            check_free(job.storage.as_ref(), &job.target, job.overwrite)?;
        }
        for job in &mut jobs {
            job.gather()?;
        }
        for placed in 0..jobs.len() {
            if let Err(error) = jobs[placed].place() {
                jobs[..placed].iter_mut().rev().for_each(OutputJob::take_back);
                let stuck = jobs.iter().filter(|job| job.state == State::Stuck);
                let stuck: Vec<_> = stuck.map(|job| job.target.as_str()).collect();
                return Err(if stuck.is_empty() { error } else { half_done(&error, &stuck) });
            }
        }
        for job in jobs {
            job.end();
        }
        Ok(())
    }

    /// Gives up: the target stays as it was.
    pub fn abort(self) {
        self.end();
    }

    /// Moves the attempts that were taken to where the parts are, under their final names.
    fn gather(&mut self) -> Result<()> {
        let there = self.storage.list(&self.output.attempts)?;
        let there: HashMap<&str, u64> = there.iter().map(|entry| (entry.name(), entry.stamp.size)).collect();
        let sums = self.storage.checksums(&self.output.attempts)?;
        for Written { part, attempt, size, crc32c, .. } in &self.written {
            let found = there.get(attempt.as_str());
            if found != Some(size) {
                let found = found.map_or("it is gone".into(), |found| format!("there are {found}"));
                return Err(Error::Data(format!(
                    "{}: a task has written {size} bytes for part {part}, and {found}",
                    self.target
                )));
            }
            if let Some(sum) = sums.get(attempt).filter(|sum| *sum != crc32c) {
                return Err(Error::Data(format!(
                    "{}: a task has written part {part} with the checksum {crc32c:08x}, and its file has {sum:08x}",
                    self.target
                )));
            }
            let to = join(&self.parts, &self.output.part_name(*part));
            let from = join(&self.output.attempts, attempt);
            match self.is_elsewhere() {
                true => self.storage.copy(&from, &to)?,
                false => self.storage.rename(&from, &to)?,
            }
        }
        Ok(())
    }

    /// Moves an existing target aside and puts the new one in its place.
    fn place(&mut self) -> Result<()> {
        let old = join(&self.work, OLD);
        let replaced = self.storage.stat(&self.target)?.is_some();
        if replaced {
            check_free(self.storage.as_ref(), &self.target, self.overwrite)?;
            self.storage.rename(&self.target, &old)?;
        }
        let placed = self.storage.rename(&self.parts, &self.target);
        match placed {
            Ok(()) => self.state = State::Placed { replaced },
            Err(_) if replaced => self.put_back(),
            Err(_) => {}
        }
        placed
    }

    /// Undoes [`place`](Self::place), because another output of the run failed.
    fn take_back(&mut self) {
        let State::Placed { replaced } = self.state else { return };
        if let Err(error) = self.storage.rename(&self.target, &self.parts) {
            tracing::error!(target = self.target, kept = self.work, %error, "cannot undo an output; the old one is kept");
            self.state = State::Stuck;
            return;
        }
        self.state = State::Writing;
        if replaced {
            self.put_back();
        }
    }

    /// Whether tasks write to where the output does not appear, since they do not see this machine's files.
    fn is_elsewhere(&self) -> bool {
        is_local(&self.work) && !is_local(&self.output.attempts)
    }

    fn put_back(&mut self) {
        if let Err(error) = self.storage.rename(&join(&self.work, OLD), &self.target) {
            tracing::error!(target = self.target, kept = self.work, %error, "cannot put the old output back; it is kept");
            self.state = State::Stuck;
        }
    }

    fn end(mut self) {
        self.clean();
    }

    /// Removes what is not the target. What cannot be removed now, the next job removes.
    fn clean(&mut self) {
        if matches!(self.state, State::Stuck | State::Over) {
            return;
        }
        self.state = State::Over;
        if self.is_elsewhere()
            && let Err(error) = self.storage.remove_tree(&self.output.attempts)
        {
            tracing::warn!(path = self.output.attempts, %error, "what tasks wrote stays behind");
        }
        if let Err(error) = self.storage.remove_tree(&self.work) {
            tracing::warn!(path = self.work, %error, "a temporary directory stays behind");
        }
    }
}

impl Drop for OutputJob {
    fn drop(&mut self) {
        self.clean();
    }
}

/// The directory of an output, where it can appear as a whole.
fn resolved(storage: &dyn Storage, sink: &FileSink) -> Result<String> {
    let check = |path: &str| match storage.renames_at_once(path) {
        true => Ok(()),
        false => Err(Error::Data(format!(
            "{}: an output has to appear as a whole, and in this store no directory can be renamed at once. \
             Write to a file system that can, such as hdfs:, and copy from there",
            sink.path
        ))),
    };
    // First as it stands, since nothing has to be known of such a store.
    check(&sink.path)?;
    let target = storage.resolve(&sink.path)?;
    check(&target)?;
    Ok(target)
}

fn half_done(error: &Error, stuck: &[&str]) -> Error {
    let text = format!("{error}. What was in place before could not be put back for: {}", stuck.join(", "));
    Error::Io {
        path: stuck.first().map_or_else(String::new, |path| (*path).to_owned()),
        source: io::Error::other(text),
    }
}

/// Refuses what must not be replaced: anything, with `overwrite` off; and what no output made, which
/// is everything but a directory.
fn check_free(storage: &dyn Storage, target: &str, overwrite: bool) -> Result<()> {
    let Some(found) = storage.stat(target)? else { return Ok(()) };
    let text = match found.kind {
        EntryKind::Directory if overwrite => return Ok(()),
        EntryKind::Directory => "the output exists, and overwrite is off",
        _ => "an output is a directory of parts, and something else is there already",
    };
    let source = io::Error::new(ErrorKind::AlreadyExists, text);
    Err(Error::Io { path: target.into(), source })
}

/// A claimed directory of our own beside the target.
fn make_work(storage: &dyn Storage, parent: &str, name: &str) -> Result<(String, Claim)> {
    // Somebody's cleaning can only come between making the directory and claiming it.
    for _ in 0..10 {
        let work = join(parent, &format!("{}{}", prefix(name), unique()));
        storage.create_directory(&work)?;
        if let Some(claim) = storage.claim(&join(&work, OWNER), ClaimMode::Create)? {
            return Ok((work, claim));
        }
    }
    Err(Error::Io { path: parent.into(), source: io::Error::other("directories made here go away at once") })
}

/// Removes the work directories of dead owners. That is a courtesy: its failure fails nothing.
fn remove_left_overs(storage: &dyn Storage, parent: &str, name: &str, target: &str) {
    let entries = match storage.list(parent) {
        Ok(entries) => entries,
        Err(error) => return tracing::warn!(%error, "cannot look for left-overs of earlier runs"),
    };
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Directory) {
        let unique = entry.name().strip_prefix(prefix(name).as_str());
        if !unique.is_some_and(|s| s.len() == UNIQUE_LENGTH && s.bytes().all(|b| b.is_ascii_hexdigit())) {
            continue;
        }
        if let Err(error) = remove_left_over(storage, &entry.path, target) {
            tracing::warn!(path = entry.path, %error, "cannot remove what an earlier run left");
        }
    }
}

fn remove_left_over(storage: &dyn Storage, work: &str, target: &str) -> Result<()> {
    let Some(_claim) = storage.claim(&join(work, OWNER), ClaimMode::Abandoned)? else {
        // Alive, or dead before it could claim anything.
        return storage.remove_empty(work);
    };
    let old = join(work, OLD);
    if storage.stat(target)?.is_none() && storage.stat(&old)?.is_some() {
        tracing::warn!(target, "the output that a dead run was about to replace is put back");
        storage.rename(&old, target)?;
    }
    storage.remove_tree(work)
}

fn prefix(name: &str) -> String {
    format!(".writing-{name}-")
}

/// Bytes that nobody can foresee.
fn random() -> [u8; 16] {
    // Every RandomState has other keys, seeded by the system.
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    (half() << 64 | half()).to_be_bytes()
}

/// A name that nothing else has: 32 hexadecimal digits.
pub(super) fn unique() -> String {
    format!("{:032x}", u128::from_be_bytes(random()))
}
