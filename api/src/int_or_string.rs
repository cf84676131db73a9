//! A number, or text which may be a percentage or a name.

use std::fmt;

/// `intstr.IntOrString`: the text "80" is not the number 80.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A percentage ("25%") or a name ("http").
    String(String),
}

/// Text that is no percentage where one is needed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid value for IntOrString: invalid type: string is not a percentage")]
pub struct NotPercentage;

impl IntOrString {
    /// The number itself, or the percentage of `total`, rounded up or down.
    ///
    /// # Errors
    /// When the text is no percentage.
    pub fn scaled(&self, total: i64, round_up: bool) -> Result<i64, NotPercentage> {
        match self {
            IntOrString::Int(value) => Ok(i64::from(*value)),
            IntOrString::String(text) => {
                let percent: i64 = text
                    .strip_suffix('%')
                    .and_then(|digits| digits.parse().ok())
                    .ok_or(NotPercentage)?;
                let product = i128::from(percent) * i128::from(total);
                let scaled = if round_up {
                    -(-product).div_euclid(100)
                } else {
                    product.div_euclid(100)
                };
                Ok(i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX }))
            }
        }
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntOrString::Int(value) => value.fmt(f),
            IntOrString::String(text) => text.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_told() {
        let quarter = IntOrString::String("25%".into());
        assert_eq!(
            (quarter.scaled(10, true), quarter.scaled(10, false)),
            (Ok(3), Ok(2))
        );
        assert_eq!(IntOrString::Int(7).scaled(10, true), Ok(7));
        assert_eq!(
            IntOrString::String("80".into()).scaled(10, true),
            Err(NotPercentage)
        );
    }
}
