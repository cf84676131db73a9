//! TLS Secrets whose certificate and key do not belong together: stored, and told to the client, in the words of Go's
//! `tls.X509KeyPair`.

use std::io::Cursor;

use api::Tree;
use api::core::v1::Secret;
use rustls::crypto::ring::sign::any_supported_type;
use rustls_pki_types::PrivateKeyDer;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::request::RequestContext;

/// Warns of what is wrong with the pair of a TLS Secret; other objects have none.
pub fn warn(cx: &RequestContext, tree: &Tree) {
    if tree.type_id() != Secret::TYPE || Secret::of(tree).type_() != "kubernetes.io/tls" {
        return;
    }
    let data = Secret::of(tree).data();
    let of = |key| data.get(key).unwrap_or_default();
    if let Err(why) = check(of("tls.crt"), of("tls.key")) {
        cx.warn(&why);
    }
}

fn blocks(text: &[u8]) -> Vec<Pem> {
    Pem::iter_from_reader(Cursor::new(text))
        .map_while(Result::ok)
        .collect()
}

/// The types of blocks as Go shows a list.
fn types(blocks: &[Pem]) -> String {
    let types: Vec<&str> = blocks.iter().map(|block| block.label.as_str()).collect();
    format!("[{}]", types.join(" "))
}

fn check(certificate: &[u8], key: &[u8]) -> Result<(), String> {
    let certificates = blocks(certificate);
    let Some(certificate) = certificates.iter().find(|b| b.label == "CERTIFICATE") else {
        return Err(match certificates.as_slice() {
            [] => "tls: failed to find any PEM data in certificate input".to_owned(),
            [one] if one.label.ends_with("PRIVATE KEY") => {
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have \
                 been switched"
                    .to_owned()
            }
            all => format!(
                "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following \
                 types: {}",
                types(all)
            ),
        });
    };
    let keys = blocks(key);
    let is_key = |label: &str| label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY");
    let Some(key) = keys.iter().find(|block| is_key(&block.label)) else {
        return Err(match keys.as_slice() {
            [] => "tls: failed to find any PEM data in key input".to_owned(),
            [one] if one.label == "CERTIFICATE" => {
                "tls: found a certificate rather than a key in the PEM for the private key"
                    .to_owned()
            }
            all => format!(
                "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of \
                 the following types: {}",
                types(all)
            ),
        });
    };
    let Ok((_, parsed)) = X509Certificate::from_der(&certificate.contents) else {
        return Err("x509: malformed certificate".to_owned());
    };
    let Ok(key) = PrivateKeyDer::try_from(key.contents.as_slice()) else {
        return Err("tls: failed to parse private key".to_owned());
    };
    // Keys of a kind that is not built in here (P-521, short RSA) are not judged.
    let public = any_supported_type(&key).ok().and_then(|key| {
        let public = key.public_key()?;
        Some(public.as_ref().to_vec())
    });
    let of_certificate = parsed.public_key();
    match public {
        Some(public) if public != of_certificate.raw => {
            let algorithm = x509_parser::x509::SubjectPublicKeyInfo::from_der(&public)
                .map(|(_, info)| info.algorithm.algorithm);
            let same = algorithm.is_ok_and(|oid| oid == of_certificate.algorithm.algorithm);
            Err(match same {
                true => "tls: private key does not match public key".to_owned(),
                false => "tls: private key type does not match public key type".to_owned(),
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};

    use super::*;

    #[test]
    fn a_pair_is_told_what_is_wrong_with_it() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let another = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let certificate = CertificateParams::new(vec!["a".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .pem();
        let of = |certificate: &str, key: &str| {
            check(certificate.as_bytes(), key.as_bytes())
                .err()
                .unwrap_or_default()
        };
        let (pem, switched) = (key.serialize_pem(), &certificate);
        assert_eq!(of(&certificate, &pem), "");
        assert_eq!(
            of(&certificate, &other.serialize_pem()),
            "tls: private key does not match public key"
        );
        assert_eq!(
            of(&certificate, &another.serialize_pem()),
            "tls: private key type does not match public key type"
        );
        assert_eq!(
            of("", ""),
            "tls: failed to find any PEM data in certificate input"
        );
        assert_eq!(
            of(&certificate, "x"),
            "tls: failed to find any PEM data in key input"
        );
        assert!(of(&pem, switched).ends_with("PEM inputs may have been switched"));
        assert_eq!(
            of(&certificate, switched),
            "tls: found a certificate rather than a key in the PEM for the private key"
        );
    }
}
