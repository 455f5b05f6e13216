//! What Python's `str()` gives for the kinds of values that need no Python to print.

use std::io::Write;

/// Appends `repr(value)`: the fewest digits that give the same float again, in the form that Python
/// chooses.
pub(super) fn put_float(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        let text: &[u8] = if value.is_nan() {
            b"nan"
        } else if value > 0.0 {
            b"inf"
        } else {
            b"-inf"
        };
        out.extend_from_slice(text);
        return;
    }
    let mut scratch = [0; 64];
    let text = scientific(value, &mut scratch);
    let (text, negative) = text.strip_prefix(b"-").map_or((text, false), |text| (text, true));
    if negative {
        out.push(b'-');
    }
    let e = text.iter().position(|&byte| byte == b'e').unwrap_or(text.len());
    let exponent = parse(text.get(e + 1..).unwrap_or(&[]));
    let (first, others) = text[..e].split_at(1);
    let others = others.strip_prefix(b".").unwrap_or(others);
    if !(-4..16).contains(&exponent) {
        out.extend_from_slice(first);
        if !others.is_empty() {
            out.push(b'.');
            out.extend_from_slice(others);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        put(out, format_args!("e{sign}{:02}", exponent.unsigned_abs()));
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + exponent.unsigned_abs() as usize - 1, b'0');
        out.extend_from_slice(first);
        out.extend_from_slice(others);
    } else {
        let whole = exponent as usize;
        out.extend_from_slice(first);
        out.extend_from_slice(&others[..whole.min(others.len())]);
        out.resize(out.len() + whole.saturating_sub(others.len()), b'0');
        out.push(b'.');
        match others.get(whole..) {
            Some(fraction) if !fraction.is_empty() => out.extend_from_slice(fraction),
            _ => out.push(b'0'),
        }
    }
}

/// The digits as `-1.2345e-7`.
fn scientific(value: f64, scratch: &mut [u8; 64]) -> &[u8] {
    let (short, even) = scratch.split_at_mut(32);
    let short = written(short, format_args!("{value:e}"));
    // Of two shortest texts that are equally close Rust takes the larger, Python the even one. Up
    // to 15 digits there never are two.
    let mantissa = short.split(|&byte| byte == b'e').next().unwrap_or(short);
    let digits = mantissa.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits < 16 || mantissa.last().is_none_or(|digit| digit % 2 == 0) {
        return short;
    }
    let even = written(even, format_args!("{value:.*e}", digits - 1));
    let parsed = std::str::from_utf8(even).ok().and_then(|text| text.parse::<f64>().ok());
    if parsed == Some(value) { even } else { short }
}

/// What `text` comes to: 17 digits, a sign, a point and an exponent always fit.
fn written<'a>(scratch: &'a mut [u8], text: std::fmt::Arguments<'_>) -> &'a [u8] {
    let mut rest = &mut *scratch;
    let _ = rest.write_fmt(text);
    let left = rest.len();
    let length = scratch.len() - left;
    &scratch[..length]
}

fn parse(exponent: &[u8]) -> i32 {
    let digits = exponent.strip_prefix(b"-").unwrap_or(exponent);
    let absolute = digits.iter().fold(0, |sum, &digit| sum * 10 + i32::from(digit - b'0'));
    if digits.len() < exponent.len() { -absolute } else { absolute }
}

/// Appends `str(value)`.
pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    put(out, format_args!("{value}"));
}

/// Appends `repr(value)`: `b'…'`.
pub(super) fn put_bytes(out: &mut Vec<u8>, value: &[u8]) {
    let quote = if value.contains(&b'\'') && !value.contains(&b'"') { b'"' } else { b'\'' };
    out.extend_from_slice(&[b'b', quote]);
    for &byte in value {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ if byte == quote => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => put(out, format_args!("\\x{byte:02x}")),
        }
    }
    out.push(quote);
}

/// Appends a `str`, given as UTF-8 with lone surrogates as three bytes, as the bytes that
/// `encode("utf-8", "surrogateescape")` gives. `Err` is a surrogate that stands for no byte.
pub(super) fn put_str(out: &mut Vec<u8>, text: &[u8]) -> Result<(), u32> {
    let mut rest = text;
    // All surrogates, and the last Hangul syllables, begin with this byte.
    while let Some(at) = memchr::memchr(0xED, rest) {
        out.extend_from_slice(&rest[..at]);
        let taken = match rest[at..] {
            [_, high @ 0xA0..=0xBF, low, ..] => {
                let point = 0xD000 | u32::from(high & 0x3F) << 6 | u32::from(low & 0x3F);
                if !(0xDC80..=0xDCFF).contains(&point) {
                    return Err(point);
                }
                out.push(point as u8);
                3
            }
            _ => {
                out.push(0xED);
                1
            }
        };
        rest = &rest[at + taken..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A Vec takes everything.
    let _ = out.write_fmt(text);
}
