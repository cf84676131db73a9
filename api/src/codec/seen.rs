//! Which fields of a message came already.

use crate::schema::FieldId;

/// A set of field ids; without allocation up to 128.
pub(super) struct Seen {
    small: [u64; 2],
    large: Vec<u64>,
}

impl Seen {
    /// For a message whose ids need so many words of 64 bits.
    #[inline]
    pub(super) fn new(words: usize) -> Seen {
        Seen {
            small: [0; 2],
            large: if words > 2 {
                vec![0; words]
            } else {
                Vec::new()
            },
        }
    }

    /// Whether it is the first time.
    #[inline]
    pub(super) fn insert(&mut self, id: FieldId) -> bool {
        let (word, bit) = (usize::from(id.0) / 64, 1 << (id.0 % 64));
        let words: &mut [u64] = if self.large.is_empty() {
            &mut self.small
        } else {
            &mut self.large
        };
        let fresh = words[word] & bit == 0;
        words[word] |= bit;
        fresh
    }
}
