//! A file system that is reached by texts: here, a folder that goes by another scheme.

use std::fs;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, BinaryViewArray};
use serde_json::{Value, json};

use super::committing::sink;
use super::{Place, names};
use crate::error::{Error, Result};
use crate::io::paths::expand;
use crate::io::storage::{ClaimMode, Entry, EntryKind};
use crate::io::text_source::{TextEncoding, TextReader};
use crate::io::{
    DataLink, Files, Link, LocalStorage, NewFile, OutputJob, ReadAt, RemoteStorage, Split, Storage,
    plan_splits, refused,
};
use crate::plan::logical::{FileSink, SinkForm};

type Asked = Arc<Mutex<Vec<String>>>;

/// `far://x/a` is the file `a` of the folder; and what was asked.
struct Far {
    folder: String,
    /// What becomes of a file named so as soon as it is opened.
    replaced: Option<(&'static str, &'static str)>,
    asked: Asked,
}

impl Far {
    fn near(&self, path: &str) -> String {
        path.replace("far://x", &self.folder)
    }

    fn described(&self, entry: &Entry) -> Value {
        json!({
            "directory": entry.kind == EntryKind::Directory,
            "size": entry.stamp.size,
            "version": entry.stamp.version,
            "path": entry.path.replace(&self.folder, "far://x"),
        })
    }
}

impl Link for Far {
    fn ask(&self, operation: &str, path: &str, other: &str) -> Result<Option<String>> {
        self.asked.lock().unwrap().push(operation.into());
        let near = self.near(path);
        Ok(match operation {
            "resolve" => Some(format!("{path}/")),
            "home" => Some((path == "far://x/home").to_string()),
            "stat" => LocalStorage.stat(&near)?.map(|entry| self.described(&entry).to_string()),
            "list" => {
                let entries = LocalStorage.list(&near)?;
                Some(Value::from_iter(entries.iter().map(|entry| self.described(entry))).to_string())
            }
            "hosts" => Some(json!([[0, 3, ["one", "two"]], [3, 9, ["two", "localhost"]]]).to_string()),
            "checksums" => {
                let files = LocalStorage.list(&near)?;
                let sum = |entry: &Entry| crc32c::crc32c(&fs::read(&entry.path).unwrap());
                let sums = files.iter().map(|entry| (entry.name().to_owned(), json!(sum(entry))));
                Some(Value::from_iter(sums).to_string())
            }
            "create_directory" => LocalStorage.create_directory(&near).map(|()| None)?,
            "rename" => LocalStorage.rename(&near, &self.near(other)).map(|()| None)?,
            "remove_tree" => LocalStorage.remove_tree(&near).map(|()| None)?,
            "remove_empty" => LocalStorage.remove_empty(&near).map(|()| None)?,
            "copy" => LocalStorage.copy(&near, &self.near(other)).map(|()| None)?,
            "elsewhere" => {
                let folder = format!("{path}/temporary");
                LocalStorage.create_directory(&self.near(&folder))?;
                Some(folder)
            }
            "claim" => (other == "create").then(|| "7".into()),
            "release" => (other == "7").then(String::new),
            other => panic!("{other} of {path}"),
        })
    }
}

impl DataLink for Far {
    fn open(&self, path: &str) -> Result<Box<dyn ReadAt>> {
        let near = self.near(path);
        if let Some((_, text)) = self.replaced.filter(|(name, _)| path.ends_with(name)) {
            // Just before, as it seems to who looked before.
            fs::write(&near, text).unwrap();
        }
        LocalStorage.open(&near).map(|(file, _)| file)
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        LocalStorage.create(&self.near(path))
    }
}

fn far(place: &Place) -> RemoteStorage<Far> {
    listened(place, &Asked::default())
}

fn listened(place: &Place, asked: &Asked) -> RemoteStorage<Far> {
    let folder = place.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    RemoteStorage::new(Far { folder, asked: Arc::clone(asked), replaced: None })
}

#[test]
fn a_path_without_a_scheme_is_of_this_machine() {
    let place = Place::new();
    let here = std::env::current_dir().unwrap().join("a").to_str().unwrap().to_owned();
    for (path, resolved) in [
        ("a", here.as_str()),
        ("/a", "/a"),
        ("file:/a/", "/a"),
        ("far://x/a", "far://x/a"),
        ("far://x/", "far://x"),
    ] {
        assert_eq!(far(&place).resolve(path).unwrap(), resolved);
    }
}

