//! Varints, tags and lengths.

/// Why protobuf could not be decoded. The words are upstream's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end within something.
    #[error("unexpected EOF")]
    UnexpectedEof,
    /// A varint of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A length of more than 63 bits.
    #[error("proto: negative length found during unmarshaling")]
    InvalidLength,
    /// An end of a group that never began.
    #[error("proto: unexpected end of group")]
    UnexpectedEndOfGroup,
    /// A field number that there is not.
    #[error("proto: {ty}: illegal tag {number} (wire type {wire_type})")]
    IllegalTag {
        /// The message type.
        ty: String,
        /// The number.
        number: i32,
        /// The whole tag, as upstream shows it.
        wire_type: u64,
    },
    /// A wire type that there is not.
    #[error("proto: illegal wireType {0}")]
    IllegalWireType(u8),
    /// A field with another wire type than its own.
    #[error("proto: wrong wireType = {wire_type} for field {field}")]
    WrongWireType {
        /// What came.
        wire_type: u8,
        /// The field's JSON name.
        field: String,
    },
    /// A leaf that its own parser refuses.
    #[error("{0}")]
    Leaf(String),
    /// Messages too deep in each other.
    #[error("proto: exceeded max depth")]
    Depth,
    /// More than 4 GiB.
    #[error("the body is too large")]
    TooLarge,
    /// The end of a group that did not begin.
    #[error("proto: {0}: wiretype end group for non-group")]
    EndGroup(String),
    /// No bytes at all.
    #[error("empty data")]
    Empty,
    /// A prefix without an envelope.
    #[error("empty body")]
    EmptyBody,
    /// No envelope.
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    NoPrefix,
}

/// Boxed, so that results stay small.
pub(super) type Stop = Box<DecodeError>;

impl From<Stop> for DecodeError {
    fn from(stop: Stop) -> DecodeError {
        *stop
    }
}

pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const BYTES: u8 = 2;

/// A slice with a position.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Stop> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Stop> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self
                .bytes
                .get(self.at)
                .ok_or_else(|| Stop::from(DecodeError::UnexpectedEof))?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Overflow.into())
    }

    /// Number and wire type.
    #[inline]
    pub(super) fn tag(&mut self, ty: impl FnOnce() -> String) -> Result<(u32, u8), Stop> {
        let tag = self.varint()?;
        let (number, wire_type) = ((tag >> 3) as i32, (tag & 7) as u8);
        if wire_type == 4 {
            return Err(DecodeError::EndGroup(ty()).into());
        }
        if number <= 0 {
            return Err(DecodeError::IllegalTag {
                ty: ty(),
                number,
                wire_type: tag,
            }
            .into());
        }
        Ok((number as u32, wire_type))
    }

    /// A length and as many bytes.
    #[inline]
    pub(super) fn delimited(&mut self) -> Result<&'a [u8], Stop> {
        let len = i64::try_from(self.varint()?)
            .map_err(|_| Stop::from(DecodeError::InvalidLength))? as usize;
        let end = self
            .at
            .checked_add(len)
            .filter(|end| i64::try_from(*end).is_ok())
            .ok_or_else(|| Stop::from(DecodeError::InvalidLength))?;
        let body = self
            .bytes
            .get(self.at..end)
            .ok_or_else(|| Stop::from(DecodeError::UnexpectedEof))?;
        self.at = end;
        Ok(body)
    }

    pub(super) fn fixed64(&mut self) -> Result<u64, Stop> {
        let bytes = self
            .bytes
            .get(self.at..self.at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        self.at += 8;
        bytes
            .map(u64::from_le_bytes)
            .ok_or_else(|| Stop::from(DecodeError::UnexpectedEof))
    }

    /// Skips a field whose tag has been read; groups are counted, not recursed into.
    pub(super) fn skip(&mut self, wire_type: u8) -> Result<(), Stop> {
        let mut groups = 0_usize;
        let mut wire_type = wire_type;
        loop {
            match wire_type {
                0 => _ = self.varint()?,
                1 => self.advance(8)?,
                2 => _ = self.delimited()?,
                3 => groups += 1,
                4 => {
                    groups = groups
                        .checked_sub(1)
                        .ok_or_else(|| Stop::from(DecodeError::UnexpectedEndOfGroup))?
                }
                5 => self.advance(4)?,
                other => return Err(DecodeError::IllegalWireType(other).into()),
            }
            if groups == 0 {
                return Ok(());
            }
            wire_type = (self.varint()? & 7) as u8;
        }
    }

    fn advance(&mut self, count: usize) -> Result<(), Stop> {
        self.at += count;
        if self.at > self.bytes.len() {
            Err(DecodeError::UnexpectedEof.into())
        } else {
            Ok(())
        }
    }
}

pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A delimited field: number (below 16), length, bytes.
pub(super) fn write_delimited(number: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | BYTES);
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
