//! `resource.Quantity`: a decimal number with a suffix, canonicalised as upstream does.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::str::FromStr;

/// How a quantity is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// `1e3`
    DecimalExponent,
    /// `1Ki`
    BinarySI,
    /// `1k`
    #[default]
    DecimalSI,
}

/// An exact decimal number, at least a billionth fine, of at most 38 digits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    /// The number is this × 10^scale.
    value: i128,
    scale: i32,
    format: Format,
}

/// Text that is no quantity; the words are upstream's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseQuantityError {
    /// Characters out of place.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// More digits than can be kept.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// A suffix that is none.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// The finest scale that is kept.
const NANO: i32 = -9;
const SI: [(&str, i32); 9] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
];
const EXA: (&str, i32) = ("E", 18);
const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// The pieces of a quantity's text.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point, without leading zeros, but for a lone one.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Parts<'a>, ParseQuantityError> {
        if text.is_empty() {
            return Err(ParseQuantityError::Format);
        }
        let negative = text.starts_with('-');
        let unsigned = text
            .strip_prefix(['-', '+'])
            .unwrap_or(text)
            .trim_start_matches('0');
        let digits =
            |text: &'a str| text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let (whole, rest) = digits(unsigned);
        let whole = if whole.is_empty() { "0" } else { whole };
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), digits);
        let tail = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
        let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
        if tail.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Parts {
                negative,
                whole,
                fraction,
                suffix,
            })
        } else {
            Err(ParseQuantityError::Format)
        }
    }
}

enum Suffix {
    Decimal(i32, Format),
    Binary(u32),
}

fn interpret(suffix: &str) -> Result<Suffix, ParseQuantityError> {
    if let Some((_, exponent)) = SI.iter().chain([&EXA]).find(|(name, _)| *name == suffix) {
        return Ok(Suffix::Decimal(*exponent, Format::DecimalSI));
    }
    if let Some((_, bits)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Ok(Suffix::Binary(*bits));
    }
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .and_then(|digits| digits.parse::<i32>().ok());
    match exponent {
        // So that scales never overflow.
        Some(exponent) if exponent.unsigned_abs() < 1 << 30 => {
            Ok(Suffix::Decimal(exponent, Format::DecimalExponent))
        }
        _ => Err(ParseQuantityError::Suffix),
    }
}

/// Parses; the flag tells that upstream keeps the text as it came.
fn parse(text: &str) -> Result<(Quantity, bool), ParseQuantityError> {
    let parts = Parts::split(text)?;
    let suffix = interpret(parts.suffix)?;
    let mut magnitude: i128 = 0;
    for digit in parts.whole.bytes().chain(parts.fraction.bytes()) {
        magnitude = magnitude
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(digit - b'0')))
            .ok_or(ParseQuantityError::Numeric)?;
    }
    let (whole, fraction) = (parts.whole.len() as i32, parts.fraction.len() as i32);
    let mut quantity = Quantity {
        value: magnitude,
        scale: -fraction,
        format: Format::BinarySI,
    };
    let kept = match suffix {
        Suffix::Decimal(exponent, format) => {
            quantity.scale = exponent - fraction;
            quantity.format = format;
            let small = 18 - whole - fraction >= 0 && quantity.scale >= NANO;
            let trailing = format_args_end_with_zeros(&parts);
            small && quantity.scale % 3 == 0 && !trailing && !parts.whole.starts_with('0')
        }
        Suffix::Binary(bits) => {
            let small = fraction == 0 && 14 - whole - (bits as i32 * 3 / 10) >= 0;
            quantity.value = magnitude
                .checked_mul(1 << bits)
                .ok_or(ParseQuantityError::Numeric)?;
            if !small {
                let max = Quantity {
                    value: i128::from(i64::MAX),
                    scale: 0,
                    format: Format::BinarySI,
                };
                if quantity > max {
                    quantity = max;
                }
                let one = Quantity {
                    value: 1,
                    scale: 0,
                    format: Format::BinarySI,
                };
                if quantity.value != 0 && quantity < one {
                    quantity.format = Format::DecimalSI;
                }
            }
            small && magnitude & 7 != 0
        }
    };
    if quantity.scale < NANO {
        quantity = quantity.rounded(NANO);
    }
    if parts.negative {
        quantity.value = -quantity.value;
    }
    Ok((quantity, kept || text == "0"))
}

