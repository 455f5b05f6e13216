//! Texts of decimals both ways, schemas, and batches that are not what they should be. That values survive the
//! way through Spark is for `tests/spark/test_frames.py`.

use nestflow_batch::cell::{put_bytes, put_i64};
use nestflow_batch::columns::CellBuilder;

use super::kind::Kind;
use super::{Form, block, bytes, decimal, read, write};

#[test]
fn decimals_are_written_as_python_does() {
    // From `str(Decimal(unscaled).scaleb(-scale))` of Python 3.11.
    for (unscaled, scale, text) in [
        (0, 0, "0"),
        (0, 2, "0.00"),
        (0, 7, "0E-7"),
        (1, 7, "1E-7"),
        (10, 7, "0.0000010"),
        (-12, 8, "-1.2E-7"),
        (123_456, 3, "123.456"),
        (-5, 1, "-0.5"),
        (100, 0, "100"),
    ] {
        assert_eq!(decimal::text_of(unscaled, scale), text);
        assert_eq!(decimal::unscaled(text, 38, scale), Some(unscaled), "{text}");
    }
}

#[test]
fn decimals_that_do_not_fit_are_refused() {
    let lost = [("1.001", 4, 2), ("100", 4, 2), ("NaN", 4, 2), ("Infinity", 38, 0), ("1E+40", 38, 0)];
    for (text, digits, scale) in lost {
        assert_eq!(decimal::unscaled(text, digits, scale), None, "{text}");
    }
    assert_eq!(decimal::unscaled("1.0011E+1", 4, 2), None);
    assert_eq!(decimal::unscaled("1.010E+1", 4, 2), Some(1010));
    assert_eq!(decimal::unscaled("0.000", 1, 0), Some(0));
}

#[test]
fn types_without_values_in_python_are_named_with_their_column() {
    let schema = r#"{"type":"struct","fields":[{"name":"a","nullable":true,"type":
        {"type":"struct","fields":[{"name":"b","nullable":true,"type":"interval month"}]}}]}"#;
    let error = Kind::of_rows(schema).unwrap_err().to_string();
    assert!(error.contains("column a.b is of Spark's type interval month"), "{error}");
    assert!(Kind::of_rows("\"long\"").is_err());
    assert!(Kind::of_rows("nonsense").is_err());
}

#[test]
fn bytes_come_out_as_they_went_in() {
    let front = [0, 0, 0, 3, 0, 0, 0, 1];
    let given = [front.as_slice(), b"\0anything\xff"].concat();
    let out = bytes(&Form::Bytes, block(&Form::Bytes, &given).unwrap()).unwrap();
    assert_eq!(out, [b"\0anything\xff"]);
}

#[test]
fn what_is_no_batch_is_an_error() {
    let schema = r#"{"type":"struct","fields":[{"name":"a","nullable":true,"type":"long"}]}"#;
    let rows = Kind::of_rows(schema).unwrap();
    let schema_alone = write::stream(&rows, false, std::iter::empty()).unwrap();
    for damaged in [&b""[..], b"\xff\xff\xff\xff", &[0xff; 8], &[9, 0, 0, 0, 1], &schema_alone] {
        assert!(read::records(&rows, false, damaged, &mut CellBuilder::default()).is_err(), "{damaged:?}");
    }
    assert!(block(&Form::Bytes, b"short").is_err());
    let mut record = Vec::new();
    put_i64(&mut record, 1);
    assert!(write::stream(&rows, false, [record.as_slice()].into_iter()).is_err());
    record.clear();
    put_bytes(&mut record, b"x", false);
    assert!(write::stream(&rows, false, [record.as_slice()].into_iter()).is_err());
}
