//! Lines of splits, against a slow and obvious reader.

use std::fs;
use std::io::Write;

use arrow::array::{Array, AsArray};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::{Place, piece, storage};
use crate::error::{Error, Result};
use crate::io::text_source::Limits;
use crate::io::text_source::{TextEncoding, TextReader};
use crate::io::{Piece, Split};

const SMALL: Limits = Limits { rows: 3, batch_bytes: (4, 16), line_bytes: 40 };

fn whole(path: &str) -> Piece {
    piece(path, 0, fs::metadata(path).unwrap().len())
}

/// The cells of the pieces; batches keep to the limits.
fn cells(pieces: Vec<Piece>, encoding: TextEncoding, limits: Limits) -> Result<Vec<Vec<u8>>> {
    let split = Split { index: 0, pieces };
    let mut cells = Vec::new();
    for batch in TextReader::with_limits(storage(), &split, encoding, limits) {
        let batch = batch?;
        assert_eq!(batch.schema(), TextReader::schema());
        assert!(batch.num_rows() > 0 && batch.num_rows() <= limits.rows);
        let column = batch.column(0).as_binary_view();
        assert_eq!(column.null_count(), 0);
        cells.extend(column.iter().flatten().map(<[u8]>::to_vec));
    }
    Ok(cells)
}

fn lines(pieces: Vec<Piece>, limits: Limits) -> Vec<Vec<u8>> {
    let cells = cells(pieces, TextEncoding::Bytes, limits).unwrap();
    cells.into_iter().map(|cell| cell.strip_prefix(b"\x21").unwrap().to_vec()).collect()
}

/// What the lines of a text are, the slow way.
fn expected(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    for line in &mut lines {
        if let Some(ended) = line.strip_suffix(b"\n") {
            *line = ended.strip_suffix(b"\r").unwrap_or(ended);
        }
    }
    lines.into_iter().map(<[u8]>::to_vec).collect()
}

