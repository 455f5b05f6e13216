//! Files of parts that are written in place, or by a thread of their own.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use crate::io::NewFile;
use crate::io::part_file::PartFile;

/// What a file was told.
#[derive(Default)]
struct Told {
    bytes: Vec<u8>,
    threads: Vec<ThreadId>,
    finished: bool,
    dropped: bool,
}

/// Keeps what it is told; waits before each write, and fails when there are so many bytes, if it is to.
#[derive(Default)]
struct Telling {
    told: Arc<Mutex<Told>>,
    waits: Option<Receiver<()>>,
    full_at: Option<usize>,
}

impl Write for Telling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(waits) = &self.waits {
            waits.recv().unwrap();
        }
        let mut told = self.told.lock().unwrap();
        if self.full_at.is_some_and(|full| told.bytes.len() >= full) {
            return Err(io::Error::new(ErrorKind::StorageFull, "no room"));
        }
        told.bytes.extend_from_slice(bytes);
        told.threads.push(std::thread::current().id());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Telling {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.told.lock().unwrap().finished = true;
        Ok(())
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.told.lock().unwrap().dropped = true;
    }
}

fn buffer(number: u8) -> Vec<u8> {
    vec![number; 1000]
}

#[test]
fn the_same_is_written_by_a_thread() {
    for (gzip, behind) in [(false, false), (false, true), (true, false), (true, true)] {
        let told = Arc::new(Mutex::new(Told::default()));
        let mut file = Telling::default();
        file.told = told.clone();
        let mut part = PartFile::new(Box::new(file), gzip, behind);
        let mut text = Vec::new();
        for number in 0..20 {
            let mut bytes = buffer(number);
            text.extend_from_slice(&bytes);
            part.write(&mut bytes).unwrap();
            assert!(bytes.is_empty());
        }
        text.extend_from_slice(b"last");
        let (size, crc32c) = part.finish(&mut b"last".to_vec()).unwrap();
        let told = told.lock().unwrap();
        assert!(told.finished && told.dropped);
        assert_eq!((size, crc32c), (told.bytes.len() as u64, crc32c::crc32c(&told.bytes)));
        let mut found = Vec::new();
        match gzip {
            true => drop(flate2::read::GzDecoder::new(&told.bytes[..]).read_to_end(&mut found).unwrap()),
            false => found.clone_from(&told.bytes),
        }
        assert_eq!(found, text);
        let mine = std::thread::current().id();
        if !gzip {
            // The first one decides whether there will be more; the last one comes when the thread has ended.
            let others = told.threads.iter().filter(|thread| **thread != mine).count();
            assert_eq!(others, if behind { 19 } else { 0 });
        }
    }
}

#[test]
fn a_small_part_needs_no_thread() {
    let told = Arc::new(Mutex::new(Told::default()));
    let mut file = Telling::default();
    file.told = told.clone();
    let part = PartFile::new(Box::new(file), false, true);
    assert_eq!(part.finish(&mut buffer(1)).unwrap().0, 1000);
    assert_eq!(told.lock().unwrap().threads, [std::thread::current().id()]);
}

#[test]
fn what_goes_wrong_behind_is_told() {
    for full_at in [0, 1000, 3000] {
        let mut file = Telling::default();
        file.full_at = Some(full_at);
        let mut part = PartFile::new(Box::new(file), false, true);
        let failed = (0..100).find_map(|number| part.write(&mut buffer(number)).err());
        assert_eq!(failed.unwrap().kind(), ErrorKind::StorageFull);
        assert_eq!(part.finish(&mut Vec::new()).unwrap_err().to_string(), "an earlier write has failed");
    }
    // Where it is the last that fails, the end tells.
    let mut file = Telling::default();
    file.full_at = Some(2000);
    let mut part = PartFile::new(Box::new(file), false, true);
    for number in 0..3 {
        part.write(&mut buffer(number)).unwrap();
    }
    assert_eq!(part.finish(&mut Vec::new()).unwrap_err().kind(), ErrorKind::StorageFull);
}

#[test]
fn who_writes_faster_than_the_file_waits() {
    let (go_on, waits) = channel();
    let told = Arc::new(Mutex::new(Told::default()));
    let file = Telling { told: told.clone(), waits: Some(waits), full_at: None };
    let mut part = PartFile::new(Box::new(file), false, true);
    go_on.send(()).unwrap();
    let (wrote, written) = channel();
    let writer = std::thread::spawn(move || {
        for number in 0..10 {
            part.write(&mut buffer(number)).unwrap();
            wrote.send(()).unwrap();
        }
        part.finish(&mut Vec::new()).unwrap();
    });
    // One in place, one that the thread is at, two that wait.
    for _ in 0..4 {
        written.recv().unwrap();
    }
    assert!(written.recv_timeout(Duration::from_millis(100)).is_err());
    (0..9).for_each(|_| go_on.send(()).unwrap());
    writer.join().unwrap();
    assert_eq!(told.lock().unwrap().bytes.len(), 10_000);
}

#[test]
fn a_file_that_is_given_up_is_written_no_more() {
    let told = Arc::new(Mutex::new(Told::default()));
    let mut file = Telling::default();
    file.told = told.clone();
    let mut part = PartFile::new(Box::new(file), false, true);
    (0..3).for_each(|number| part.write(&mut buffer(number)).unwrap());
    drop(part);
    let told = told.lock().unwrap();
    assert!(told.dropped && !told.finished);
}
