//! Golden files: bytes that every later version must read, and write again the same.
//! `NESTFLOW_BLESS=1` writes them anew; a change there is a change of format.

#![allow(clippy::unwrap_used, clippy::panic)]

mod model;

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use model::Value::{self, *};
use nestflow_batch::block::{BlockHeader, decode, encode};
use nestflow_batch::cell::Cell;
use nestflow_batch::columns::{CellBuilder, cell_field, null_column};
use nestflow_batch::key::{KeyForm, key_of, put_beyond_key, put_order_component};
use nestflow_batch::put::put_object_key;
use nestflow_batch::repr::repr;

fn path(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../tests/golden").join(name)
}

fn blessing() -> bool {
    std::env::var_os("NESTFLOW_BLESS").is_some()
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

fn check(name: &str, found: &[u8]) -> Vec<u8> {
    if blessing() {
        std::fs::write(path(name), found).unwrap();
    }
    let golden = read(name);
    assert!(golden == found, "{name} differs; NESTFLOW_BLESS=1 accepts");
    golden
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn str(text: &str) -> Value {
    Str(text.chars().map(u32::from).collect())
}

fn values() -> Vec<Value> {
    let numbers = [0.5, -0.5, 2.0, -0.0, 1e30, -1e30, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let ints = [0, 1, -1, i128::from(i64::MAX), i128::from(i64::MIN), 1 << 63, -(1 << 63) - 1, 1 << 100];
    let texts = ["", "a", "a\0b", "é€😀"];
    let mut all = vec![None, Bool(false), Bool(true)];
    all.extend(ints.map(Int));
    all.extend(numbers.map(Float));
    all.extend(texts.map(str));
    all.push(Str(vec![0xDC80]));
    all.extend([Bytes(vec![]), Bytes(vec![0, 0xFF, 0x61])]);
    all.extend([
        Tuple(vec![]),
        Tuple(vec![str("a"), Int(1)]),
        Tuple(vec![str("a\0"), Tuple(vec![None]), Bool(true)]),
    ]);
    all.extend([List(vec![]), List(vec![Int(1), Float(0.5), List(vec![])])]);
    all.extend([Set(vec![]), Set(vec![Int(2), Float(1.0)]), Frozenset(vec![str("b"), str("a")])]);
    all.extend([Dict(vec![]), Dict(vec![(str("b"), Int(1)), (str("a"), Bool(true))])]);
    all.extend([
        Date(0),
        Date(-1),
        Datetime(1, false),
        Datetime(1, true),
        Aware(1, 0, false),
        Aware(1, 3600, true),
    ]);
    all.extend([Time(1, false), Time(1, true), Timedelta(-1, 86_399_999_999), Uuid([7; 16])]);
    all.extend([Decimal("1.50".into()), Tuple(vec![Decimal("1.50".into())]), Object(vec![0x80, 0, 0x2E])]);
    all
}

#[test]
fn cells_are_as_documented() {
    let mut text = String::from("# what it is | value cell | key cell, where it differs\n");
    for value in values() {
        let (cell, mut key) = (model::cell(&value), vec![]);
        let key = match key_of(&cell, &mut key).unwrap() {
            KeyForm::Same => "=".to_owned(),
            KeyForm::Rewritten => format!("{} rewritten", hex(&key)),
            KeyForm::Changed => format!("{} changed", hex(&key)),
            KeyForm::NeedsHost => "by the host".to_owned(),
        };
        text += &format!("{} | {} | {key}\n", repr(&cell), hex(&cell));
    }
    let golden = String::from_utf8(check("cells.txt", text.as_bytes())).unwrap();
    for (line, value) in golden.lines().skip(1).zip(values()) {
        let cell = unhex(line.rsplit(" | ").nth(1).unwrap());
        assert_eq!(model::value(&Cell::read(&cell).unwrap()), value, "{line}");
    }
}

#[test]
fn keys_that_only_hosts_and_sorts_write_are_as_documented() {
    let mut text = String::from("# what it is | key or order cell\n");
    let mut line = |name: &str, put: &dyn Fn(&mut Vec<u8>)| {
        let mut out = vec![];
        put(&mut out);
        text += &format!("{name} | {}\n", hex(&out));
    };
    line("a third", &|out| put_beyond_key(out, false, &[], 1.0 / 3.0, 0x5555_5555_5555_5555, "1/3"));
    line("minus ten thirds", &|out| {
        put_beyond_key(out, true, &[3], 1.0 / 3.0, 0x5555_5555_5555_5555, "-10/3")
    });
    line("an object", &|out| put_object_key(out, b"C\0", false));
    line("1 ascending", &|out| put_order_component(out, &model::key(&Int(1)), false));
    line("1 descending", &|out| put_order_component(out, &model::key(&Int(1)), true));
    line("'a' descending, 'b' ascending", &|out| {
        put_order_component(out, &model::key(&str("a")), true);
        put_order_component(out, &model::key(&str("b")), false);
    });
    check("keys.txt", text.as_bytes());
}

#[test]
fn blocks_are_as_documented() {
    let cells = |values: &[Value]| {
        let mut builder = CellBuilder::default();
        values.iter().for_each(|value| builder.append(&model::cell(value)));
        builder.append_null();
        Arc::new(builder.finish().unwrap())
    };
    let fields =
        vec![cell_field("k1"), cell_field("k1s"), cell_field("v"), Field::new("g", DataType::UInt64, true)];
    let long = str(&"a long text ".repeat(20));
    let batch = RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        vec![
            cells(&[Int(1), str("b")]),
            null_column(3),
            cells(&[long.clone(), long]),
            Arc::new(UInt64Array::from(vec![Some(0), Some(1), Option::None])),
        ],
    )
    .unwrap();
    let header = BlockHeader { channel: 2, producer: 7, sequence: 1, rows: 3 };
    for (name, compression) in [("plain.block", false), ("lz4.block", true)] {
        let mut block = vec![];
        encode(&header, &batch, compression, &mut block).unwrap();
        // LZ4 may be written in many ways; all of them have to be read.
        let golden = if compression && !blessing() { read(name) } else { check(name, &block) };
        assert_eq!(decode(&golden, &batch.schema(), name).unwrap(), (header, batch.clone()));
    }
}
