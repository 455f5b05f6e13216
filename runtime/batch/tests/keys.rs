//! Key cells: Python's equality as equal bytes, Python's order as memcmp order.

#![allow(clippy::unwrap_used, clippy::panic)]

mod model;

use std::cmp::Ordering;

use model::Value::{self, *};
use nestflow_batch::cell::{Cell, DAY_MICROS};
use nestflow_batch::key::{
    KeyForm, check_comparable, check_comparable_strictly, check_order_comparable, key_of, put_beyond_key,
    put_f64_key, put_order_component, rank_cmp,
};
use nestflow_batch::put::put_object_key;
use nestflow_batch::tag;
use proptest::prelude::*;

fn form(value: &Value) -> KeyForm {
    key_of(&model::cell(value), &mut vec![]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn equal_bytes_are_equal_keys(a in model::keyable(), b in model::keyable()) {
        prop_assert_eq!(model::key(&a) == model::key(&b), model::equal(&a, &b));
    }

    #[test]
    fn byte_order_is_pythons_order(a in model::sortable(), b in model::sortable()) {
        let (x, y) = (model::key(&a), model::key(&b));
        prop_assert_eq!(x == y, model::equal(&a, &b));
        match model::order(&a, &b) {
            Some(order) => {
                prop_assert_eq!(x.cmp(&y), order);
                prop_assert!(check_comparable(&x, &y).is_ok());
                prop_assert!(check_comparable(&y, &x).is_ok());
            }
            Option::None => prop_assert!(check_comparable(&x, &y).is_err()),
        }
    }

    #[test]
    fn order_cells_sort_by_each_component(
        a in model::sortable(), b in model::sortable(), c in model::sortable(), d in model::sortable(),
        directions in any::<(bool, bool)>(),
    ) {
        let order_cell = |first: &Value, second: &Value| {
            let mut out = vec![];
            put_order_component(&mut out, &model::key(first), directions.0);
            put_order_component(&mut out, &model::key(second), directions.1);
            out
        };
        let turned = |order: Ordering, down| if down { order.reverse() } else { order };
        let (x, y) = (order_cell(&a, &c), order_cell(&b, &d));
        let first = turned(model::key(&a).cmp(&model::key(&b)), directions.0);
        let second = turned(model::key(&c).cmp(&model::key(&d)), directions.1);
        prop_assert_eq!(x.cmp(&y), first.then(second));
        let (left, right) = if model::equal(&a, &b) { (&c, &d) } else { (&a, &b) };
        let (left, right) = (model::key(left), model::key(right));
        prop_assert_eq!(check_order_comparable(&x, &y).is_ok(), x == y || check_comparable(&left, &right).is_ok());
        // The last component alone must also stop in the right place.
        let (mut x, mut y) = (vec![], vec![]);
        put_order_component(&mut x, &model::key(&a), true);
        put_order_component(&mut y, &model::key(&b), true);
        prop_assert_eq!(x.cmp(&y), model::key(&b).cmp(&model::key(&a)));
    }

    #[test]
    fn keys_are_their_own_keys_and_give_a_value_back(a in model::keyable()) {
        let key = model::key(&a);
        prop_assert_eq!(key_of(&key, &mut vec![]).map(|form| form <= KeyForm::Rewritten), Ok(true));
        let back = model::value(&Cell::read(&key).unwrap());
        prop_assert!(model::equal(&back, &a), "{:?} came back as {:?}", a, back);
        if form(&a) == KeyForm::Rewritten {
            prop_assert!(no_order(&back) == no_order(&a), "{:?} came back as {:?}", a, back);
        }
        if form(&a) == KeyForm::Same {
            prop_assert_eq!(key, model::cell(&a));
        }
    }

    #[test]
    fn ranks_are_an_order(a in model::keyable(), b in model::keyable(), c in model::keyable()) {
        let cells = [model::cell(&a), model::cell(&b), model::cell(&c)];
        let mut all: Vec<Option<&[u8]>> = cells.iter().map(|cell| Some(cell.as_slice())).collect();
        all.push(Option::None);
        all.sort_by(|x, y| rank_cmp(*x, *y));
        prop_assert_eq!(all[0], Option::None);
        for (index, x) in all.iter().enumerate() {
            for y in &all[index..] {
                prop_assert!(rank_cmp(*x, *y).is_le());
                prop_assert_eq!(rank_cmp(*x, *y).is_eq(), x == y);
            }
        }
    }
}

/// The value with frozensets in an order of their own: the only thing a rewritten key may change.
fn no_order(value: &Value) -> Value {
    let all = |items: &[Value]| items.iter().map(no_order).collect::<Vec<_>>();
    match value {
        Tuple(items) => Tuple(all(items)),
        List(items) => List(all(items)),
        Frozenset(items) => {
            let mut items = all(items);
            items.sort_by_key(model::cell);
            Frozenset(items)
        }
        Dict(entries) => Dict(entries.iter().map(|(k, v)| (no_order(k), no_order(v))).collect()),
        _ => value.clone(),
    }
}

#[test]
fn numbers_are_one_line() {
    let mut numbers = vec![
        Float(f64::NEG_INFINITY),
        Float(f64::MIN),
        Int(-(1 << 100)),
        Int(-(1 << 63) - 1),
        Int(-(1 << 63)),
        Int(-2),
        Float(-1.5),
        Int(-1),
        Float(-0.5),
        Float(-5e-324),
        Int(0),
        Float(5e-324),
        Float(0.5),
        Int(1),
        Float(1.5),
        Int((1 << 53) + 1),
        Int((1 << 63) - 1),
        Int(1 << 63),
        Int((1 << 64) + 1),
        Float(1e30),
        Float(f64::MAX),
        Float(f64::INFINITY),
        Float(f64::NAN),
    ];
    let keys: Vec<_> = numbers.iter().map(model::key).collect();
    assert!(keys.is_sorted_by(|a, b| a < b));
    numbers.reverse();
    numbers.sort_by_key(model::key);
    assert_eq!(numbers.iter().map(model::key).collect::<Vec<_>>(), keys);
    for (a, b) in [(Bool(true), Int(1)), (Float(-0.0), Int(0)), (Float(-(2.0_f64.powi(63))), Int(-(1 << 63)))]
    {
        assert_eq!(model::key(&a), model::key(&b));
    }
}

#[test]
fn forms_say_what_is_lost() {
    assert_eq!(form(&Tuple(vec![Str(vec![0]), Int(1), None])), KeyForm::Same);
    assert_eq!(form(&Float(0.5)), KeyForm::Rewritten);
    assert_eq!(form(&Float(f64::NAN)), KeyForm::Rewritten);
    assert_eq!(form(&Tuple(vec![Int(1), Float(-0.5)])), KeyForm::Rewritten);
    for value in [Float(2.0), Float(-0.0), Bool(false), Set(vec![]), Tuple(vec![Float(0.5), Bool(true)])] {
        assert_eq!(form(&value), KeyForm::Changed, "{value:?}");
    }
    assert_eq!(form(&Frozenset(vec![Int(2), Int(1)])), KeyForm::Rewritten);
    assert_eq!(form(&Frozenset(vec![Int(1), Int(2)])), KeyForm::Same);
    assert_eq!(form(&Dict(vec![(Int(2), None), (Int(1), None)])), KeyForm::Changed);
    let mut out = vec![7];
    for value in [Decimal("1".into()), Object(vec![1]), List(vec![Float(2.0), Set(vec![Object(vec![])])])] {
        assert_eq!(key_of(&model::cell(&value), &mut out), Ok(KeyForm::NeedsHost), "{value:?}");
        assert_eq!(out, [7]);
    }
}

#[test]
fn numbers_beyond_floats_stand_between_floats() {
    let beyond = |negative, magnitude: u8, fraction, extra, text| {
        let mut out = vec![];
        put_beyond_key(&mut out, negative, &[magnitude], fraction, extra, text);
        out
    };
    let float = |value| {
        let mut out = vec![];
        put_f64_key(&mut out, value);
        out
    };
    // A third is a little more than the float below it.
    let third = 1.0 / 3.0;
    assert!(float(third) < beyond(false, 0, third, 0x5555, "1/3"));
    assert!(beyond(false, 0, third, 0x5555, "1/3") < beyond(false, 0, third, 0x5556, "x"));
    assert!(beyond(false, 0, third, 0x5556, "x") < float(third.next_up()));
    assert!(float(-third) > beyond(true, 0, third, 0x5555, "-1/3"));
    assert!(beyond(true, 0, third, 0x5555, "-1/3") > beyond(true, 0, third, 0x5556, "x"));
    assert!(beyond(true, 0, third, 0x5556, "x") > float(-third.next_up()));
    assert!(beyond(false, 3, 0.0, 1, "3+tiny") > model::key(&Int(3)));
    assert!(beyond(true, 3, 0.0, 1, "-3-tiny") < model::key(&Int(-3)));
    let cell = beyond(false, 0, third, 0x5555, "a\0b");
    assert_eq!(Cell::read(&cell), Ok(Cell::Beyond(b"a\0b".into())));
    assert_eq!(key_of(&cell, &mut vec![]), Ok(KeyForm::Same));
    let nested = [&[tag::TUPLE][..], &cell, &float(1.5), &[tag::END]].concat();
    let Ok(Cell::Tuple(items)) = Cell::read(&nested) else { panic!() };
    let cells: Vec<_> = items.map(|item| item.unwrap().cell).collect();
    assert_eq!(cells, [Cell::Beyond(b"a\0b".into()), Cell::Float(1.5)]);
    assert!(check_comparable(&cell, &float(1.5)).is_ok());
}

#[test]
fn incomparable_keys_show_both() {
    let check = |a: &Value, b: &Value| check_comparable(&model::key(a), &model::key(b));
    let error = check(&Tuple(vec![Int(1), Int(2)]), &Tuple(vec![Int(1), Str(vec![97])])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "'<' not supported between instances of 'int' and 'str': the keys (1, 2) and (1, 'a')"
    );
    let object = |number| {
        let mut key = vec![];
        put_object_key(
            &mut key,
            &model::key(&Tuple(vec![Str("complex".chars().map(u32::from).collect()), Int(number)])),
            false,
        );
        key
    };
    assert_eq!(
        check_comparable(&object(1), &object(2)).unwrap_err().to_string(),
        "'<' not supported between instances of 'object' and 'object': the keys \
         <object as a key: ('complex', 1)> and <object as a key: ('complex', 2)>"
    );
    assert!(check(&Dict(vec![]), &Dict(vec![])).is_err());
    assert!(check(&Set(vec![Int(1)]), &Set(vec![Int(2)])).is_err());
    assert!(check(&Datetime(0, false), &Aware(0, 0, false)).is_err());
    assert!(check(&Datetime(0, false), &Date(0)).is_err());
    assert!(check(&Tuple(vec![Set(vec![])]), &Tuple(vec![Set(vec![]), Int(1)])).is_ok());
    assert!(check(&None, &Str(vec![])).is_ok());
    assert!(check(&Tuple(vec![None]), &Tuple(vec![Int(1)])).is_ok());
    for (a, b) in [(None, Int(1)), (None, None), (Tuple(vec![None]), Tuple(vec![Int(1)]))] {
        assert!(check_comparable_strictly(&model::key(&a), &model::key(&b)).is_err(), "{a:?}");
    }
    assert!(check_comparable_strictly(&model::key(&Int(1)), &model::key(&Float(0.5))).is_ok());
}

#[test]
fn the_least_ranked_original_is_shown() {
    let ranked = [
        Tuple(vec![Int(1), Float(1.0)]),
        Tuple(vec![Int(1), Bool(true)]),
        Tuple(vec![Float(1.0), Int(1)]),
        Tuple(vec![Bool(true), Int(1)]),
        Tuple(vec![Decimal("1".into()), Int(1)]),
        Tuple(vec![Object(vec![]), Int(1)]),
        Object(vec![]),
    ];
    let cells: Vec<_> = ranked.iter().map(model::cell).collect();
    assert!(cells.is_sorted_by(|a, b| rank_cmp(Some(a), Some(b)).is_lt()));
    assert_eq!(rank_cmp(Option::None, Some(&cells[0])), Ordering::Less);
    assert_eq!(rank_cmp(Option::None, Option::None), Ordering::Equal);
    let (set, frozen) = (model::cell(&Set(vec![Float(1.0)])), model::cell(&Frozenset(vec![Float(1.0)])));
    assert_eq!(rank_cmp(Some(&frozen), Some(&set)), Ordering::Less);
}

#[test]
fn times_keep_their_order() {
    let days = [Timedelta(-1, DAY_MICROS - 1), Timedelta(0, 0), Timedelta(0, 1), Timedelta(1, 0)];
    assert!(days.iter().map(model::key).is_sorted_by(|a, b| a < b));
    assert_eq!(model::key(&Aware(5, 3600, true)), model::key(&Aware(5, 0, false)));
    assert_eq!(form(&Aware(5, 0, false)), KeyForm::Same);
    assert_eq!(form(&Time(5, true)), KeyForm::Changed);
}