#[test]
fn what_is_local_is_not_asked_for() {
    let place = Place::new();
    let asked = Asked::default();
    let storage = listened(&place, &asked);
    let path = place.file("dir/a", "one\n");
    assert_eq!(storage.stat(&path).unwrap(), LocalStorage.stat(&path).unwrap());
    assert_eq!(storage.list(&place.text("dir")).unwrap().len(), 1);
    assert_eq!(storage.open(&path).unwrap().1.size, 4);
    storage.create(&place.text("dir/b")).unwrap().finish().unwrap();
    storage.rename(&place.text("dir/b"), &place.text("dir/c")).unwrap();
    storage.create_directory(&place.text("dir/d")).unwrap();
    storage.remove_empty(&place.text("dir/d")).unwrap();
    storage.remove_tree(&place.text("dir/c")).unwrap();
    assert!(storage.claim(&path, ClaimMode::Create).unwrap().is_some());
    assert!(storage.renames_at_once(&path) && !storage.is_home(&path));
    assert_eq!(names(&place.path("dir")), ["a"]);
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn files_far_away_are_found_cut_and_read_as_here() {
    let place = Place::new();
    let storage = far(&place);
    for name in ["in/b.txt", "in/a.txt", "in/_c.txt", "in/more/d.txt"] {
        place.file(name, format!("of {name}\n"));
    }
    let found = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| format!("far://x/{path}")).collect();
        expand(&storage, &paths)
    };
    let files = found(&["in", "in/*/*", "in/_c.txt"]).unwrap();
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    let wanted = ["in/a.txt", "in/b.txt", "in/more/d.txt", "in/_c.txt"].map(|name| format!("far://x/{name}"));
    assert_eq!(paths, wanted);
    for (path, text) in [("in/e.txt", "no such file or directory"), ("in/*.md", "no file matches")] {
        assert_eq!(found(&[path]).unwrap_err().to_string(), format!("far://x/{path}: {text}"));
    }
    let [split] = &plan_splits(&files, 1 << 20, 1)[..] else { panic!("one split") };
    let storage = Arc::new(storage);
    let read = |split: &Split| {
        TextReader::new(storage.clone(), split, TextEncoding::Utf8)
            .map(|batch| Ok(batch?.column(0).as_binary_view().iter().flatten().count()))
            .sum::<Result<usize>>()
    };
    assert_eq!(read(split).unwrap(), 4);
    fs::write(place.path("in/more/d.txt"), "of another\n").unwrap();
    let error = read(split).unwrap_err().to_string();
    assert!(error.starts_with("far://x/in/more/d.txt: the file has changed"), "{error}");
    fs::remove_file(place.path("in/more/d.txt")).unwrap();
    assert_eq!(read(split).unwrap_err().to_string(), "far://x/in/more/d.txt: no such file");
}

#[test]
fn a_file_that_is_replaced_while_it_is_opened_is_not_read() {
    let place = Place::new();
    place.file("a", "what was planned\n");
    let files = expand(&far(&place), &["far://x/a".to_owned()]).unwrap();
    let [split] = &plan_splits(&files, 1 << 20, 1)[..] else { panic!("one split") };
    let folder = place.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let asked = Asked::default();
    let replaced = Some(("a", "what came in its place, another text\n"));
    let storage = RemoteStorage::new(Far { folder, asked, replaced });
    let read: Result<Vec<_>> = TextReader::new(Arc::new(storage), split, TextEncoding::Utf8).collect();
    let error = read.unwrap_err().to_string();
    assert!(
        error.starts_with("far://x/a: the file has changed since the run began: it had 17 bytes"),
        "{error}"
    );
}

#[test]
fn where_files_lie_and_what_is_known_of_them() {
    let place = Place::new();
    let storage = far(&place);
    assert_eq!(storage.places("far://x/a").unwrap()[1], (3, 9, vec!["two".into(), "localhost".into()]));
    let path = place.file("b", "123456789");
    assert_eq!(storage.checksums("far://x").unwrap()["b"], 0xe306_9283);
    assert!(storage.places(&path).unwrap().is_empty() && storage.checksums(&path).unwrap().is_empty());
}

#[test]
fn a_part_that_was_damaged_is_not_committed() {
    let place = Place::new();
    let storage: Arc<RemoteStorage<Far>> = Arc::new(far(&place));
    let form = SinkForm::Text { delimiter: b"\n".into(), gzip: false, encode: None };
    let path = "far://x/out".into();
    let sink =
        FileSink { path, overwrite: true, form, parts: None, partition: None, sort: None, behind: true };
    for damaged in [false, true] {
        let mut job = OutputJob::begin(storage.clone(), &sink).unwrap();
        let mut writer = job.output().part_writer(storage.clone(), 0).unwrap();
        writer.write(&BinaryViewArray::from_iter_values([" text"])).unwrap();
        let written = writer.finish().unwrap();
        let working =
            names(&place.path("")).into_iter().find(|name| name.starts_with(".writing-out")).unwrap();
        let file = place.path(&working).join("attempts").join(&written.attempt);
        assert_eq!(fs::read(&file).unwrap(), b"text\n");
        if damaged {
            fs::write(&file, b"tixt\n").unwrap();
        }
        job.take(1, vec![written]).unwrap();
        match job.commit() {
            Ok(()) => assert!(!damaged),
            Err(error) => {
                let text = error.to_string();
                assert!(damaged && text.contains("has written part 0 with the checksum"), "{text}");
            }
        }
        assert_eq!(fs::read(place.path("out/part-00000")).unwrap(), b"text\n");
    }
}

