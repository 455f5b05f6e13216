//! Outputs appear whole or not at all.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use arrow::array::BinaryViewArray;

use super::{Place, names, storage};
use crate::error::{Error, Result};
use crate::io::{OutputJob, Storage, Written};
use crate::plan::logical::{FileSink, SinkForm};

pub(super) fn sink(path: &str, overwrite: bool) -> FileSink {
    FileSink {
        path: path.into(),
        overwrite,
        form: SinkForm::Text { delimiter: b"\n".into(), gzip: false, encode: None },
        parts: None,
        partition: None,
        sort: None,
        behind: true,
    }
}

fn begin(place: &Place, name: &str, overwrite: bool) -> Result<OutputJob> {
    OutputJob::begin(storage(), &sink(&place.text(name), overwrite))
}

/// A job with one part, of one line.
fn job(place: &Place, name: &str, overwrite: bool, text: &str) -> OutputJob {
    let mut job = begin(place, name, overwrite).unwrap();
    let written = attempt(&job, 0, text);
    job.take(1, vec![written]).unwrap();
    job
}

/// An attempt at a part, of one line.
fn attempt(job: &OutputJob, part: u32, text: &str) -> Written {
    let mut writer = job.output().part_writer(storage(), part).unwrap();
    writer.write(&BinaryViewArray::from_iter_values([format!(" {text}")])).unwrap();
    writer.finish().unwrap()
}

/// Where the parts of a job are before its end.
fn parts(place: &Place, name: &str) -> std::path::PathBuf {
    let prefix = format!(".writing-{name}-");
    let work = root(place).into_iter().find(|work| work.starts_with(&prefix));
    place.path(&work.unwrap()).join("parts")
}

fn line(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(name).join("part-00000")).unwrap()
}

fn root(place: &Place) -> Vec<String> {
    names(&place.path(""))
}

#[test]
fn appears_at_the_commit() {
    let place = Place::new();
    let job = job(&place, "a/b/out/", true, "one");
    assert!(!place.path("a/b/out").exists());
    let working = names(&place.path("a/b"));
    assert!(working.len() == 1 && working[0].starts_with(".writing-out-"), "{working:?}");
    job.commit().unwrap();
    assert_eq!(names(&place.path("a/b")), ["out"]);
    assert_eq!(names(&place.path("a/b/out")), ["part-00000"]);
    assert_eq!(line(&place, "a/b/out"), "one\n");
}

#[test]
fn replaces_an_existing_target() {
    let place = Place::new();
    job(&place, "out", true, "one").commit().unwrap();
    place.file("out/more/inside", "x");
    let second = job(&place, "out", true, "two");
    assert_eq!(line(&place, "out"), "one\n");
    second.commit().unwrap();
    assert_eq!(line(&place, "out"), "two\n");
    assert_eq!(names(&place.path("out")), ["part-00000"]);
    // Also where the target is a link, whose end stays.
    symlink(place.path("out"), place.path("link")).unwrap();
    job(&place, "link", true, "four").commit().unwrap();
    assert_eq!(line(&place, "link"), "four\n");
    assert_eq!(line(&place, "out"), "two\n");
    assert_eq!(root(&place), ["link", "out"]);
}

#[test]
fn replaces_nothing_but_a_directory() {
    let place = Place::new();
    place.file("file", "x");
    symlink(place.path("file"), place.path("link")).unwrap();
    symlink(place.path("gone"), place.path("broken")).unwrap();
    for name in ["file", "link", "broken"] {
        let error = begin(&place, name, true).err().unwrap();
        assert!(error.to_string().contains("directory of parts"), "{error}");
    }
    // Also one that appeared while the run was writing.
    let late = job(&place, "late", true, "one");
    place.file("late", "y");
    assert!(late.commit().is_err());
    assert_eq!(fs::read(place.path("file")).unwrap(), b"x");
    assert_eq!(fs::read(place.path("late")).unwrap(), b"y");
    assert_eq!(root(&place), ["broken", "file", "late", "link"]);
}

