//! Cells as people read them, close to Python's `repr` and shortened: for messages only, never to
//! be parsed, and never failing, whatever the bytes.

use std::fmt::Write;

use crate::cell::{Cell, CellError, DAY_MICROS, Items};

/// About how many bytes of text a message has room for.
const ROOM: usize = 200;

/// What a top-level cell shows in a message.
pub fn repr(bytes: &[u8]) -> String {
    let mut out = String::new();
    match Cell::read(bytes) {
        Ok(cell) => show(&cell, &mut out),
        Err(error) => show_error(&error, &mut out),
    }
    if out.len() > ROOM {
        out.truncate(out.floor_char_boundary(ROOM));
        out.push_str("...");
    }
    out
}

// Writing to a `String` cannot fail, so the results of `write!` are not looked at below.
fn show(cell: &Cell<'_>, out: &mut String) {
    let _ = match cell {
        Cell::None => write!(out, "None"),
        Cell::Bool(value) => write!(out, "{}", if *value { "True" } else { "False" }),
        Cell::Int(value) => write!(out, "{value}"),
        Cell::BigInt { negative, magnitude } => {
            return show_big(*negative, magnitude, out);
        }
        Cell::Float(value) => return show_float(*value, out),
        Cell::Beyond(text) => write!(out, "{}", String::from_utf8_lossy(text)),
        Cell::Decimal(text) => write!(out, "Decimal('{}')", String::from_utf8_lossy(text)),
        Cell::Str(text) => return show_str(text, out),
        Cell::Bytes(bytes) => return show_bytes(bytes, out),
        Cell::Tuple(items) => {
            let end = if items.clone().count() == 1 { ",)" } else { ")" };
            return show_items(items, "(", end, out);
        }
        Cell::List(items) => return show_items(items, "[", "]", out),
        Cell::Set(items) if items.raw().is_empty() => write!(out, "set()"),
        Cell::Set(items) => return show_items(items, "{", "}", out),
        Cell::Frozenset(items) if items.raw().is_empty() => write!(out, "frozenset()"),
        Cell::Frozenset(items) => return show_items(items, "frozenset({", "})", out),
        Cell::Dict(items) => return show_entries(items, out),
        Cell::Date(days) => {
            let (year, month, day) = civil(i64::from(*days));
            write!(out, "datetime.date({year}, {month}, {day})")
        }
        Cell::Datetime { micros, .. } => return show_datetime(*micros, "", out),
        Cell::DatetimeAware { utc_micros, .. } => {
            return show_datetime(*utc_micros, ", tzinfo=datetime.timezone.utc", out);
        }
        Cell::Time { micros, .. } => write!(out, "datetime.time({})", clock(*micros)),
        Cell::Timedelta { days, micros } => {
            write!(out, "datetime.timedelta(days={days}, microseconds={micros})")
        }
        Cell::Uuid(bytes) => write!(out, "UUID('{:032x}')", u128::from_be_bytes(*bytes)),
        Cell::Object(pickle) => write!(out, "<object, {} bytes pickled>", pickle.len()),
        Cell::ObjectKey(state) => match Cell::read(state) {
            Ok(parts @ Cell::Tuple(_)) => {
                out.push_str("<object as a key: ");
                show(&parts, out);
                write!(out, ">")
            }
            _ => write!(out, "<object as a key, {} bytes>", state.len()),
        },
    };
}

fn show_error(error: &CellError, out: &mut String) {
    let _ = write!(out, "<{error}>");
}

/// Shows items until the room is used up.
fn show_items(items: &Items<'_>, begin: &str, end: &str, out: &mut String) {
    out.push_str(begin);
    for (index, item) in items.clone().enumerate() {
        if out.len() > ROOM {
            return;
        }
        if index > 0 {
            out.push_str(", ");
        }
        match item {
            Ok(item) => show(&item.cell, out),
            Err(error) => show_error(&error, out),
        }
    }
    out.push_str(end);
}

fn show_entries(items: &Items<'_>, out: &mut String) {
    out.push('{');
    for (index, item) in items.clone().enumerate() {
        if out.len() > ROOM {
            return;
        }
        out.push_str(match index {
            0 => "",
            _ if index % 2 == 1 => ": ",
            _ => ", ",
        });
        match item {
            Ok(item) => show(&item.cell, out),
            Err(error) => show_error(&error, out),
        }
    }
    out.push('}');
}

fn show_big(negative: bool, magnitude: &[u8], out: &mut String) {
    let sign = if negative { "-" } else { "" };
    let _ = if magnitude.len() <= 16 {
        let value = magnitude.iter().fold(0_u128, |sum, &byte| (sum << 8) | u128::from(byte));
        write!(out, "{sign}{value}")
    } else {
        let digits: String = magnitude.iter().take(ROOM).map(|byte| format!("{byte:02x}")).collect();
        write!(out, "{sign}0x{}", digits.trim_start_matches('0'))
    };
}

fn show_float(value: f64, out: &mut String) {
    if value.is_nan() {
        return out.push_str("nan");
    }
    let text = format!("{value:?}");
    let _ = match text.split_once('e') {
        // Python's exponent has a sign and two digits.
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            write!(out, "{}e{sign}{exponent:0>2}", digits.trim_end_matches(".0"))
        }
        None => write!(out, "{text}"),
    };
}

fn show_str(text: &[u8], out: &mut String) {
    let mut rest = &text[..text.len().min(ROOM)];
    let quote = if rest.contains(&b'\'') && !rest.contains(&b'"') { '"' } else { '\'' };
    out.push(quote);
    while let Some(chunk) = rest.utf8_chunks().next() {
        chunk.valid().chars().for_each(|char| show_char(char, quote, out));
        rest = &rest[chunk.valid().len()..];
        rest = match rest {
            [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, rest @ ..] => {
                let low = (u32::from(*second & 0x3F) << 6) | u32::from(*third & 0x3F);
                let _ = write!(out, "\\u{:04x}", 0xD000 | low);
                rest
            }
            // No text at all, or a character that the shortening cut in two.
            _ => &rest[chunk.invalid().len()..],
        };
    }
    out.push(quote);
}

fn show_char(char: char, quote: char, out: &mut String) {
    match char {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if char == quote => {
            out.push('\\');
            out.push(char);
        }
        _ if char.is_control() => {
            let _ = write!(out, "\\x{:02x}", char as u32);
        }
        _ => out.push(char),
    }
}

fn show_bytes(bytes: &[u8], out: &mut String) {
    let _ = write!(out, "b'{}'", bytes[..bytes.len().min(ROOM)].escape_ascii());
}

fn show_datetime(micros: i64, zone: &str, out: &mut String) {
    let day = DAY_MICROS as i64;
    let (year, month, date) = civil(micros.div_euclid(day));
    let time = clock(micros.rem_euclid(day) as u64);
    let _ = write!(out, "datetime.datetime({year}, {month}, {date}, {time}{zone})");
}

/// Hour, minute, and where they matter second and microsecond, as arguments.
fn clock(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (second, micros % 1_000_000) {
        (0, 0) => format!("{hour}, {minute}"),
        (_, 0) => format!("{hour}, {minute}, {second}"),
        (_, micro) => format!("{hour}, {minute}, {second}, {micro}"),
    }
}

/// Year, month and day of a number of days since 1970-01-01: counted in eras of 400 years that
/// begin on a first of March, so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}
