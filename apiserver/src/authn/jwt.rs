//! JSON Web Tokens, as far as service accounts need them (RFC 7515, compact form).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::keys::{KeyError, SigningKey, VerifyingKey};

/// A token of more than this many bytes is refused unread.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why a token is not one of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not of the form `HEADER.CLAIMS.SIGNATURE`.
    #[error("malformed")]
    Malformed,
    /// Larger than any that we make.
    #[error("larger than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// Signed by nobody whom we trust.
    #[error("invalid signature")]
    Signature,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    alg: &'a str,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    kid: &'a str,
}

/// A token of these claims.
pub(super) fn sign(key: &SigningKey, claims: &impl Serialize) -> Result<String, KeyError> {
    let header = Header {
        alg: key.public().algorithm.as_str(),
        kid: &key.public().id,
    };
    // Strings and numbers alone: serialization cannot fail.
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let mut token = part(serde_json::to_vec(&header).unwrap_or_default());
    token.push('.');
    token += &part(serde_json::to_vec(claims).unwrap_or_default());
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token += &URL_SAFE_NO_PAD.encode(signature);
    Ok(token)
}

/// The claims of a token, as JSON, if one of `keys` signed it. A key is used with its own algorithm only, whatever the
/// token's header says.
pub(super) fn verify(token: &str, keys: &[VerifyingKey]) -> Result<Vec<u8>, JwtError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(JwtError::TooLarge);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(JwtError::Malformed)?;
    let decode = |part: &str| {
        URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| JwtError::Malformed)
    };
    let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
    let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| JwtError::Malformed)?;
    let known = |key: &&VerifyingKey| {
        key.algorithm.as_str() == header.alg && (header.kid.is_empty() || key.id == header.kid)
    };
    match keys
        .iter()
        .filter(known)
        .any(|key| key.verify(message.as_bytes(), &signature))
    {
        true => Ok(claims),
        false => Err(JwtError::Signature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_pem(&rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap()
    }

    #[test]
    fn only_our_own_tokens_verify() {
        let (ours, theirs) = (key(), key());
        let token = sign(&ours, &serde_json::json!({"a": 1})).unwrap();
        let keys = [ours.public().clone()];
        assert_eq!(verify(&token, &keys).unwrap(), b"{\"a\":1}");
        assert_eq!(
            verify(&token, &[theirs.public().clone()]),
            Err(JwtError::Signature)
        );
        assert_eq!(
            verify(&sign(&theirs, &serde_json::json!({})).unwrap(), &keys),
            Err(JwtError::Signature)
        );
        // Claims of one token under the signature of another.
        let other = sign(&ours, &serde_json::json!({"a": 2})).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let forged = format!(
            "{}.{}.{}",
            parts[0],
            other.split('.').nth(1).unwrap(),
            parts[2]
        );
        assert_eq!(verify(&forged, &keys), Err(JwtError::Signature));
        // No algorithm.
        let none = format!(
            "{}.{}.",
            URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"),
            parts[1]
        );
        assert_eq!(verify(&none, &keys), Err(JwtError::Signature));
        for malformed in ["", "a", "a.b", "a.b.c", "...."] {
            assert_eq!(
                verify(malformed, &keys),
                Err(JwtError::Malformed),
                "{malformed}"
            );
        }
        assert_eq!(
            verify(&"a".repeat(MAX_TOKEN_BYTES + 1), &keys),
            Err(JwtError::TooLarge)
        );
    }
}
