//! Sequence files: what is written is read, cut anywhere, and bytes that are none are errors.

use std::io::Write;
use std::sync::Arc;

use arrow::array::AsArray;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use nestflow_batch::cell::{Cell, Item};

use super::{Place, piece, storage};
use crate::error::{Error, Result};
use crate::io::Split;
use crate::io::sequence::{SequenceReader, SequenceWriter};

type Pair = (Vec<u8>, Vec<u8>);

fn written(pairs: &[Pair]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = SequenceWriter::begin(*b"between records.", &mut bytes);
    assert!(pairs.iter().all(|(key, value)| writer.put(key, value, &mut bytes)));
    bytes
}

fn pairs(count: usize) -> Vec<Pair> {
    (0..count).map(|i| (i.to_string().into_bytes(), vec![i as u8; i * 7 % 300])).collect()
}

fn read(path: &str, bounds: &[u64]) -> Result<Vec<Pair>> {
    let mut found = Vec::new();
    for bounds in bounds.windows(2) {
        let piece = piece(path, bounds[0], bounds[1]);
        let split = Split { index: 0, pieces: vec![piece] };
        for batch in SequenceReader::new(Arc::clone(&storage()), &split, false) {
            for cell in batch?.column(0).as_binary_view().iter() {
                found.push(pair(cell.unwrap()));
            }
        }
    }
    Ok(found)
}

fn pair(cell: &[u8]) -> Pair {
    let Ok(Cell::Tuple(items)) = Cell::read(cell) else { panic!("no tuple") };
    let parts: Vec<Vec<u8>> = items
        .map(|item| match item {
            Ok(Item { cell: Cell::Bytes(bytes), .. }) => bytes.into_owned(),
            other => panic!("no bytes: {other:?}"),
        })
        .collect();
    (parts[0].clone(), parts[1].clone())
}

#[test]
fn written_pairs_are_read_once_wherever_the_file_is_cut() {
    let place = Place::new();
    let pairs = pairs(200);
    let bytes = written(&pairs);
    let size = bytes.len() as u64;
    let path = place.file("a", &bytes);
    assert_eq!(read(&path, &[0, size]).unwrap(), pairs);
    for cut in (1..size).step_by(37) {
        assert_eq!(read(&path, &[0, cut, size]).unwrap(), pairs, "cut at {cut}");
    }
    let many: Vec<u64> = (0..size).step_by(500).chain([size]).collect();
    assert_eq!(read(&path, &many).unwrap(), pairs);
}

/// A file whose values, or blocks, are compressed, as Hadoop would write it.
fn compressed(pairs: &[Pair], codec: &str, blocks: bool, pack: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = b"SEQ\x06".to_vec();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.push(text.len() as u8);
        out.extend_from_slice(text.as_bytes());
    };
    text(&mut bytes, "org.apache.hadoop.io.BytesWritable");
    text(&mut bytes, "org.apache.hadoop.io.BytesWritable");
    bytes.extend_from_slice(&[1, u8::from(blocks)]);
    text(&mut bytes, &format!("org.apache.hadoop.io.compress.{codec}"));
    // One piece of metadata.
    bytes.extend_from_slice(&[0, 0, 0, 1]);
    text(&mut bytes, "who");
    text(&mut bytes, "me");
    bytes.extend_from_slice(&[7; 16]);
    let sized = |part: &[u8]| [&(part.len() as u32).to_be_bytes(), part].concat();
    let number = |out: &mut Vec<u8>, number: usize| {
        // Four bytes follow the first.
        out.push(-116_i8 as u8);
        out.extend_from_slice(&(number as u32).to_be_bytes());
    };
    if blocks {
        bytes.extend_from_slice(&[0xFF; 4]);
        bytes.extend_from_slice(&[7; 16]);
        number(&mut bytes, pairs.len());
        for side in [0, 1] {
            let (mut lengths, mut all) = (Vec::new(), Vec::new());
            for (key, value) in pairs {
                let part = sized(if side == 0 { key } else { value });
                number(&mut lengths, part.len());
                all.extend_from_slice(&part);
            }
            for part in [pack(&lengths), pack(&all)] {
                number(&mut bytes, part.len());
                bytes.extend_from_slice(&part);
            }
        }
        return bytes;
    }
    for (key, value) in pairs {
        let (key, value) = (sized(key), pack(&sized(value)));
        bytes.extend_from_slice(&((key.len() + value.len()) as u32).to_be_bytes());
        bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&key);
        bytes.extend_from_slice(&value);
    }
    bytes
}

#[test]
fn compressed_records_and_blocks() {
    let place = Place::new();
    let pairs = pairs(50);
    let gzip = |bytes: &[u8]| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let zlib = |bytes: &[u8]| {
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    for blocks in [false, true] {
        for bytes in
            [compressed(&pairs, "GzipCodec", blocks, gzip), compressed(&pairs, "DefaultCodec", blocks, zlib)]
        {
            let size = bytes.len() as u64;
            let path = place.file("a", &bytes);
            assert_eq!(read(&path, &[0, size]).unwrap(), pairs);
            assert_eq!(read(&path, &[0, size / 2, size]).unwrap(), pairs);
        }
    }
    let unknown = place.file("a", compressed(&pairs, "SnappyCodec", false, gzip));
    assert!(read(&unknown, &[0, 9999]).unwrap_err().to_string().contains("SnappyCodec"));
    let damaged = place.file("a", compressed(&pairs, "DefaultCodec", true, gzip));
    assert!(matches!(read(&damaged, &[0, 9999]), Err(Error::Data(_) | Error::Io { .. })));
}

#[test]
fn no_records_and_empty_ones() {
    let place = Place::new();
    for pairs in [vec![], vec![(vec![], vec![])]] {
        let bytes = written(&pairs);
        let path = place.file("a", &bytes);
        assert_eq!(read(&path, &[0, bytes.len() as u64]).unwrap(), pairs);
    }
}

#[test]
fn what_is_no_sequence_file_and_what_is_cut_short() {
    let place = Place::new();
    let bytes = written(&pairs(20));
    let error = |bytes: &[u8]| {
        let path = place.file("a", bytes);
        let error = read(&path, &[0, bytes.len() as u64]).unwrap_err();
        assert!(matches!(error, Error::Data(_)), "{error}");
        error.to_string()
    };
    assert!(error(b"one\ntwo\n").ends_with("this is no sequence file"));
    assert!(error(b"SE").ends_with("this is no sequence file"));
    assert!(error(b"SEQ\x04abc").contains("version 4"));
    assert!(error(&bytes[..40]).contains("it ends in the middle of a record"));
    assert!(error(&bytes[..bytes.len() - 1]).contains("it ends in the middle of a record"));
    let mut lengths = bytes.clone();
    let first = bytes.len() - written(&pairs(20)[..0]).len();
    let at = bytes.len() - first;
    lengths[at + 4..at + 8].copy_from_slice(&[0x7F; 4]);
    assert!(error(&lengths).contains("a length of"));
}
