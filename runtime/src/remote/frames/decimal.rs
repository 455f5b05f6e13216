//! Decimal numbers: Spark's are whole numbers with a place for the point, Python's travel as texts.

/// What Python's `str` says of a `Decimal` of these digits.
pub fn text_of(unscaled: i128, scale: i8) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let sign = if unscaled < 0 { "-" } else { "" };
    // Digits in front of the point.
    let before = digits.len() as i32 - i32::from(scale);
    if scale <= 0 && before == digits.len() as i32 {
        return format!("{sign}{digits}");
    }
    if scale < 0 || before <= -6 {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}E{:+}", before - 1);
    }
    match usize::try_from(before) {
        Ok(before) if before > 0 => format!("{sign}{}.{}", &digits[..before], &digits[before..]),
        _ => format!("{sign}0.{}{digits}", "0".repeat(before.unsigned_abs() as usize)),
    }
}

/// The digits of a decimal number as a whole number, if so many of them hold it exactly.
pub fn unscaled(text: &str, digits: u8, scale: i8) -> Option<i128> {
    let (number, exponent) = match text.split_once(['E', 'e']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all = format!("{whole}{fraction}");
    let all = all.trim_start_matches('0');
    // Zeros that have to be added, or digits that have to be zeros.
    let shift = exponent - fraction.len() as i32 + i32::from(scale);
    let (all, zeros) = match usize::try_from(shift) {
        Ok(zeros) => (all, zeros),
        Err(_) => {
            let kept = all.len().saturating_sub(shift.unsigned_abs() as usize);
            let (kept, cut) = all.split_at(kept);
            (cut.bytes().all(|digit| digit == b'0').then_some(kept)?, 0)
        }
    };
    if all.is_empty() {
        return Some(0);
    }
    if all.len() + zeros > usize::from(digits) {
        return None;
    }
    let value: i128 = format!("{all}{}", "0".repeat(zeros)).parse().ok()?;
    Some(if negative { -value } else { value })
}
