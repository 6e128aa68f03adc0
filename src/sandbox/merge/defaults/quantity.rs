//! Amounts with a unit, as `500m` or `1Gi`: the API server writes each in one way only.

use serde_json::Value;

/// Ten to the power of nine: the finest that an amount can be.
const NANO: i128 = 1_000_000_000;
const DECIMAL: [(&str, u32); 9] =
    [("n", 0), ("u", 3), ("m", 6), ("", 9), ("k", 12), ("M", 15), ("G", 18), ("T", 21), ("P", 24)];
const BINARY: [(&str, u32); 6] = [("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];

/// Brings an amount to the form that the API server gives it. What is no amount stays as it is.
pub(super) fn canonicalize(value: &mut Value) {
    let text = match &*value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    if let Some(canonical) = canonical(&text) {
        *value = canonical.into();
    }
}

fn canonical(text: &str) -> Option<String> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit)?;
    let negative = number.starts_with('-');
    let number = number.strip_prefix(['-', '+']).unwrap_or(number);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let binary = BINARY.iter().find(|(name, _)| *name == unit);
    let factor = if let Some((_, power)) = binary {
        1024_i128.checked_pow(*power)?.checked_mul(NANO)?
    } else {
        let (_, power) = DECIMAL.iter().find(|(name, _)| *name == unit)?;
        10_i128.checked_pow(*power)?
    };
    // What is finer than the finest is rounded up.
    let amount = ceil(digits.checked_mul(factor)?, scale);
    if amount == 0 {
        return Some("0".to_owned());
    }
    let sign = if negative { "-" } else { "" };
    let written = if binary.is_some() && amount >= 1024 * NANO {
        in_units(ceil(amount, NANO), &BINARY, 1024)
    } else {
        in_units(amount, &DECIMAL, 10)
    };
    Some(format!("{sign}{written}"))
}

fn ceil(amount: i128, step: i128) -> i128 {
    amount / step + i128::from(amount % step != 0)
}

/// With the greatest unit that leaves a whole number.
fn in_units(amount: i128, units: &[(&str, u32)], base: i128) -> String {
    let mut sizes = units.iter().rev().map(|(unit, power)| (unit, base.pow(*power)));
    let found = sizes.find(|(_, size)| amount % size == 0);
    found.map_or_else(|| amount.to_string(), |(unit, size)| format!("{}{unit}", amount / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_one_way() {
        for (given, expected) in [
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("2000", "2k"),
            ("1024Mi", "1Gi"),
            ("1536Mi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("512", "512"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            ("0", "0"),
            ("-0.1", "-100m"),
        ] {
            assert_eq!(canonical(given).as_deref(), Some(expected), "{given}");
        }
        assert_eq!(canonical("much"), None);
        assert_eq!(canonical("1x"), None);
    }
}