/// Whether the digits, without the point, end with three zeros.
fn format_args_end_with_zeros(parts: &Parts<'_>) -> bool {
    let mut zeros = parts
        .whole
        .bytes()
        .chain(parts.fraction.bytes())
        .rev()
        .take(3);
    parts.whole.len() + parts.fraction.len() >= 3 && zeros.all(|digit| digit == b'0')
}

/// The text that upstream would print after having read this one.
///
/// # Errors
/// When the text is no quantity.
pub fn canonical(text: &str) -> Result<Cow<'_, str>, ParseQuantityError> {
    let (quantity, kept) = parse(text)?;
    Ok(if kept {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(quantity.to_string())
    })
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Quantity, ParseQuantityError> {
        parse(text).map(|(quantity, _)| quantity)
    }
}

impl Quantity {
    /// The quantity `value` × 10^`scale`.
    pub fn new(value: i64, scale: i32, format: Format) -> Quantity {
        Quantity {
            value: i128::from(value),
            scale,
            format,
        }
    }

    /// A whole number.
    pub fn from_units(value: i64, format: Format) -> Quantity {
        Quantity::new(value, 0, format)
    }

    /// Thousandths (of a CPU).
    pub fn from_millis(value: i64) -> Quantity {
        Quantity::new(value, -3, Format::DecimalSI)
    }

    /// How it is written.
    pub fn format(self) -> Format {
        self.format
    }

    /// In units, rounded away from zero; at most what fits.
    pub fn value(self) -> i64 {
        self.scaled(0)
    }

    /// In thousandths, rounded away from zero; at most what fits.
    pub fn milli_value(self) -> i64 {
        self.scaled(-3)
    }

    /// In units of 10^`scale`, rounded away from zero; at most what fits.
    pub fn scaled(self, scale: i32) -> i64 {
        let clamp = |value: i128| value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        if self.scale < scale {
            return clamp(self.rounded(scale).value);
        }
        match pow10(self.scale.saturating_sub(scale))
            .and_then(|factor| self.value.checked_mul(factor))
        {
            Some(value) => clamp(value),
            None => clamp(i128::MAX * self.value.signum()),
        }
    }

    /// -1, 0 or 1.
    pub fn signum(self) -> i32 {
        self.value.signum() as i32
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.value == 0
    }

    /// Rounded away from zero to a coarser scale.
    fn rounded(self, scale: i32) -> Quantity {
        let value = match pow10(scale.saturating_sub(self.scale)) {
            Some(divisor) => {
                let (quotient, rest) = (self.value / divisor, self.value % divisor);
                if rest == 0 {
                    quotient
                } else {
                    quotient + self.value.signum()
                }
            }
            None => self.value.signum(),
        };
        Quantity {
            value,
            scale,
            ..self
        }
    }

    /// Both values at the finer of the two scales; none where that has more than 38 digits.
    fn aligned(self, other: Quantity) -> Option<(i128, i128, i32)> {
        let scale = self.scale.min(other.scale);
        let at = |q: Quantity| match q.value {
            0 => Some(0),
            value => value.checked_mul(pow10(q.scale - scale)?),
        };
        Some((at(self)?, at(other)?, scale))
    }

    /// The sum, in this quantity's format (the other's, if this is zero); none beyond 38 digits.
    pub fn checked_add(self, other: Quantity) -> Option<Quantity> {
        let (a, b, scale) = self.aligned(other)?;
        let format = if self.is_zero() {
            other.format
        } else {
            self.format
        };
        Some(Quantity {
            value: a.checked_add(b)?,
            scale,
            format,
        })
    }

    /// The difference, in this quantity's format (the other's, if this is zero); none beyond 38 digits.
    pub fn checked_sub(self, other: Quantity) -> Option<Quantity> {
        self.checked_add(Quantity {
            value: -other.value,
            ..other
        })
    }
}

impl std::ops::Neg for Quantity {
    type Output = Quantity;

    fn neg(self) -> Quantity {
        Quantity {
            value: -self.value,
            ..self
        }
    }
}

fn pow10(exponent: i32) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// By amount; the format does not matter.
impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        match self.aligned(*other) {
            Some((a, b, _)) => a.cmp(&b),
            None => {
                // Too far apart to align: signs first, then the decimal place of the first digit.
                let place = |q: &Quantity| {
                    q.value
                        .unsigned_abs()
                        .checked_ilog10()
                        .map_or(i64::MIN, i64::from)
                        + i64::from(q.scale)
                };
                let (a, b) = (self.value.signum(), other.value.signum());
                a.cmp(&b).then_with(|| match a {
                    1 => place(self).cmp(&place(other)),
                    _ => place(other).cmp(&place(self)),
                })
            }
        }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

