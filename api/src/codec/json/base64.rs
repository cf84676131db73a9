//! Base64 as Go's `base64.StdEncoding`: padded; line breaks are ignored when reading, stray trailing bits too.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Text that is no base64.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("illegal base64 data at input byte {0}")]
pub(crate) struct Illegal(usize);

pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Illegal> {
    let compact: String;
    let input = if text.contains(['\r', '\n']) {
        compact = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        &compact
    } else {
        text
    };
    ENGINE.decode(input).map_err(|error| {
        Illegal(match error {
            base64::DecodeError::InvalidByte(offset, _)
            | base64::DecodeError::InvalidLastSymbol(offset, _) => offset,
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
                input.len() / 4 * 4
            }
        })
    })
}

pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The slice has exactly the length of padded base64.
    let written = ENGINE.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_are_ignored_and_rubbish_is_not() {
        assert_eq!(decode("aGVs\r\nbG8=\n").unwrap(), b"hello");
        assert_eq!(
            decode("aGVs*G8=").unwrap_err().to_string(),
            "illegal base64 data at input byte 4"
        );
        assert!(decode("aGVsbG8").is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        for length in 0..20_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            let mut out = Vec::new();
            encode(&bytes, &mut out);
            assert_eq!(decode(std::str::from_utf8(&out).unwrap()).unwrap(), bytes);
        }
    }
}
