//! JSON name → field id.

use super::{Field, FieldId};

/// A perfect hash over a message's few names; the seed is searched for when the schema is built.
///
/// Where no seed is found (names made to collide, which only a custom resource can have), it falls back to a linear search.
#[derive(Debug, Default)]
pub struct NameIndex {
    seed: u64,
    shift: u32,
    slots: Vec<u16>,
}

const EMPTY: u16 = u16::MAX;
const SEEDS: u64 = 512;

impl NameIndex {
    /// Indexes the fields' names.
    pub(super) fn new(fields: &[Field]) -> NameIndex {
        let bits = (fields.len().max(1) * 2)
            .next_power_of_two()
            .trailing_zeros();
        for extra in 0..4 {
            let shift = 64 - (bits + extra);
            for attempt in 0..SEEDS {
                let seed = (attempt + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
                if let Some(slots) = try_seed(fields, seed, shift) {
                    return NameIndex { seed, shift, slots };
                }
            }
        }
        NameIndex::default()
    }

    #[inline]
    pub(super) fn get(&self, name: &str, fields: &[Field]) -> Option<FieldId> {
        if self.slots.is_empty() {
            let found = fields.iter().position(|field| field.name == name)?;
            return Some(FieldId(found as u16));
        }
        let slot = *self
            .slots
            .get((digest(name.as_bytes()).wrapping_mul(self.seed) >> self.shift) as usize)?;
        let field = fields.get(usize::from(slot))?;
        (field.name == name).then_some(FieldId(slot))
    }
}

fn try_seed(fields: &[Field], seed: u64, shift: u32) -> Option<Vec<u16>> {
    let mut slots = vec![EMPTY; 1 << (64 - shift)];
    for (index, field) in fields.iter().enumerate() {
        let slot = &mut slots[(digest(field.name.as_bytes()).wrapping_mul(seed) >> shift) as usize];
        if *slot != EMPTY {
            return None;
        }
        *slot = index as u16;
    }
    Some(slots)
}

/// Mixes the length with the first, the middle and the last bytes of a name.
#[inline]
fn digest(name: &[u8]) -> u64 {
    let word = |at: usize| -> u64 {
        match name.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => u64::from_le_bytes(bytes),
            None => 0,
        }
    };
    let half = |at: usize| -> u64 {
        match name.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => u64::from(u32::from_le_bytes(bytes)),
            None => 0,
        }
    };
    let n = name.len();
    let mixed = if n >= 8 {
        word(0) ^ word(n - 8).rotate_left(21) ^ word(n / 2 - 4).rotate_left(43)
    } else if n >= 4 {
        half(0) | half(n - 4) << 32
    } else {
        name.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    (mixed ^ (n as u64).wrapping_mul(0xA076_1D64_78BD_642F)).wrapping_mul(0xD6E8_FEB8_6659_FD93)
        ^ mixed >> 29
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(names: impl IntoIterator<Item = String>) -> Vec<Field> {
        names
            .into_iter()
            .map(|name| Field {
                name,
                ..Field::default()
            })
            .collect()
    }

    #[test]
    fn every_name_is_found_and_no_other() {
        for count in [0_usize, 1, 2, 7, 45, 300] {
            let fields = fields((0..count).map(|i| format!("someFieldNamed{i}")));
            let index = NameIndex::new(&fields);
            for (i, field) in fields.iter().enumerate() {
                assert_eq!(index.get(&field.name, &fields), Some(FieldId(i as u16)));
            }
            assert_eq!(index.get("someFieldNamed", &fields), None);
            assert_eq!(index.get("", &fields), None);
        }
    }

    #[test]
    fn names_made_to_collide_are_still_found() {
        // Equal length, head, middle and tail: no seed can tell these apart.
        let fields = fields(
            [
                "abcdefghXXijklmnopYYqrstuvwx",
                "abcdefghYYijklmnopXXqrstuvwx",
            ]
            .map(str::to_owned),
        );
        let index = NameIndex::new(&fields);
        assert!(index.slots.is_empty());
        assert_eq!(index.get(&fields[1].name, &fields), Some(FieldId(1)));
    }
}