/// The canonical form: no fraction, the largest suffix, the number's format unless that would lose something.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value == 0 {
            return f.write_char('0');
        }
        let (mut value, mut exponent) = (self.value, self.scale);
        if self.format == Format::BinarySI
            && let Some(mut whole) = self.whole().filter(|whole| whole.unsigned_abs() >= 1024)
        {
            let mut suffix = "";
            for (name, _) in BINARY {
                if whole % 1024 != 0 || whole.unsigned_abs() < 1024 {
                    break;
                }
                whole /= 1024;
                suffix = name;
            }
            return write!(f, "{whole}{suffix}");
        }
        while value % 10 == 0 {
            value /= 10;
            exponent += 1;
        }
        let mut shift = exponent.rem_euclid(3);
        if self.format != Format::DecimalExponent && exponent - shift > EXA.1 {
            shift = exponent - EXA.1;
        }
        exponent -= shift;
        write!(f, "{value}")?;
        for _ in 0..shift {
            f.write_char('0')?;
        }
        match self.format {
            Format::DecimalExponent if exponent == 0 => Ok(()),
            Format::DecimalExponent => write!(f, "e{exponent}"),
            _ => f.write_str(
                SI.iter()
                    .chain([&EXA])
                    .find(|(_, e)| *e == exponent)
                    .map_or("", |(name, _)| name),
            ),
        }
    }
}

impl Quantity {
    /// The number, if it is whole and fits.
    fn whole(self) -> Option<i128> {
        if self.scale >= 0 {
            return self.value.checked_mul(pow10(self.scale)?);
        }
        let divisor = pow10(-self.scale)?;
        (self.value % divisor == 0).then_some(self.value / divisor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_canonicalised_as_upstream_does() {
        for (text, canonical_text) in [
            ("0", "0"),
            ("0Ki", "0"),
            ("-0", "0"),
            ("100m", "100m"),
            ("0.1", "100m"),
            ("1.5", "1500m"),
            ("1.500", "1.500"),
            ("1000m", "1"),
            ("1000k", "1M"),
            ("12000", "12k"),
            ("100000", "100k"),
            ("1024Mi", "1Gi"),
            ("1025Mi", "1025Mi"),
            ("1000Ki", "1000Ki"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("0.1Ki", "102400m"),
            ("16Ei", "9223372036854775807"),
            ("1e3", "1e3"),
            ("1000e0", "1e3"),
            ("1E6", "1E6"),
            ("12e6", "12e6"),
            ("0.001n", "1n"),
            ("-1.5", "-1500m"),
            ("+5", "+5"),
            ("005Gi", "005Gi"),
            ("8Ki", "8Ki"),
            ("1Pi", "1Pi"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(canonical_text), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for (text, error) in [
            ("", ParseQuantityError::Format),
            ("abc", ParseQuantityError::Format),
            ("1.2.3", ParseQuantityError::Format),
            ("1 Gi", ParseQuantityError::Format),
            ("1gi", ParseQuantityError::Format),
            ("1Kim", ParseQuantityError::Suffix),
            ("1e", ParseQuantityError::Suffix),
            ("1i", ParseQuantityError::Suffix),
        ] {
            assert_eq!(canonical(text), Err(error), "{text}");
        }
    }

    #[test]
    fn amounts_compare_and_add_across_formats() {
        let q = |text: &str| text.parse::<Quantity>().unwrap();
        assert_eq!(q("1Ki"), q("1024"));
        assert!(q("1e40") > q("1n") && q("-1e40") < q("1n") && q("1e40") < q("1e41"));
        assert_eq!(
            q("1Gi").checked_add(q("1Mi")).unwrap().to_string(),
            "1025Mi"
        );
        assert_eq!(q("0").checked_add(q("1Gi")).unwrap().to_string(), "1Gi");
        assert_eq!(q("1").checked_sub(q("1m")).unwrap().to_string(), "999m");
        assert_eq!(
            (
                q("1n").value(),
                q("1.0001").milli_value(),
                q("-1.5").value()
            ),
            (1, 1001, -2)
        );
        assert_eq!(q("1e30").value(), i64::MAX);
    }
}
