//! What a scalar means: the rules of go-yaml v2 (its `resolve.go`), then those by which
//! `sigs.k8s.io/yaml` turns the result into JSON.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Number, Value};

/// A scalar with its type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer that only fits without a sign.
    Uint(u64),
    Float(f64),
    Text(String),
}

/// Prefix of YAML's own tags.
pub(super) const CORE: &str = "tag:yaml.org,2002:";

/// YAML's own tags that mean something here, [`CORE`] left away.
const CORE_TAGS: [&str; 7] = ["binary", "null", "bool", "int", "float", "timestamp", "merge"];

/// What a tag means, without its text: how long that is, is up to who writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// None is written: the text decides if it is plain, else it is a text.
    None { plain: bool },
    /// `!!int` and the like.
    Core(&'static str),
    /// `!`.
    Bare,
    /// `!name`, a tag of somebody else's: the value is taken as it is written.
    Foreign,
}

impl Tag {
    /// The meaning of a tag in full.
    pub(super) fn named(name: &str) -> Self {
        if name == "!" {
            return Self::Bare;
        }
        let core = name.strip_prefix(CORE);
        let known = CORE_TAGS.iter().find(|tag| core == Some(**tag));
        known.map_or(Self::Foreign, |tag| Self::Core(tag))
    }
}

/// Go's decoder does not mind unused bits in the last character.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The meaning of a scalar.
pub(super) fn resolve(tag: Tag, text: &str) -> Result<Scalar, String> {
    let name = match tag {
        Tag::None { plain: true } => return Ok(implicit(text)),
        Tag::None { plain: false } | Tag::Bare | Tag::Foreign => {
            return Ok(Scalar::Text(text.to_owned()));
        }
        Tag::Core(name) => name,
    };
    let value = match (name, implicit(text)) {
        ("binary", _) => return binary(text),
        ("null", value @ Scalar::Null)
        | ("bool", value @ Scalar::Bool(_))
        | ("int", value @ (Scalar::Int(_) | Scalar::Uint(_)))
        | ("float", value @ Scalar::Float(_)) => value,
        #[expect(clippy::cast_precision_loss, reason = "the tag asks for it")]
        ("float", Scalar::Int(value)) => Scalar::Float(value as f64),
        ("timestamp", Scalar::Text(value)) if begins_with_year(&value) => Scalar::Text(value),
        ("null" | "bool" | "int" | "float" | "timestamp", _) => {
            // What it is instead may be a secret, as in the `stringData` of one.
            return Err(format!("the value is none of the type !!{name}"));
        }
        _ => Scalar::Text(text.to_owned()),
    };
    Ok(value)
}

impl Scalar {
    /// The value as JSON has it: a float without a fraction is an integer there.
    pub(super) fn into_json(self) -> Result<Value, String> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => value.into(),
            Self::Int(value) => value.into(),
            Self::Uint(value) => value.into(),
            Self::Float(value) => Value::Number(json_number(value)?),
            Self::Text(value) => value.into(),
        })
    }

    /// What [`Scalar::into_json`] made a value of, as far as JSON tells.
    pub(super) fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self::Null),
            Value::Bool(value) => Ok(Self::Bool(value)),
            Value::String(value) => Ok(Self::Text(value)),
            Value::Number(value) => value
                .as_i64()
                .map(Self::Int)
                .or_else(|| value.as_u64().map(Self::Uint))
                .or_else(|| value.as_f64().map(Self::Float))
                .ok_or_else(|| format!("`{value}` is no number of JSON")),
            Value::Array(_) | Value::Object(_) => Err("a key must be a text".to_owned()),
        }
    }

    /// The value as the key of a JSON object.
    pub(super) fn into_key(self) -> Result<String, String> {
        match self {
            Self::Text(value) => Ok(value),
            Self::Bool(value) => Ok(value.to_string()),
            Self::Int(value) => Ok(value.to_string()),
            Self::Float(value) => Ok(float_key(value)),
            Self::Null => Err("a key must not be null".to_owned()),
            Self::Uint(value) => Err(format!("`{value}` is too large for a key; quote it")),
        }
    }
}

fn implicit(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        // Here Go looks at the underscores: they must part digits.
        b'.' if !parts_digits(text) => None,
        b'.' => float(&text.replace('_', "")),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    };
    number.unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

