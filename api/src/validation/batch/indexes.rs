//! Sets of completion indexes as they are written: `0-2,5,7`.

use crate::field::quote;

/// Why a text is no set of indexes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IndexesError {
    /// `1-2-3`
    #[error(
        "the fragment {} violates the requirement that an index interval can have at most two parts separated by '-'", quote(.0)
    )]
    Parts(String),
    /// Not a number.
    #[error("cannot convert string to integer for index: {}", quote(.0))]
    Number(String),
    /// Not below the number of completions.
    #[error("too large index: {}", quote(.0))]
    TooLarge(String),
    /// Not above the one before it.
    #[error("non-increasing order, previous: {0}, current: {1}")]
    Order(i64, i64),
}

type Interval = (i64, i64);

fn interval(text: &str, completions: i32) -> Result<Interval, IndexesError> {
    let parts: Vec<&str> = text.split('-').collect();
    let index = |text: &str| -> Result<i64, IndexesError> {
        let number = text.parse::<i64>();
        let number = number.map_err(|_| IndexesError::Number(text.to_owned()))?;
        if number >= completions.into() {
            return Err(IndexesError::TooLarge(text.to_owned()));
        }
        Ok(number)
    };
    match parts.as_slice() {
        [one] => index(one).map(|one| (one, one)),
        [first, last] => match (index(first)?, index(last)?) {
            (first, last) if first >= last => Err(IndexesError::Order(first, last)),
            both => Ok(both),
        },
        _ => Err(IndexesError::Parts(text.to_owned())),
    }
}

/// How many indexes a set has.
pub(super) fn count(text: &str, completions: i32) -> Result<i64, IndexesError> {
    let (mut total, mut previous) = (0, None);
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, last) = interval(part, completions)?;
        if let Some(previous) = previous.filter(|previous| *previous >= first) {
            return Err(IndexesError::Order(previous, first));
        }
        total += last - first + 1;
        previous = Some(last);
    }
    Ok(total)
}

/// The first index that is in both sets; intervals that cannot be read are passed over.
pub(super) fn overlap(one: &str, other: &str, completions: i32) -> Option<i64> {
    let read = |text: &str| -> Vec<Interval> {
        let parts = text.split(',');
        parts
            .filter_map(|part| interval(part, completions).ok())
            .collect()
    };
    let (one, other) = (read(one), read(other));
    let (mut at, mut beside) = (0, 0);
    while let (Some(a), Some(b)) = (one.get(at), other.get(beside)) {
        if a.0 <= b.1 && b.0 <= a.1 {
            return Some(a.0.max(b.0));
        }
        if a.0 <= b.0 {
            at += 1;
        } else {
            beside += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_counted_or_refused() {
        for (text, wanted) in [
            ("", "0"),
            ("0", "1"),
            ("0-2,5,7-9", "7"),
            (
                "1-2-3",
                "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'",
            ),
            ("a", "cannot convert string to integer for index: \"a\""),
            ("-1", "cannot convert string to integer for index: \"\""),
            ("10", "too large index: \"10\""),
            ("1-10", "too large index: \"10\""),
            ("3-3", "non-increasing order, previous: 3, current: 3"),
            ("0-3,3", "non-increasing order, previous: 3, current: 3"),
        ] {
            let found = count(text, 10).map_or_else(|e| e.to_string(), |n| n.to_string());
            assert_eq!(found, wanted, "{text:?}");
        }
    }

    #[test]
    fn sets_overlap_at_their_first_common_index() {
        assert_eq!(overlap("0-3,7", "4-6,8", 10), None);
        assert_eq!(overlap("0-3,7", "2-8", 10), Some(2));
        assert_eq!(overlap("x,7", "6-8", 10), Some(7));
    }
}
