//! Where a task is best run: on the machines that have most of the bytes that it reads, as far as their
//! file system says. A hint: without it, tasks run anywhere.

use std::collections::HashMap;

use crate::io::{Piece, Storage};

/// So many files of a run are asked about: a question takes a millisecond, and of many small files it does
/// not matter much.
const MOST_FILES: usize = 1000;
/// A machine that has less of a task's bytes than this part is no better than another.
const WORTH: u64 = 4;
/// Names of machines that a task gets.
const MOST_HOSTS: usize = 3;
/// What file systems without machines say.
const NOWHERE: &str = "localhost";

type Places = Vec<(u64, u64, Vec<String>)>;

/// Asks about each file once.
pub struct Hosts<'a> {
    storage: &'a dyn Storage,
    known: HashMap<String, Places>,
}

impl<'a> Hosts<'a> {
    /// Nothing is asked yet.
    pub fn new(storage: &'a dyn Storage) -> Hosts<'a> {
        Hosts { storage, known: HashMap::new() }
    }

    /// The best machines for a task that reads these pieces, the best first.
    pub fn of<'p>(&mut self, pieces: impl Iterator<Item = &'p Piece>) -> Vec<String> {
        let (mut all, mut held) = (0, HashMap::<String, u64>::new());
        for piece in pieces {
            all += piece.end - piece.start;
            for (from, to, hosts) in self.places(&piece.path) {
                let here = piece.end.min(*to).saturating_sub(piece.start.max(*from));
                for host in hosts.iter().filter(|host| here > 0 && *host != NOWHERE) {
                    *held.entry(host.clone()).or_default() += here;
                }
            }
        }
        let mut best: Vec<_> = held.into_iter().filter(|(_, bytes)| *bytes >= all / WORTH).collect();
        best.sort_by(|(a, more), (b, less)| less.cmp(more).then_with(|| a.cmp(b)));
        best.into_iter().take(MOST_HOSTS).map(|(host, _)| host).collect()
    }

    fn places(&mut self, path: &str) -> &[(u64, u64, Vec<String>)] {
        // Stores of objects are nowhere, and asking them takes long.
        if !self.known.contains_key(path)
            && (self.known.len() >= MOST_FILES || !self.storage.renames_at_once(path))
        {
            return &[];
        }
        self.known.entry(path.to_owned()).or_insert_with(|| {
            self.storage.places(path).unwrap_or_else(|error| {
                tracing::debug!(%error, "nobody says where a file lies");
                Vec::new()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::error::{Error, Result};
    use crate::io::storage::Stamp;
    use crate::io::{Link, RemoteStorage};

    struct Told(Mutex<Vec<String>>);

    impl Link for Told {
        fn ask(&self, operation: &str, path: &str, _: &str) -> Result<Option<String>> {
            assert_eq!(operation, "hosts");
            self.0.lock().unwrap().push(path.to_owned());
            match path {
                "far://x/a" => {
                    Ok(Some(r#"[[0, 50, ["one", "two"]], [50, 100, ["two", "localhost"]]]"#.into()))
                }
                "far://x/b" => Ok(Some(r#"[[0, 1000, ["three"]]]"#.into())),
                _ => Err(Error::Interrupted),
            }
        }
    }

    fn piece(path: &str, start: u64, end: u64) -> Piece {
        Piece { path: path.into(), start, end, stamp: Stamp::default(), of_client: false, copy: None }
    }

    #[test]
    fn the_machines_with_most_bytes_come_first() {
        let storage = RemoteStorage::new(Told(Mutex::default()));
        let mut hosts = Hosts::new(&storage);
        let mut of = |pieces: &[Piece]| hosts.of(pieces.iter());
        assert_eq!(of(&[piece("far://x/a", 0, 100)]), ["two", "one"]);
        assert_eq!(of(&[piece("far://x/a", 60, 100)]), ["two"]);
        // What is little beside the rest does not count.
        assert_eq!(of(&[piece("far://x/a", 0, 100), piece("far://x/b", 0, 1000)]), ["three"]);
        assert!(of(&[]).is_empty());
        // Nobody knows, nobody is asked.
        assert!(of(&[piece("far://x/c", 0, 9), piece("s3a://x/a", 0, 9), piece("/here", 0, 9)]).is_empty());
    }
}