/// Go's `ParseInt` with base 0, then `ParseUint`, then what go-yaml adds for `0b`.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, unsigned) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = unsigned.len() < text.len();
    let (digits, radix) = based(unsigned);
    if digits.starts_with(['+', '-']) {
        // `0b-1` is such a slip of go-yaml's.
        let binary = !signed && radix == 2 && unsigned.starts_with("0b");
        return binary.then(|| i64::from_str_radix(digits, 2).ok()).flatten().map(Scalar::Int);
    }
    let magnitude = if digits.is_empty() && unsigned == "0" {
        0
    } else {
        u64::from_str_radix(digits, radix).ok()?
    };
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Scalar::Int(value)),
        Err(_) => (!signed).then_some(Scalar::Uint(magnitude)),
    }
}

/// The digits behind the prefix of a base, and that base: `0x`, `0b`, `0o`, and `0` for octal.
fn based(text: &str) -> (&str, u32) {
    let Some(rest) = text.strip_prefix('0') else { return (text, 10) };
    match rest.as_bytes() {
        [b'x' | b'X', _, ..] => (&rest[1..], 16),
        [b'b' | b'B', _, ..] => (&rest[1..], 2),
        [b'o' | b'O', _, ..] => (&rest[1..], 8),
        _ => (rest, 8),
    }
}

fn parts_digits(text: &str) -> bool {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let underscores = bytes.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'_');
    underscores.into_iter().all(|(i, _)| digit(bytes.get(i - 1)) && digit(bytes.get(i + 1)))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, as long as it is finite.
fn float(text: &str) -> Option<Scalar> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|e| e.strip_prefix(['-', '+']).unwrap_or(e));
    let well_formed = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| !e.is_empty() && digits(e));
    let value: f64 = well_formed.then(|| text.parse().ok()).flatten()?;
    value.is_finite().then_some(Scalar::Float(value))
}

/// Go writes floats below 1e21 without exponent, with the fewest digits that read back the same;
/// who reads that JSON sees an integer where there is no fraction.
fn json_number(value: f64) -> Result<Number, String> {
    if value.fract() == 0.0 && value.abs() < 1e21 {
        let text = value.to_string();
        if let Ok(integer) = text.parse::<i64>() {
            return Ok(integer.into());
        }
        if let Ok(integer) = text.parse::<u64>() {
            return Ok(integer.into());
        }
    }
    Number::from_f64(value)
        .ok_or_else(|| format!("`{value}` is no number of JSON; quote it if a text is meant"))
}

/// `sigs.k8s.io/yaml` writes float keys with `strconv.FormatFloat(key, 'g', -1, 32)`.
fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the library does so")]
    let value = value as f32;
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn binary(text: &str) -> Result<Scalar, String> {
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match BASE64.decode(packed) {
        Ok(bytes) => Ok(Scalar::Text(as_go_reads(&bytes))),
        Err(_) => Err("the value of a !!binary is not base64".to_owned()),
    }
}

/// Each byte that is not of a character becomes one that stands for it.
fn as_go_reads(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// All forms of a timestamp that go-yaml takes begin so.
fn begins_with_year(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 4 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_they_mean_to_kubectl() {
        for (text, json) in [
            ("0644", "420"),
            ("0899", "899"),
            ("0x1F", "31"),
            ("-0b11", "-3"),
            ("1_000", "1000"),
            ("1e3", "1000"),
            ("1.0", "1"),
            ("18446744073709551615", "18446744073709551615"),
            ("yes", "true"),
            ("Off", "false"),
            ("~", "null"),
            ("2001-01-01", "\"2001-01-01\""),
            ("1:30", "\"1:30\""),
            (".1_0", "0.1"),
            (".1_", "\".1_\""),
        ] {
            let value = resolve(Tag::None { plain: true }, text).unwrap().into_json().unwrap();
            assert_eq!(value.to_string(), json, "{text}");
        }
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        for text in [".inf", "-.INF", ".nan"] {
            assert!(implicit(text).into_json().is_err(), "{text}");
        }
        let refused = resolve(Tag::Core("int"), "hunter2").unwrap_err();
        assert!(!refused.contains("hunter2"), "{refused}");
        assert!(Scalar::Null.into_key().is_err());
    }
}
