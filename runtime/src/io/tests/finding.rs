//! Which files paths mean.

use std::os::unix::fs::symlink;

use super::{Place, storage};
use crate::error::{Error, Result};
use crate::io::paths::expand;

fn found(place: &Place, paths: &[&str]) -> Result<Vec<String>> {
    let paths: Vec<String> = paths.iter().map(|path| place.text(path)).collect();
    let root = format!("{}/", place.text("").trim_end_matches('/'));
    let files = expand(storage().as_ref(), &paths)?;
    Ok(files.into_iter().map(|file| file.path.replacen(&root, "", 1)).collect())
}

fn a_tree() -> Place {
    let place = Place::new();
    for name in [
        "d/b",
        "d/a.b/x",
        "d/a",
        "d/.hidden",
        "d/_SUCCESS",
        "e/2",
        "e/10",
        "f.txt",
        "g,h.txt",
        "[x]",
        "d1/a",
        "d1.x/a",
    ] {
        place.file(name, name);
    }
    std::fs::create_dir(place.path("empty")).unwrap();
    symlink(place.path("f.txt"), place.path("e/link")).unwrap();
    place
}

#[test]
fn order_and_directories() {
    let place = a_tree();
    assert_eq!(
        found(&place, &["e", "d/", "f.txt", "f.txt"]).unwrap(),
        ["e/10", "e/2", "e/link", "d/a", "d/b", "f.txt", "f.txt"]
    );
    assert_eq!(found(&place, &["g,h.txt", "[x]", "d/_SUCCESS"]).unwrap(), ["g,h.txt", "[x]", "d/_SUCCESS"]);
    assert!(found(&place, &["empty"]).unwrap().is_empty());
    assert_eq!(expand(storage().as_ref(), &[place.text("g,h.txt")]).unwrap()[0].stamp.size, 7);
}

#[test]
fn globs() {
    let place = a_tree();
    assert_eq!(found(&place, &["*.txt"]).unwrap(), ["f.txt", "g,h.txt"]);
    assert_eq!(found(&place, &["d/*"]).unwrap(), ["d/a", "d/a.b/x", "d/b"]);
    assert_eq!(found(&place, &["d/_*"]).unwrap(), ["d/_SUCCESS"]);
    assert_eq!(found(&place, &["?/[ab0-9]*"]).unwrap(), ["d/a", "d/a.b/x", "d/b", "e/10", "e/2"]);
    assert_eq!(found(&place, &["d1*"]).unwrap(), ["d1.x/a", "d1/a"]);
    assert_eq!(found(&place, &["d1*/a"]).unwrap(), ["d1.x/a", "d1/a"]);
    assert!(matches!(found(&place, &["d/[a"]), Err(Error::Data(_))));
}

#[test]
fn what_is_missing_is_named() {
    let place = a_tree();
    for path in ["nothing", "d/*.txt", "nothing/*", "f.txt/*", "d/nothing*/x", "f.txt/x"] {
        let error = found(&place, &["f.txt", path]).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        assert!(error.to_string().contains(&place.text(path)), "{error}");
    }
    // A link to nothing is missing too, however it was found; a hidden one was not.
    symlink(place.path("gone"), place.path("e/_broken")).unwrap();
    assert_eq!(found(&place, &["e"]).unwrap().len(), 3);
    symlink(place.path("gone"), place.path("e/broken")).unwrap();
    for path in ["e/broken", "e", "e/*"] {
        let error = found(&place, &[path]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: a symbolic link", place.text("e/broken"))), "{error}");
    }
}

#[test]
fn schemes() {
    let storage = storage();
    for (path, resolved) in [
        ("/a/b/", "/a/b"),
        ("/", "/"),
        ("//a", "//a"),
        ("file:/a/b", "/a/b"),
        ("file:///a/b/", "/a/b"),
        ("file://localhost/a", "/a"),
        ("/a:/b", "/a:/b"),
    ] {
        assert_eq!(storage.resolve(path).unwrap(), resolved.replace("//", "/"), "{path}");
    }
    let here = std::env::current_dir().unwrap().to_str().unwrap().to_owned();
    for (path, name) in [("a", "a"), ("./a", "a"), ("a:b", "a:b"), ("file:a", "a")] {
        assert_eq!(storage.resolve(path).unwrap(), format!("{here}/{name}"));
    }
    for path in ["hdfs:///a", "s3a://b/c", "hdfs:/a", "", "file:", "file://host/a"] {
        assert!(storage.resolve(path).is_err(), "{path}");
    }
}
