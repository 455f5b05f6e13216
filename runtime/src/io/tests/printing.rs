//! Parts as text, as Python's `str` has it.

#![allow(clippy::excessive_precision, reason = "what is printed is compared digit by digit")]

use std::fs;
use std::io::Read;

use arrow::array::BinaryViewArray;
use flate2::read::MultiGzDecoder;
use nestflow_batch::{put, tag};

use super::{Place, names, storage};
use crate::error::{Error, Result};
use crate::io::python_text::{put_bytes, put_float, put_str};
use crate::io::text_sink::{TaskOutput, Written, natively_printable};
use crate::plan::logical::SinkForm;

fn float(value: f64) -> String {
    let mut out = Vec::new();
    put_float(&mut out, value);
    String::from_utf8(out).unwrap()
}

#[test]
fn floats() {
    // As `repr` of CPython 3.11 prints them.
    for (value, text) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (100.0, "100.0"),
        (123456.789, "123456.789"),
        (1e15, "1000000000000000.0"),
        (9999999999999998.0, "9999999999999998.0"),
        (1e16, "1e+16"),
        (1.5e16, "1.5e+16"),
        (1e22, "1e+22"),
        (1.2345e100, "1.2345e+100"),
        (0.0001, "0.0001"),
        (0.00012345, "0.00012345"),
        (0.00001, "1e-05"),
        (1.5e-5, "1.5e-05"),
        (869749164794039.25, "869749164794039.2"),
        (89402178562937.625, "89402178562937.62"),
        (89402178562937.875, "89402178562937.88"),
        (5e-324, "5e-324"),
        (2.2250738585072014e-308, "2.2250738585072014e-308"),
        (f64::MAX, "1.7976931348623157e+308"),
        (9007199254740993.0, "9007199254740992.0"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
        (-f64::NAN, "nan"),
    ] {
        assert_eq!(float(value), text);
    }
}

#[test]
fn bytes() {
    for (value, text) in [
        (b"".as_slice(), "b''"),
        (b"abc", "b'abc'"),
        (b"it's", "b\"it's\""),
        (b"'\"", "b'\\'\"'"),
        (b"\"", "b'\"'"),
        (b"\t\n\r\\\x00\x7f\xff", "b'\\t\\n\\r\\\\\\x00\\x7f\\xff'"),
    ] {
        let mut out = Vec::new();
        put_bytes(&mut out, value);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}

#[test]
fn text() {
    let str = |text: &[u8]| {
        let mut out = Vec::new();
        put_str(&mut out, text).map(|()| out)
    };
    // U+DCFF, U+DC80, then the last Hangul syllable and the one that begins U+D000.
    assert_eq!(str(b"a\xED\xB3\xBF\xED\xB2\x80b").unwrap(), b"a\xFF\x80b");
    assert_eq!(str("\u{D7A3}\u{D000}".as_bytes()).unwrap(), "\u{D7A3}\u{D000}".as_bytes());
    assert_eq!(str(b"\xED\xA0\x80"), Err(0xD800));
    assert_eq!(str(b"\xED\xB1\xBF"), Err(0xDC7F));
    // A cell that is cut off stays as it is.
    assert_eq!(str(b"\xED\xB2").unwrap(), b"\xED\xB2");
}

fn output(place: &Place, delimiter: &[u8], gzip: bool) -> TaskOutput {
    fs::create_dir_all(place.path("attempts")).unwrap();
    TaskOutput {
        attempts: place.text("attempts"),
        target: place.text("out"),
        form: SinkForm::Text { delimiter: delimiter.into(), gzip, encode: None },
        marker: [7; 16],
        behind: true,
    }
}

fn write(place: &Place, output: &TaskOutput, cells: &[Option<Vec<u8>>]) -> Result<Written> {
    let array: BinaryViewArray = cells.iter().map(Option::as_deref).collect();
    let before = names(&place.path("attempts")).len();
    let mut writer = output.part_writer(storage(), 7)?;
    assert_eq!(names(&place.path("attempts")).len(), before + 1);
    writer.write(&array)?;
    let written = writer.finish()?;
    assert_eq!(written.part, 7);
    assert!(written.attempt.starts_with(&output.part_name(7)));
    let bytes = file(place, &written);
    assert_eq!((written.size, written.crc32c), (bytes.len() as u64, crc32c::crc32c(&bytes)));
    Ok(written)
}

/// What an attempt has written.
fn file(place: &Place, written: &Written) -> Vec<u8> {
    fs::read(place.path("attempts").join(&written.attempt)).unwrap()
}

fn cell(put: impl FnOnce(&mut Vec<u8>)) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    put(&mut out);
    assert!(natively_printable(out[0]));
    Some(out)
}