#[test]
fn never_replaces_where_the_process_lives() {
    let here = std::env::current_dir().unwrap();
    let above = here.parent().unwrap().to_str().unwrap().to_owned();
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".into());
    let place = Place::new();
    symlink(here.parent().unwrap(), place.path("link")).unwrap();
    let through = format!("{}/{}", place.text("link"), here.file_name().unwrap().to_str().unwrap());
    for path in [".", "./", "src/..", "/", &above, &home, &format!("file:{above}"), &through] {
        let error = OutputJob::begin(storage(), &sink(path, true)).err();
        assert!(matches!(error, Some(Error::Data(_))), "{path}: {error:?}");
    }
    assert!(!storage().is_home(&place.text("link")));
    assert!(!storage().is_home(here.join("out").to_str().unwrap()));
    assert!(!storage().is_home(&format!("{above}x")));
}

#[test]
fn keeps_an_existing_target_without_overwrite() {
    let place = Place::new();
    job(&place, "out", false, "one").commit().unwrap();
    let error = begin(&place, "out", false).err().unwrap();
    assert!(matches!(error, Error::Io { .. }));
    assert_eq!(error.to_string(), format!("{}: the output exists, and overwrite is off", place.text("out")));
    assert_eq!(root(&place), ["out"]);

    let late = job(&place, "late", false, "two");
    job(&place, "late", false, "first").commit().unwrap();
    assert!(late.commit().is_err());
    assert_eq!(line(&place, "late"), "first\n");
    assert_eq!(root(&place), ["late", "out"]);
    // An empty directory is a target too.
    fs::create_dir(place.path("empty")).unwrap();
    assert!(begin(&place, "empty", false).is_err());
}

#[test]
fn aborts() {
    let place = Place::new();
    job(&place, "out", true, "one").commit().unwrap();
    job(&place, "out", true, "two").abort();
    drop(job(&place, "out", true, "three"));
    let unfinished = begin(&place, "out", true).unwrap();
    let writer = unfinished.output().part_writer(storage(), 0).unwrap();
    drop(unfinished);
    // Whoever is late writes where nobody looks, or cannot write at all.
    drop(writer);
    assert!(begin(&place, "out", true).unwrap().output().part_writer(storage(), 0).is_ok());
    assert_eq!(line(&place, "out"), "one\n");
    assert_eq!(root(&place), ["out"]);
}

#[test]
fn unfinished_attempts_are_not_committed() {
    let place = Place::new();
    let job = job(&place, "out", true, "one");
    // As a killed worker leaves it.
    std::mem::forget(job.output().part_writer(storage(), 1).unwrap());
    job.commit().unwrap();
    assert_eq!(names(&place.path("out")), ["part-00000"]);
    assert_eq!(root(&place), ["out"]);
}

#[test]
fn all_outputs_or_none() {
    let place = Place::new();
    job(&place, "a", true, "old").commit().unwrap();
    let jobs = |place: &Place| {
        vec![job(place, "a", true, "new a"), job(place, "b", true, "new b"), job(place, "c", false, "new c")]
    };
    OutputJob::commit_all(jobs(&place)).unwrap();
    assert_eq!(["a", "b", "c"].map(|name| line(&place, name)), ["new a\n", "new b\n", "new c\n"]);

    fs::remove_dir_all(place.path("b")).unwrap();
    fs::remove_dir_all(place.path("c")).unwrap();
    fs::write(place.path("a/part-00000"), "old\n").unwrap();
    let jobs = jobs(&place);
    // A part cannot be found: nothing is placed.
    fs::remove_dir_all(parts(&place, "c").with_file_name("attempts")).unwrap();
    assert!(OutputJob::commit_all(jobs).is_err());
    assert_eq!(line(&place, "a"), "old\n");
    assert_eq!(root(&place), ["a"]);

    // The last cannot be placed, after the others were.
    let mut without = begin(&place, "c", true).unwrap();
    without.take(0, vec![]).unwrap();
    fs::remove_dir_all(parts(&place, "c")).unwrap();
    let jobs = vec![job(&place, "a", true, "new a"), job(&place, "b", true, "new b"), without];
    assert!(OutputJob::commit_all(jobs).is_err());
    assert_eq!(line(&place, "a"), "old\n");
    assert_eq!(root(&place), ["a"]);

    // The one that fails replaces something itself.
    let mut job = begin(&place, "a", true).unwrap();
    job.take(0, vec![]).unwrap();
    fs::remove_dir_all(parts(&place, "a")).unwrap();
    assert!(job.commit().is_err());
    assert_eq!(line(&place, "a"), "old\n");
    assert_eq!(root(&place), ["a"]);
}

