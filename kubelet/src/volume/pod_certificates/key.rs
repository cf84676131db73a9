//! A key of the pod's own, which never leaves the node, and the request that shows that it is there.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, SignatureAlgorithm,
};

/// A new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The private key: PKCS#8 in PEM.
    pub pem: String,
    /// A PKCS#10 request, empty but for the key and its signature, in DER.
    pub request: Vec<u8>,
}

/// How keys of a type (`ECDSAP256`) are made; none, if they cannot be made here: RSA and P-521 are not among what the
/// cryptography of this program generates.
fn algorithm(key_type: &str) -> Option<&'static SignatureAlgorithm> {
    match key_type {
        "ECDSAP256" => Some(&PKCS_ECDSA_P256_SHA256),
        "ECDSAP384" => Some(&PKCS_ECDSA_P384_SHA384),
        "ED25519" => Some(&PKCS_ED25519),
        _ => None,
    }
}

/// Whether keys of this type can be made.
pub fn is_supported(key_type: &str) -> bool {
    algorithm(key_type).is_some()
}

impl Key {
    /// Makes a key; takes a while, and is not for an async worker.
    ///
    /// # Errors
    /// For a type that is not supported, and when there is no randomness: for people.
    pub fn generate(key_type: &str) -> Result<Key, String> {
        let algorithm =
            algorithm(key_type).ok_or_else(|| format!("unknown key type {key_type:?}"))?;
        let pair = KeyPair::generate_for(algorithm)
            .map_err(|error| format!("while generating {key_type} key: {error}"))?;
        let mut params = CertificateParams::default();
        // Signers refuse what asks for names of its own.
        params.distinguished_name = DistinguishedName::new();
        let request = params
            .serialize_request(&pair)
            .map_err(|error| format!("while generating stub PKCS#10 request: {error}"))?;
        let der = pair.serialize_der();
        let der = if key_type == "ED25519" {
            plain_ed25519(&der)?
        } else {
            der
        };
        Ok(Key {
            pem: api::pem::encode("PRIVATE KEY", &der),
            request: request.der().to_vec(),
        })
    }
}

/// The key in the form that every reader knows (RFC 8410, section 7), without the public key, which OpenSSL stumbles over.
fn plain_ed25519(der: &[u8]) -> Result<Vec<u8>, String> {
    const BEFORE: [u8; 4] = [0x04, 0x22, 0x04, 0x20];
    const HEAD: [u8; 12] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
    ];
    let at = der.windows(BEFORE.len()).position(|bytes| bytes == BEFORE);
    let seed = at.and_then(|at| der.get(at..at + BEFORE.len() + 32));
    let seed = seed.ok_or_else(|| "while marshaling key to PKCS#8: no seed".to_owned())?;
    Ok([&HEAD, seed].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::prelude::FromDer as _;

    #[test]
    fn a_request_is_empty_and_signed_with_the_key() {
        for key_type in ["ECDSAP256", "ECDSAP384", "ED25519"] {
            let key = Key::generate(key_type).unwrap();
            let (rest, request) = X509CertificationRequest::from_der(&key.request).unwrap();
            assert!(rest.is_empty());
            request.verify_signature().unwrap();
            let info = &request.certification_request_info;
            assert_eq!(info.subject.iter().count(), 0);
            assert_eq!(info.attributes().len(), 0);
            // The key is the one that was asked for.
            let pair = KeyPair::from_pem(&key.pem);
            if key_type != "ED25519" {
                assert_eq!(
                    pair.unwrap().public_key_raw(),
                    &*info.subject_pki.subject_public_key.data
                );
            } else {
                let der = &api::pem::blocks(&key.pem)[0].bytes;
                let pair =
                    ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).unwrap();
                let public = ring::signature::KeyPair::public_key(&pair);
                assert_eq!(public.as_ref(), &*info.subject_pki.subject_public_key.data);
            }
        }
        assert!(Key::generate("RSA3072").is_err());
        assert_ne!(Key::generate("ED25519"), Key::generate("ED25519"));
    }
}