#[test]
fn what_is_made_far_away() {
    let place = Place::new();
    let asked = Asked::default();
    let storage = listened(&place, &asked);
    storage.create_directory("far://x/a/b").unwrap();
    let mut file = storage.create("far://x/a/b/c").unwrap();
    file.write_all(b"text").unwrap();
    file.finish().unwrap();
    storage.rename("far://x/a/b", "far://x/d").unwrap();
    assert_eq!(fs::read(place.path("d/c")).unwrap(), b"text");
    storage.remove_empty("far://x/d").unwrap();
    storage.remove_empty("far://x/a").unwrap();
    assert_eq!(names(&place.path("")), ["d"]);
    storage.remove_tree("far://x/d").unwrap();
    assert!(names(&place.path("")).is_empty());
    assert!(storage.is_home("far://x/home") && !storage.is_home("far://x/a"));
    assert!(storage.renames_at_once("far://x/a") && !storage.renames_at_once("s3a://b/a"));

    assert!(storage.claim("far://x/a", ClaimMode::Abandoned).unwrap().is_none());
    let claim = storage.claim("far://x/a", ClaimMode::Create).unwrap();
    assert_eq!(asked.lock().unwrap().last().unwrap(), "claim");
    drop(claim);
    assert_eq!(asked.lock().unwrap().last().unwrap(), "release");
}

#[test]
fn what_only_this_machine_is_to_have_is_written_elsewhere() {
    let place = Place::new();
    let storage = Arc::new(far(&place).with_copies("far://x/tmp").unwrap());
    let sink = sink(&place.text("out"), true);
    for text in ["one", "two"] {
        let mut job = OutputJob::begin(storage.clone(), &sink).unwrap();
        assert!(job.output().attempts().starts_with("far://x/tmp/temporary/attempts-"));
        let mut writer = job.output().part_writer(storage.clone(), 0).unwrap();
        writer.write(&BinaryViewArray::from_iter_values([format!(" {text}")])).unwrap();
        job.take(1, vec![writer.finish().unwrap()]).unwrap();
        job.commit().unwrap();
        assert_eq!(fs::read_to_string(place.path("out/part-00000")).unwrap(), format!("{text}\n"));
    }
    drop(OutputJob::begin(storage, &sink).unwrap());
    assert!(names(&place.path("tmp/temporary")).is_empty());
    assert_eq!(names(&place.path("")), ["out", "tmp"]);
    // Where that is of this machine too, tasks see all of it.
    for folder in ["file:/tmp", "/tmp"] {
        assert!(far(&place).with_copies(folder).unwrap().elsewhere().unwrap().is_none());
    }
}

#[test]
fn what_every_machine_has_is_written_there() {
    let place = Place::new();
    let storage: Arc<dyn Storage> = Arc::new(far(&place).with_copies("far://x/tmp").unwrap());
    let path = place.text("out");
    let attempts = |sink| OutputJob::begin(storage.clone(), &sink).unwrap().output().attempts().to_owned();
    assert!(attempts(sink(&format!("file:{path}"), true)).starts_with(&place.text(".writing-out-")));
    assert!(attempts(sink(&path, true)).starts_with("far://x/tmp/temporary/"));
    // What is read, likewise: by the path that the user wrote.
    let path = place.file("a", "one\n");
    for (path, of_client) in [(format!("file:{path}"), false), (path, true)] {
        let files = expand(storage.as_ref(), &[path]).unwrap();
        assert_eq!(plan_splits(&files, 1 << 20, 1)[0].pieces[0].of_client, of_client);
    }
}

#[test]
fn texts_of_failures() {
    for (text, kind) in [
        ("missing:a: b", ErrorKind::NotFound),
        ("denied:a: b", ErrorKind::PermissionDenied),
        ("exists:a: b", ErrorKind::AlreadyExists),
        ("other:a: b", ErrorKind::Other),
    ] {
        let error = refused(text).unwrap();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, "a: b"));
    }
    assert!(refused("java.lang.Error: x").is_none() && refused("missing").is_none());
    let error = Error::Io { path: "far://x/a".into(), source: refused("denied:Permission denied").unwrap() };
    assert_eq!(error.to_string(), "far://x/a: Permission denied");
}
