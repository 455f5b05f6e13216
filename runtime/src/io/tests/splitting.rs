//! How files are shared out.

use crate::io::paths::SourceFile;
use crate::io::storage::Stamp;
use crate::io::{Split, plan_splits};

const MB: u64 = 1 << 20;

fn file(path: &str, size: u64) -> SourceFile {
    SourceFile { path: path.into(), stamp: Stamp { size, version: String::new() }, of_client: true }
}

fn plan(files: &[(&str, u64)], target: u64, least: usize) -> Vec<String> {
    let files: Vec<_> = files.iter().map(|&(path, size)| file(path, size)).collect();
    plan_splits(&files, target, least).iter().map(show).collect()
}

fn show(split: &Split) -> String {
    let pieces = split.pieces.iter().map(|piece| format!("{} {}-{}", piece.path, piece.start, piece.end));
    format!("{}: {}", split.index, pieces.collect::<Vec<_>>().join(", "))
}

#[test]
fn a_big_file_is_cut() {
    assert_eq!(plan(&[("a", 10)], 4, 1), ["0: a 0-4", "1: a 4-8", "2: a 8-10"]);
    assert_eq!(plan(&[("a", 4 * MB)], 64 * MB, 2), ["0: a 0-2097152", "1: a 2097152-4194304"]);
    // Not for next to nothing.
    assert_eq!(plan(&[("a", 1000)], 64 * MB, 16), ["0: a 0-1000"]);
    for name in ["a.gz", "a.GZ", ".gz"] {
        assert_eq!(plan(&[(name, 100 * MB)], 64 * MB, 16), [format!("0: {name} 0-104857600")]);
    }
    assert_eq!(plan(&[("gz", 100 * MB)], 64 * MB, 1).len(), 2);
}

#[test]
fn small_files_share_a_split() {
    let names: Vec<String> = (0..1000).map(|n| format!("{n:04}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 1000)).collect();
    let splits = plan(&files, 64 * MB, 2);
    assert!((2..50).contains(&splits.len()), "{}", splits.len());
    assert_eq!(plan(&[("a", 3), ("b", 0), ("c", 4)], 64 * MB, 1), ["0: a 0-3, c 0-4"]);
    assert_eq!(plan(&[("a", MB), ("b", MB), ("c", MB)], 64 * MB, 2).len(), 3);
}

#[test]
fn nothing_is_one_split_of_nothing() {
    assert_eq!(plan(&[], 64 * MB, 4), ["0: "]);
    assert_eq!(plan(&[("a", 0)], 64 * MB, 4), ["0: "]);
}

#[test]
fn every_byte_is_in_one_split() {
    for sizes in [vec![1], vec![MB, 3, 7 * MB, 0, 100], vec![123_457; 30], vec![90 * MB + 1, 5]] {
        for (target, least) in [(64 * MB, 1), (64 * MB, 8), (100_000, 3), (1 << 16, 1)] {
            let files: Vec<_> =
                sizes.iter().enumerate().map(|(n, &size)| file(&n.to_string(), size)).collect();
            let splits = plan_splits(&files, target, least);
            let mut pieces = splits.iter().flat_map(|split| &split.pieces).peekable();
            for file in files.iter().filter(|file| file.stamp.size > 0) {
                let mut at = 0;
                while let Some(piece) = pieces.next_if(|piece| piece.path == file.path) {
                    assert_eq!(piece.start, at);
                    at = piece.end;
                }
                assert_eq!(at, file.stamp.size);
            }
            assert!(pieces.next().is_none());
        }
    }
}
