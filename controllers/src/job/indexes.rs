//! Sets of completion indexes, as `status.completedIndexes` has them: `0-2,5,7,9-11`. Kept as intervals, since there may be a
//! hundred thousand of them.

use std::fmt;

/// A set of indexes: disjoint intervals, both ends included, in order, none beside another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Indexes(Vec<(i32, i32)>);

impl Indexes {
    /// Reads a set; what cannot be read, or is not below `completions`, is left out.
    pub(super) fn parse(text: &str, completions: i32) -> Indexes {
        let mut found = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) else {
                continue;
            };
            if first >= completions {
                break;
            }
            let last = last.min(completions - 1);
            if first >= 0 && first <= last {
                found.push((first, last));
            }
        }
        Indexes(found).union(&Indexes::default())
    }

    /// All that are in one or the other.
    pub(super) fn union(&self, other: &Indexes) -> Indexes {
        let mut all: Vec<(i32, i32)> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut merged: Vec<(i32, i32)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match merged.last_mut() {
                Some(previous) if first <= previous.1.saturating_add(1) => {
                    previous.1 = previous.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Indexes(merged)
    }

    /// How many there are.
    pub(super) fn len(&self) -> i32 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one is among them.
    pub(super) fn contains(&self, index: i32) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < index);
        self.0.get(at).is_some_and(|(first, _)| *first <= index)
    }

    /// How many are in both.
    pub(super) fn common(&self, other: &Indexes) -> i32 {
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut count = 0;
        while let (Some(a), Some(b)) = (mine.peek(), theirs.peek()) {
            count += (a.1.min(b.1) - a.0.max(b.0) + 1).max(0);
            if a.1 <= b.1 {
                mine.next();
            } else {
                theirs.next();
            }
        }
        count
    }

    /// The lowest indexes below `completions` that are not in the set, `count` at most.
    pub(super) fn first_absent(&self, count: usize, completions: i32) -> Vec<i32> {
        let mut absent = Vec::new();
        let mut next = 0;
        let end = (completions, completions);
        for (first, last) in self.0.iter().copied().chain([end]) {
            while next < first.min(completions) && absent.len() < count {
                absent.push(next);
                next += 1;
            }
            next = next.max(last.saturating_add(1));
        }
        absent
    }
}

impl FromIterator<i32> for Indexes {
    fn from_iter<I: IntoIterator<Item = i32>>(indexes: I) -> Self {
        Indexes(indexes.into_iter().map(|index| (index, index)).collect())
            .union(&Indexes::default())
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match last - first {
                0 => write!(f, "{first}")?,
                1 => write!(f, "{first},{last}")?,
                _ => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sets_are_written_and_read_as_upstream_does() {
        for (text, completions, wanted) in [
            ("", 5, ""),
            ("0", 5, "0"),
            ("0,1", 5, "0,1"),
            ("0,1,2", 5, "0-2"),
            ("0-2,3-4", 5, "0-4"),
            ("0-2,4", 5, "0-2,4"),
            ("1,3-5,7", 5, "1,3,4"),
            ("1,3-5,7", 4, "1,3"),
            ("x,2,4-y,6", 10, "2,6"),
            ("-1,2", 10, "2"),
        ] {
            let set = Indexes::parse(text, completions);
            assert_eq!(set.to_string(), wanted, "{text:?} below {completions}");
        }
    }

    /// Every pair of sets below 7, against sets that are plain.
    #[test]
    fn sets_agree_with_plain_ones() {
        const END: i32 = 7;
        let plain =
            |bits: u32| -> BTreeSet<i32> { (0..END).filter(|i| bits >> i & 1 == 1).collect() };
        for a in 0..1 << END {
            let (one, model) = (plain(a).into_iter().collect::<Indexes>(), plain(a));
            assert_eq!(Indexes::parse(&one.to_string(), END), one);
            assert_eq!(usize::try_from(one.len()).expect("small"), model.len());
            assert_eq!(one.is_empty(), model.is_empty());
            for count in 0..=8 {
                let absent: Vec<i32> = (0..END)
                    .filter(|i| !model.contains(i))
                    .take(count)
                    .collect();
                assert_eq!(one.first_absent(count, END), absent);
            }
            for index in 0..END {
                assert_eq!(one.contains(index), model.contains(&index));
            }
            for b in 0..1 << END {
                let (two, other) = (plain(b).into_iter().collect::<Indexes>(), plain(b));
                let both: Indexes = model.union(&other).copied().collect();
                assert_eq!(one.union(&two), both);
                let common = model.intersection(&other).count();
                assert_eq!(usize::try_from(one.common(&two)).expect("small"), common);
            }
        }
    }
}
