//! Keys that sign and verify service account tokens: ES256 (P-256) and RS256.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("service account key: {0}")]
pub struct KeyError(String);

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// The name in a token's header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Rs256 => "RS256",
        }
    }
}

/// A key that verifies tokens.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    /// What tokens call it: the hash of the public key, as upstream.
    pub id: String,
    /// How it verifies.
    pub algorithm: Algorithm,
    /// The uncompressed point, or the PKCS#1 RSAPublicKey.
    bytes: Vec<u8>,
    /// The SubjectPublicKeyInfo.
    spki: Vec<u8>,
}

impl VerifyingKey {
    /// Reads a public key in PEM (`PUBLIC KEY`).
    pub fn from_pem(pem: &str) -> Result<VerifyingKey, KeyError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|e| KeyError(format!("no PEM block PUBLIC KEY: {e}")))?;
        VerifyingKey::from_spki(der.as_ref())
    }

    fn from_spki(der: &[u8]) -> Result<VerifyingKey, KeyError> {
        let (_, parsed) =
            SubjectPublicKeyInfo::from_der(der).map_err(|e| KeyError(e.to_string()))?;
        let bytes = parsed.subject_public_key.data.to_vec();
        let algorithm = match (
            parsed.algorithm.algorithm.to_id_string().as_str(),
            bytes.len(),
        ) {
            ("1.2.840.10045.2.1", 65) => Algorithm::Es256,
            ("1.2.840.113549.1.1.1", _) => Algorithm::Rs256,
            (oid, _) => {
                return Err(KeyError(format!(
                    "of kind {oid}: only ECDSA on P-256 and RSA are supported"
                )));
            }
        };
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(der));
        Ok(VerifyingKey {
            id,
            algorithm,
            bytes,
            spki: der.to_vec(),
        })
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.bytes)
                .verify(message, signature)
                .is_ok(),
            Algorithm::Rs256 => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.bytes)
                .verify(message, signature)
                .is_ok(),
        }
    }

    /// The key as a JSON Web Key, for `/openid/v1/jwks`.
    pub fn to_jwk(&self) -> serde_json::Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = serde_json::json!({
            "use": "sig", "kid": self.id, "alg": self.algorithm.as_str(),
        });
        match self.algorithm {
            Algorithm::Es256 => {
                jwk["kty"] = "EC".into();
                jwk["crv"] = "P-256".into();
                jwk["x"] = encode(&self.bytes[1..33]).into();
                jwk["y"] = encode(&self.bytes[33..]).into();
            }
            Algorithm::Rs256 => {
                jwk["kty"] = "RSA".into();
                let parsed = SubjectPublicKeyInfo::from_der(&self.spki)
                    .ok()
                    .and_then(|(_, p)| {
                        p.parsed().ok().map(|k| match k {
                            x509_parser::public_key::PublicKey::RSA(rsa) => {
                                let strip = |b: &[u8]| {
                                    encode(&b[b.iter().position(|&x| x != 0).unwrap_or(b.len())..])
                                };
                                (strip(rsa.modulus), strip(rsa.exponent))
                            }
                            _ => Default::default(),
                        })
                    });
                if let Some((n, e)) = parsed {
                    jwk["n"] = n.into();
                    jwk["e"] = e.into();
                }
            }
        }
        jwk
    }
}

enum Private {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A key that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    private: Arc<Private>,
    public: VerifyingKey,
}

impl SigningKey {
    /// Reads a private key in PEM: PKCS#8, or PKCS#1 for RSA.
    pub fn from_pem(pem: &str) -> Result<SigningKey, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|e| KeyError(format!("no private key in PEM: {e}")))?;
        let rng = SystemRandom::new();
        let rsa = |key: Result<RsaKeyPair, ring::error::KeyRejected>| {
            key.map(Private::Rsa).map_err(|e| KeyError(e.to_string()))
        };
        let private = match &der {
            PrivateKeyDer::Pkcs8(key) => {
                let bytes = key.secret_pkcs8_der();
                match EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes, &rng) {
                    Ok(key) => Private::Ecdsa(key),
                    Err(_) => rsa(RsaKeyPair::from_pkcs8(bytes))?,
                }
            }
            PrivateKeyDer::Pkcs1(key) => rsa(RsaKeyPair::from_der(key.secret_pkcs1_der()))?,
            _ => {
                let why =
                    "of the form EC PRIVATE KEY: convert it by `openssl pkcs8 -topk8 -nocrypt`";
                return Err(KeyError(why.to_owned()));
            }
        };
        let spki = match &private {
            Private::Ecdsa(key) => spki(EC_P256_ALGORITHM, key.public_key().as_ref()),
            Private::Rsa(key) => spki(RSA_ALGORITHM, key.public_key().as_ref()),
        };
        let public = VerifyingKey::from_spki(&spki)?;
        Ok(SigningKey {
            private: Arc::new(private),
            public,
        })
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let rng = SystemRandom::new();
        let failed = |_| KeyError("signing failed".to_owned());
        match &*self.private {
            Private::Ecdsa(key) => Ok(key.sign(&rng, message).map_err(failed)?.as_ref().to_vec()),
            Private::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

/// AlgorithmIdentifier of id-ecPublicKey with prime256v1, in DER.
const EC_P256_ALGORITHM: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];
/// AlgorithmIdentifier of rsaEncryption, in DER.
const RSA_ALGORITHM: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// SubjectPublicKeyInfo ::= SEQUENCE { algorithm, BIT STRING key }, in DER.
fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let mut bits = vec![0x03];
    der_length(&mut bits, key.len() + 1);
    bits.push(0);
    bits.extend_from_slice(key);
    let mut out = vec![0x30];
    der_length(&mut out, algorithm.len() + bits.len());
    out.extend_from_slice(algorithm);
    out.extend_from_slice(&bits);
    out
}

fn der_length(out: &mut Vec<u8>, length: usize) {
    if length < 0x80 {
        out.push(length as u8);
    } else if length < 0x100 {
        out.extend([0x81, length as u8]);
    } else {
        out.extend([0x82, (length >> 8) as u8, length as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_verifies_what_it_signed_and_its_pem_is_found_again() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let key = SigningKey::from_pem(&pair.serialize_pem()).unwrap();
        let signature = key.sign(b"message").unwrap();
        let public = VerifyingKey::from_pem(&pair.public_key_pem()).unwrap();
        assert_eq!(public.id, key.public().id);
        assert!(public.verify(b"message", &signature));
        assert!(!public.verify(b"massage", &signature));
        let jwk = public.to_jwk();
        assert_eq!(
            (jwk["kty"].as_str(), jwk["crv"].as_str()),
            (Some("EC"), Some("P-256"))
        );
    }

    /// Made by `openssl genrsa 2048`, for this test only.
    #[test]
    fn rsa_keys_of_an_upstream_cluster_are_understood() {
        let key = SigningKey::from_pem(include_str!("testdata/rsa.key")).unwrap();
        let public = VerifyingKey::from_pem(include_str!("testdata/rsa.pub")).unwrap();
        assert_eq!(
            (public.id.as_str(), public.algorithm),
            (key.public().id.as_str(), Algorithm::Rs256)
        );
        let signature = key.sign(b"message").unwrap();
        assert!(public.verify(b"message", &signature));
        assert_eq!(public.to_jwk()["e"], "AQAB");
    }

    #[test]
    fn other_keys_are_refused_by_name() {
        assert!(SigningKey::from_pem("x").is_err());
        assert!(VerifyingKey::from_pem("x").is_err());
    }
}
