//! Cells come back as they were, and no bytes can hurt a reader.

#![allow(clippy::unwrap_used, clippy::panic)]

mod model;

use model::Value;
use nestflow_batch::cell::{Cell, CellError, Common, Item, Reader, Token};
use nestflow_batch::key::{self, KeyForm};
use nestflow_batch::repr::repr;
use nestflow_batch::{put, tag};
use proptest::prelude::*;

/// Everything that reads a cell, on bytes of any kind.
fn read_in_every_way(bytes: &[u8]) {
    fn visit(cell: &Cell<'_>) -> Result<usize, CellError> {
        match cell {
            Cell::Tuple(items)
            | Cell::List(items)
            | Cell::Set(items)
            | Cell::Frozenset(items)
            | Cell::Dict(items) => items.clone().map(|item| visit(&item?.cell)).sum::<Result<usize, _>>(),
            _ => Ok(1),
        }
    }
    let visited = Cell::read(bytes).and_then(|cell| visit(&cell));
    let mut reader = Reader::new(bytes);
    let walked = loop {
        match reader.token() {
            Ok(Some(_)) => {}
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    assert_eq!(visited.is_ok(), walked, "items and tokens disagree on {bytes:02x?}");
    assert_eq!(tokens(bytes, false), tokens(bytes, true), "common items are others in {bytes:02x?}");
    let mut out = vec![];
    let form = key::key_of(bytes, &mut out);
    if matches!(form, Err(_) | Ok(KeyForm::Same | KeyForm::NeedsHost)) {
        assert!(out.is_empty());
    }
    repr(bytes);
    let _ = key::check_comparable(bytes, &out);
    let _ = key::check_order_comparable(bytes, &out);
    let _ = key::check_order_comparable(bytes, bytes);
    key::rank_cmp(Some(bytes), Some(&out));
}

/// What a reader says of the bytes, one after the other; common items by the shorter way or not.
fn tokens(bytes: &[u8], shorter: bool) -> Vec<String> {
    let mut said = vec![];
    let mut reader = match Reader::inside(bytes) {
        Some((reader, tag)) if shorter => {
            said.push(format!("{:?}", Ok::<_, CellError>(Some(Token::Open(tag)))));
            reader
        }
        _ => Reader::new(bytes),
    };
    loop {
        let common = if shorter { reader.common() } else { None };
        let token = match common {
            Some(Common::Close) => Ok(Some(Token::Close)),
            Some(Common::Str(text)) => Ok(Some(Token::Value(Cell::Str(text.into())))),
            Some(Common::Int(value)) => Ok(Some(Token::Value(Cell::Int(value)))),
            Some(Common::Float(value)) => Ok(Some(Token::Value(Cell::Float(value)))),
            None => {
                let done = reader.is_done();
                let token = reader.token();
                assert_eq!(done, matches!(token, Ok(None)));
                token
            }
        };
        said.push(format!("{token:?}"));
        if !matches!(token, Ok(Some(_))) {
            return said;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn zeros_are_found_wherever_they_are(text in "[a-c]{0,40}", zeros in prop::collection::vec(any::<prop::sample::Index>(), 0..3)) {
        let mut text = text.into_bytes();
        for zero in zeros.iter().filter(|_| !text.is_empty()).map(|zero| zero.index(text.len())).collect::<Vec<_>>() {
            text[zero] = 0;
        }
        let mut list = vec![];
        put::open(&mut list, tag::LIST);
        put::put_bytes(&mut list, &text, true);
        put::put_str(&mut list, b"behind", true);
        put::close(&mut list);
        let mut wanted = vec![tag::LIST, tag::BYTES];
        for &byte in &text {
            wanted.extend([byte].iter().chain((byte == 0).then_some(&tag::ESCAPE)));
        }
        wanted.extend([&[tag::END, tag::STR], b"behind".as_slice(), &[tag::END, tag::END]].concat());
        prop_assert_eq!(&list, &wanted);
        let Ok(Cell::List(mut items)) = Cell::read(&list) else { panic!() };
        prop_assert_eq!(items.next().unwrap().unwrap().cell, Cell::Bytes(text.into()));
        read_in_every_way(&list);
    }

    #[test]
    fn values_come_back(value in model::any_value()) {
        let cell = model::cell(&value);
        prop_assert_eq!(&model::value(&Cell::read(&cell).unwrap()), &value);
        let mut reader = Reader::new(&cell);
        prop_assert_eq!(&model::walked(&mut reader).unwrap(), &value);
        prop_assert!(reader.token().unwrap().is_none());
        read_in_every_way(&cell);
    }

    #[test]
    fn items_move_between_top_level_and_containers(value in model::any_value()) {
        let top = model::cell(&value);
        let mut nested = vec![];
        model::put(&mut nested, &value, true);
        let mut moved = vec![];
        put::put_item(&mut moved, &top);
        prop_assert_eq!(&moved, &nested);
        let list = [&[tag::LIST], nested.as_slice(), &[tag::END]].concat();
        let Ok(Cell::List(mut items)) = Cell::read(&list) else { panic!() };
        let item: Item<'_> = items.next().unwrap().unwrap();
        prop_assert_eq!(item.raw, &nested);
        let mut back = vec![];
        item.put_top(&mut back);
        prop_assert_eq!(back, top);
        prop_assert!(items.next().is_none());
    }

    #[test]
    fn random_bytes_are_read_or_refused(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0x10_u8..0x16, 0x20_u8..0x22, 0x30_u8..0x35, Just(0)], 0..40)
    ) {
        read_in_every_way(&bytes);
    }

    #[test]
    fn damaged_cells_are_read_or_refused(value in model::any_value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut cell = model::cell(&value);
        let at = at.index(cell.len());
        read_in_every_way(&cell[..at]);
        cell[at] = byte;
        read_in_every_way(&cell);
        cell.extend([0, 0]);
        read_in_every_way(&cell);
    }
}

#[test]
fn depth_is_bounded() {
    let nest = |depth: usize| {
        let mut cell = vec![tag::TUPLE; depth];
        cell.resize(2 * depth, tag::END);
        cell
    };
    let depth_of = |cell: &[u8]| {
        let mut depth = 0;
        let mut next = Cell::read(cell).map(Some);
        while let Ok(Some(Cell::Tuple(mut items))) = next {
            depth += 1;
            next = items.next().transpose().map(|item| item.map(|item| item.cell));
        }
        next.map(|_| depth)
    };
    assert_eq!(depth_of(&nest(200)), Ok(200));
    assert_eq!(depth_of(&nest(201)), Err(CellError::Depth));
    for depth in [199, 200, 201, 202, 100_000] {
        read_in_every_way(&nest(depth));
        read_in_every_way(&nest(depth)[..depth]);
    }
    let mut sets = vec![tag::SET; 50_000];
    sets.resize(100_000, tag::END);
    read_in_every_way(&sets);
}

#[test]
fn small_ints_and_short_texts_lie_inside_a_view() {
    assert_eq!(model::cell(&Value::Int(i128::from(i64::MAX))).len(), 10);
    assert_eq!(model::cell(&Value::Timedelta(-1, 1)).len(), 10);
    assert_eq!(model::cell(&Value::Str(vec![97; 11])).len(), 12);
}

#[test]
fn nothing_is_copied_without_escapes() {
    let cell = model::cell(&Value::Tuple(vec![Value::Str(vec![97, 98]), Value::Str(vec![97, 0])]));
    let Ok(Cell::Tuple(items)) = Cell::read(&cell) else { panic!() };
    let borrowed: Vec<bool> =
        items.map(|item| matches!(item.unwrap().cell, Cell::Str(std::borrow::Cow::Borrowed(_)))).collect();
    assert_eq!(borrowed, [true, false]);
}

#[test]
fn reprs_read_like_python() {
    let shown = |value: &Value| repr(&model::cell(value));
    assert_eq!(shown(&Value::Tuple(vec![Value::Int(1)])), "(1,)");
    assert_eq!(
        shown(&Value::Tuple(vec![Value::None, Value::Bool(true), Value::Float(1e16)])),
        "(None, True, 1e+16)"
    );
    assert_eq!(shown(&Value::Float(1e-7)), "1e-07");
    assert_eq!(shown(&Value::Float(-2.0)), "-2.0");
    assert_eq!(shown(&Value::Str("it's\n\u{7}é".chars().map(u32::from).collect())), "\"it's\\n\\x07é\"");
    assert_eq!(shown(&Value::Str(vec![0xDC80])), "'\\udc80'");
    assert_eq!(shown(&Value::Bytes(b"a\0'".to_vec())), "b'a\\x00\\''");
    assert_eq!(shown(&Value::Int(-(1 << 70))), "-1180591620717411303424");
    assert_eq!(shown(&Value::Dict(vec![(Value::Int(1), Value::List(vec![]))])), "{1: []}");
    assert_eq!(shown(&Value::Set(vec![])), "set()");
    assert_eq!(shown(&Value::Date(19_782)), "datetime.date(2024, 2, 29)");
    assert_eq!(shown(&Value::Date(-719_162)), "datetime.date(1, 1, 1)");
    assert_eq!(shown(&Value::Datetime(-1, false)), "datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)");
    let long = shown(&Value::List(vec![Value::Str(vec![233; 30]); 1000]));
    assert!(long.len() < 210 && long.ends_with("..."), "{long}");
    assert_eq!(repr(&[]), "<cell is cut short>");
}