#[test]
fn of_several_attempts_the_named_one_is_taken() {
    let place = Place::new();
    let mut job = begin(&place, "out", true).unwrap();
    let (_slow, first, _later) =
        (attempt(&job, 0, "slow"), attempt(&job, 0, "first"), attempt(&job, 0, "later"));
    let other = attempt(&job, 1, "other");
    job.take(2, vec![other, first]).unwrap();
    job.commit().unwrap();
    assert_eq!(line(&place, "out"), "first\n");
    assert_eq!(names(&place.path("out")), ["part-00000", "part-00001"]);
    assert_eq!(root(&place), ["out"]);
}

#[test]
fn parts_that_are_not_what_was_written() {
    let place = Place::new();
    let mut job = begin(&place, "out", true).unwrap();
    let (first, second) = (attempt(&job, 0, "one"), attempt(&job, 0, "two"));
    for named in [vec![], vec![first.clone(), second.clone()], vec![Written { part: 1, ..first.clone() }]] {
        assert!(matches!(job.take(1, named), Err(Error::Internal(_))));
    }
    let cut_off = parts(&place, "out").with_file_name("attempts").join(&first.attempt);
    fs::write(&cut_off, "on").unwrap();
    job.take(1, vec![first]).unwrap();
    let error = job.commit().unwrap_err().to_string();
    let target = place.text("out");
    assert_eq!(error, format!("{target}: a task has written 4 bytes for part 0, and there are 2"));
    assert!(root(&place).is_empty());
}

#[test]
fn outputs_do_not_share_a_directory() {
    let place = Place::new();
    let storage: Arc<dyn Storage> = storage();
    for (first, second) in [("a", "a/"), ("a", "a/b"), ("a/b/c", "a")] {
        let sinks = [sink(&place.text(first), true), sink(&place.text(second), true)];
        let error = OutputJob::begin_all(&storage, &[(&sinks[0], None), (&sinks[1], None)]).err().unwrap();
        assert!(matches!(error, Error::Plan(_)), "{error}");
    }
    assert!(root(&place).is_empty());
    let sinks = [sink(&place.text("a"), true), sink(&place.text("ab"), true)];
    OutputJob::commit_all(OutputJob::begin_all(&storage, &[(&sinks[0], None), (&sinks[1], None)]).unwrap())
        .unwrap();
    assert_eq!(root(&place), ["a", "ab"]);
    // None begins where one cannot.
    fs::create_dir(place.path("there")).unwrap();
    let sinks = [sink(&place.text("new"), true), sink(&place.text("there"), false)];
    assert!(OutputJob::begin_all(&storage, &[(&sinks[0], None), (&sinks[1], None)]).is_err());
    assert_eq!(root(&place), ["a", "ab", "there"]);
}

#[test]
fn no_target_without_a_name() {
    for path in ["/", "a/..", "hdfs:///a", ""] {
        assert!(OutputJob::begin(storage(), &sink(path, true)).is_err(), "{path}");
    }
}

#[test]
fn left_overs_of_dead_runs_go() {
    let place = Place::new();
    let alive = job(&place, "out", true, "alive");
    let dead = format!(".writing-out-{}", "0".repeat(32));
    let unclaimed = format!(".writing-out-{}", "1".repeat(32));
    let foreign = [".writing-out-notes".to_owned(), format!(".writing-out-b-{}", "2".repeat(32))];
    place.file(&format!("{dead}/owner"), "");
    place.file(&format!("{dead}/parts/part-00000"), "dead");
    fs::create_dir(place.path(&unclaimed)).unwrap();
    for name in &foreign {
        place.file(&format!("{name}/owner"), "");
    }
    drop(begin(&place, "out", true).unwrap());
    let left = root(&place);
    assert!(!left.contains(&dead) && !left.contains(&unclaimed), "{left:?}");
    assert!(foreign.iter().all(|name| left.contains(name)), "{left:?}");
    alive.commit().unwrap();
    assert_eq!(line(&place, "out"), "alive\n");
}

#[test]
fn a_run_that_died_in_its_commit_is_undone() {
    let place = Place::new();
    let dead = format!(".writing-out-{}", "a".repeat(32));
    place.file(&format!("{dead}/owner"), "");
    place.file(&format!("{dead}/old/part-00000"), "old\n");
    assert!(begin(&place, "out", false).is_ok());
    assert_eq!(line(&place, "out"), "old\n");
    assert_eq!(root(&place), ["out"]);
}