fn all_kinds() -> Vec<Option<Vec<u8>>> {
    vec![
        cell(|out| put::put_str(out, "schön".as_bytes(), false)),
        cell(|out| put::put_str(out, b"raw \xED\xB3\xBF", false)),
        cell(|out| put::put_i64(out, i64::MIN)),
        None,
        cell(|out| put::put_i64(out, 0)),
        cell(|out| put::put_f64(out, 2.5)),
        cell(|out| put::put_bool(out, true)),
        cell(|out| put::put_bool(out, false)),
        cell(put::put_none),
        cell(|out| put::put_bytes(out, b"\0x", false)),
    ]
}

const PRINTED: &[u8] =
    b"sch\xC3\xB6n\nraw \xFF\n-9223372036854775808\n0\n2.5\nTrue\nFalse\nNone\nb'\\x00x'\n";

#[test]
fn a_part() {
    let place = Place::new();
    let written = write(&place, &output(&place, b"\n", false), &all_kinds()).unwrap();
    assert_eq!((written.records, written.bytes), (9, PRINTED.len() as u64));
    assert_eq!(file(&place, &written), PRINTED);
}

#[test]
fn a_part_without_delimiter_or_without_records() {
    let place = Place::new();
    let output = output(&place, b"", false);
    let two = [cell(|out| put::put_i64(out, 1)), cell(|out| put::put_i64(out, 2))];
    let first = write(&place, &output, &two).unwrap();
    // A later attempt at the same part is a file of its own.
    let second = write(&place, &output, &[]).unwrap();
    assert_eq!(file(&place, &first), b"12");
    assert_eq!(file(&place, &second), b"");
}

#[test]
fn a_compressed_part() {
    let place = Place::new();
    let cells: Vec<_> = (0..200_000).map(|n| cell(|out| put::put_i64(out, n))).collect();
    let written = write(&place, &output(&place, b"\n", true), &cells).unwrap();
    assert!(written.attempt.starts_with("part-00007.gz-") && written.size < written.bytes);
    let mut text = String::new();
    MultiGzDecoder::new(file(&place, &written).as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.lines().map(|line| line.parse::<u32>().unwrap()).eq(0..200_000));
}

#[test]
fn what_cannot_be_printed_leaves_no_part() {
    let place = Place::new();
    let output = output(&place, b"\n", false);
    let mut tuple = Vec::new();
    put::open(&mut tuple, tag::TUPLE);
    put::close(&mut tuple);
    assert!(!natively_printable(tag::TUPLE));
    assert!(matches!(write(&place, &output, &[Some(tuple)]), Err(Error::Internal(_))));
    assert!(matches!(write(&place, &output, &[Some(Vec::new())]), Err(Error::Internal(_))));
    let surrogate = cell(|out| put::put_str(out, b"a\xED\xA0\x80", false));
    let error = write(&place, &output, &[surrogate]).unwrap_err();
    assert!(matches!(error, Error::Data(_)) && error.to_string().contains("U+D800"), "{error}");
    assert!(names(&place.path("attempts")).is_empty());
}
