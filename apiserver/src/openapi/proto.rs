//! Writes protobuf as it goes.

/// A message that is being written.
pub struct Proto<'o>(&'o mut Vec<u8>);

impl<'o> Proto<'o> {
    /// Writes into `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Proto<'o> {
        Proto(out)
    }

    /// A text field; none if the text is empty.
    pub fn text(&mut self, field: u32, value: &str) {
        if !value.is_empty() {
            self.element(field, value);
        }
    }

    /// A text of a repeated field, or of one whose presence counts.
    pub fn element(&mut self, field: u32, value: &str) {
        self.tag(field, 2);
        varint(self.0, value.len() as u64);
        self.0.extend_from_slice(value.as_bytes());
    }

    /// A field that is true; none if it is not.
    pub fn flag(&mut self, field: u32, value: bool) {
        if value {
            self.varint(field, 1);
        }
    }

    /// A varint whose presence counts.
    pub fn varint(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        varint(self.0, value);
    }

    /// A floating-point number whose presence counts.
    pub fn double(&mut self, field: u32, value: f64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A message field.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Proto<'_>)) {
        self.tag(field, 2);
        let start = self.0.len();
        write(&mut Proto(self.0));
        // The length stands before what it measures, and is not known sooner.
        let mut length = Vec::with_capacity(4);
        varint(&mut length, (self.0.len() - start) as u64);
        self.0.splice(start..start, length);
    }

    /// An entry of what JSON has as an object: a message of a name and a value.
    pub fn named(&mut self, field: u32, name: &str, write: impl FnOnce(&mut Proto<'_>)) {
        self.message(field, |entry| {
            entry.text(1, name);
            entry.message(2, write);
        });
    }

    fn tag(&mut self, field: u32, wire: u32) {
        varint(self.0, u64::from(field << 3 | wire));
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_any_size_stand_before_their_messages() {
        let mut out = Vec::new();
        let long = "x".repeat(200);
        Proto::new(&mut out).message(1, |inner| {
            inner.text(1, "");
            inner.text(2, &long);
            inner.flag(3, true);
            inner.flag(4, false);
        });
        assert_eq!(out[..3], [0x0a, 205, 1]);
        assert_eq!(out[3..6], [0x12, 200, 1]);
        assert_eq!(out[206..], [0x18, 1]);
    }
}