fn strings(lines: &[Vec<u8>]) -> Vec<String> {
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

#[test]
fn ends_of_lines() {
    let place = Place::new();
    for text in
        ["", "\n", "\r\n", "\r", "a", "a\n", "a\r\n", "a\r", "a\n\nb", "a\rb\r\r\nc\0d", "\n\n", "\r\n\r\n\r"]
    {
        let path = place.file("a.txt", text);
        for limits in [SMALL, Limits::default()] {
            assert_eq!(lines(vec![whole(&path)], limits), expected(text.as_bytes()), "{text:?}");
        }
    }
}

#[test]
fn short_and_long_cells() {
    let place = Place::new();
    let all: Vec<String> =
        (0..300).map(|n| "abcdefghijklmnopqrstuvwxyzäöü€".chars().cycle().take(n % 40).collect()).collect();
    let path = place.file("a.txt", all.join("\n"));
    let read = cells(vec![whole(&path)], TextEncoding::Utf8Strict, Limits::default()).unwrap();
    let read: Vec<_> =
        read.iter().map(|cell| std::str::from_utf8(cell.strip_prefix(b" ").unwrap()).unwrap()).collect();
    assert_eq!(read, all);
}

#[test]
fn more_rows_than_a_batch_holds() {
    let place = Place::new();
    let text: String = (0..30_000).map(|n| format!("line {n} {}\n", "x".repeat(n % 100))).collect();
    let path = place.file("a.txt", &text);
    let split = Split { index: 0, pieces: vec![whole(&path)] };
    let batches: Vec<_> =
        TextReader::new(storage(), &split, TextEncoding::Utf8).map(|b| b.unwrap()).collect();
    assert_eq!(batches.iter().map(|b| b.num_rows()).sum::<usize>(), 30_000);
    assert!(batches.len() <= 6, "{}", batches.len());
    assert_eq!(lines(vec![whole(&path)], Limits::default()), expected(text.as_bytes()));
}

#[test]
fn many_small_files_share_batches() {
    let place = Place::new();
    let mut pieces = Vec::new();
    let mut all = Vec::new();
    for n in 0..100 {
        // Without a newline at their ends.
        let text = format!("{n}\nthe second line of {n}");
        all.extend(expected(text.as_bytes()));
        pieces.push(whole(&place.file(&format!("{n:03}.txt"), text)));
    }
    assert_eq!(lines(pieces.clone(), SMALL), all);
    assert_eq!(lines(pieces.clone(), Limits::default()), all);
    let batches = TextReader::new(storage(), &Split { index: 0, pieces }, TextEncoding::Utf8);
    assert_eq!(batches.count(), 1);
}

#[test]
fn the_longest_line() {
    let place = Place::new();
    for end in ["", "\n", "\r\n"] {
        for before in ["", "x\n"] {
            let text = format!("{before}{}{end}", "a".repeat(40));
            let path = place.file("a.txt", &text);
            assert_eq!(lines(vec![whole(&path)], SMALL), expected(text.as_bytes()));
            let path = place.file("b.txt", format!("{before}{}{end}", "a".repeat(41)));
            let error = cells(vec![whole(&path)], TextEncoding::Utf8, SMALL).unwrap_err().to_string();
            let at = before.len();
            assert_eq!(error, format!("{path}: the line at byte {at} is longer than 40 bytes"), "{end:?}");
        }
    }
}

#[test]
fn a_very_long_line_by_default() {
    let place = Place::new();
    let path = place.file("a.txt", [b"first\n".as_slice(), &vec![b'x'; 64 << 20], b"\r\nlast"].concat());
    let read = lines(vec![whole(&path)], Limits::default());
    assert_eq!(read.iter().map(Vec::len).collect::<Vec<_>>(), [5, 64 << 20, 4]);
}

#[test]
fn undecodable_bytes() {
    let place = Place::new();
    let path = place.file(
        "a.txt",
        b"good\n\xFFshort\nstill good \xC3\xA4\r\nlonger than a view \xE4\xED\xA0\x80\xF0\x9F\n",
    );
    let read = cells(vec![whole(&path)], TextEncoding::Utf8, Limits::default()).unwrap();
    let expected: [&[u8]; 4] = [
        b" good",
        b" \xED\xB3\xBFshort",
        b" still good \xC3\xA4",
        b" longer than a view \xED\xB3\xA4\xED\xB3\xAD\xED\xB2\xA0\xED\xB2\x80\xED\xB3\xB0\xED\xB2\x9F",
    ];
    assert_eq!(read, expected);
    assert_eq!(cells(vec![whole(&path)], TextEncoding::Utf8, SMALL).unwrap(), expected);

    let error = cells(vec![whole(&path)], TextEncoding::Utf8Strict, Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("{path}: the line at byte 5 is not UTF-8"));
    assert!(matches!(error, Error::Data(_)));
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn gzip_of_several_members() {
    let place = Place::new();
    let bytes = [gzip(b"one\ntw"), gzip(b""), gzip(b"o\r\nthree")].concat();
    let path = place.file("a.gz", bytes);
    for limits in [SMALL, Limits::default()] {
        assert_eq!(strings(&lines(vec![whole(&path)], limits)), ["one", "two", "three"]);
    }
    let plain = place.file("b.txt", "four");
    assert_eq!(strings(&lines(vec![whole(&path), whole(&plain), whole(&path)], SMALL)).len(), 7);
}

#[test]
fn gzip_padded_with_zeros() {
    let place = Place::new();
    for zeros in [1, 100, 200_000] {
        let bytes = [gzip(b"one\ntw"), vec![0; zeros], gzip(b"o\n"), vec![0; zeros]].concat();
        let path = place.file("a.GZ", bytes);
        assert_eq!(strings(&lines(vec![whole(&path)], SMALL)), ["one", "two"]);
    }
    let path = place.file("a.gz", [gzip(b"one\n"), vec![0; 9], b"no gzip".to_vec()].concat());
    assert!(matches!(cells(vec![whole(&path)], TextEncoding::Utf8, SMALL), Err(Error::Data(_))));
}

#[test]
fn damaged_gzip() {
    let place = Place::new();
    let text: String =
        (0..200_000).map(|n: u64| format!("{}\n", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let good = gzip(text.as_bytes());
    let mut flipped = good.clone();
    let end = flipped.len() - 6;
    flipped[end] ^= 1;
    let cut = good[..good.len() / 2].to_vec();
    for bytes in
        [cut, good[..good.len() - 3].to_vec(), flipped, b"no gzip at all".to_vec(), b"\x1f\x8b".to_vec()]
    {
        let path = place.file("a.gz", bytes);
        let error = cells(vec![whole(&path)], TextEncoding::Utf8, Limits::default()).unwrap_err();
        assert!(matches!(error, Error::Data(_)), "{error}");
        assert!(
            error.to_string().starts_with(&format!("{path}: damaged or cut off gzip file, near byte ")),
            "{error}"
        );
    }
}

#[test]
fn a_reader_ends_after_an_error() {
    let place = Place::new();
    let bad = place.file("a.txt", b"\xFF\n");
    let good = place.file("b.txt", "b\n");
    let split = Split { index: 0, pieces: vec![whole(&bad), whole(&good)] };
    let mut reader = TextReader::new(storage(), &split, TextEncoding::Utf8Strict);
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

#[test]
fn files_that_change() {
    let place = Place::new();
    let path = place.file("a.txt", "one\ntwo\n");
    let error = cells(vec![piece(&path, 0, 100)], TextEncoding::Utf8, SMALL).unwrap_err().to_string();
    assert_eq!(error, format!("{path}: the file became shorter than 100 bytes while it was read"));
    // What came after the run began is not read, but a line that had begun is read whole.
    assert_eq!(strings(&lines(vec![piece(&path, 0, 4)], SMALL)), ["one"]);
    assert_eq!(strings(&lines(vec![piece(&path, 0, 5)], SMALL)), ["one", "two"]);
    let before = piece(&path, 0, 4);
    let read = |piece: &Piece| cells(vec![piece.clone()], TextEncoding::Utf8, SMALL);
    fs::write(&path, "one\ntwo\nthree\n").unwrap();
    let error = read(&before).unwrap_err();
    assert!(matches!(error, Error::Data(_)));
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("{path}: the file has changed since the run began: it had 8 bytes")),
        "{text}"
    );
    assert!(text.contains("and has 14 (version"), "{text}");
    // Another content of the same size.
    let before = piece(&path, 0, 4);
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3)).unwrap();
    assert!(matches!(read(&before), Err(Error::Data(_))));
    fs::remove_file(&path).unwrap();
    assert!(matches!(read(&before), Err(Error::Io { .. })));
}

/// Text with many newlines, some carriage returns, some bytes that are not UTF-8.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(b'\n'), 2 => Just(b'\r'), 8 => b'a'..=b'z', 1 => any::<u8>()];
    proptest::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn cut_anywhere(text in any_text(), cuts in proptest::collection::vec(0_u64..200, 0..6), rows in 1_usize..9, bytes in 1_usize..64) {
        let place = Place::new();
        let path = place.file("a.txt", &text);
        let size = text.len() as u64;
        let limits = Limits { rows, batch_bytes: (1, bytes), line_bytes: 1000 };
        let mut cuts: Vec<u64> = cuts.into_iter().map(|cut| cut.min(size)).chain([0, size]).collect();
        cuts.sort_unstable();
        let mut read = Vec::new();
        for range in cuts.windows(2).filter(|range| range[0] < range[1]) {
            read.extend(lines(vec![piece(&path, range[0], range[1])], limits));
        }
        prop_assert_eq!(&read, &expected(&text));
        // The same as pieces of one split.
        let pieces = cuts.windows(2).filter(|r| r[0] < r[1]).map(|r| piece(&path, r[0], r[1])).collect();
        prop_assert_eq!(&lines(pieces, limits), &expected(&text));
    }

    #[test]
    fn every_single_cut(text in any_text()) {
        let place = Place::new();
        let path = place.file("a.txt", &text);
        let size = text.len() as u64;
        for cut in 1..size {
            let mut read = lines(vec![piece(&path, 0, cut)], Limits::default());
            read.extend(lines(vec![piece(&path, cut, size)], Limits::default()));
            prop_assert_eq!(&read, &expected(&text), "cut at {}", cut);
        }
    }

    #[test]
    fn what_is_read_as_text_is_written_as_it_was(text in any_text()) {
        let place = Place::new();
        let path = place.file("a.txt", &text);
        let read = cells(vec![whole(&path)], TextEncoding::Utf8, SMALL);
        for (cell, line) in read.unwrap_or_default().iter().zip(expected(&text)) {
            let mut out = Vec::new();
            crate::io::python_text::put_str(&mut out, &cell[1..]).unwrap();
            prop_assert_eq!(out, line);
        }
    }
}
