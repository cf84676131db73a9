//! The key of a request for a pod's certificate: a PKCS#10 request (RFC 2986), signed with it, of a kind that is allowed.

use api::certificates::v1::PodCertificateRequest;
use api::field::{BadValue, Error, ErrorList, Path};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521,
    OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

const SPEC: Path<'static> = Path::new("spec");
const FIELD: &str = "stubPKCS10Request";
/// Bytes of a request.
const SIZE_MAX: usize = 10 * 1024;
/// Bits of an RSA key.
const RSA_SIZES: [usize; 2] = [3072, 4096];

/// What is wrong with `spec.stubPKCS10Request`.
pub fn check(errors: &mut ErrorList, request: PodCertificateRequest<'_>) {
    let path = SPEC.child(FIELD);
    let der = request.spec().stub_pkcs10_request();
    // Without an end there is no looking at its key, says upstream.
    if request.spec().max_expiration_seconds().is_none() {
        return;
    }
    if der.is_empty() {
        errors.push(Error::invalid(
            &SPEC,
            BadValue::Omitted,
            "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set",
        ));
        return;
    }
    if der.len() > SIZE_MAX {
        errors.push(Error::too_long(&path, SIZE_MAX));
        return;
    }
    let mut refuse = |value: BadValue, what: &str| errors.push(Error::invalid(&path, value, what));
    let Some(request) = parse(der) else {
        return refuse(BadValue::Omitted, "must be a valid PKCS#10 CSR");
    };
    if let Err((value, what)) = allowed(&request.certification_request_info.subject_pki) {
        return refuse(value, what);
    }
    if request.verify_signature().is_err() {
        refuse(BadValue::Omitted, "invalid signature");
    }
}

/// A request that fills its bytes.
pub fn parse(der: &[u8]) -> Option<X509CertificationRequest<'_>> {
    let (rest, request) = X509CertificationRequest::from_der(der).ok()?;
    rest.is_empty().then_some(request)
}

/// Whether a certificate may be had for the key; if not, what is to be shown of it and said.
fn allowed(key: &SubjectPublicKeyInfo<'_>) -> Result<(), (BadValue, &'static str)> {
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == OID_SIG_ED25519 {
        return Ok(());
    }
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref();
        let curve = curve.and_then(|parameters| parameters.as_oid().ok());
        return match curve {
            Some(curve) if curve == OID_EC_P256 || curve == OID_NIST_EC_P384 => Ok(()),
            // Upstream takes it; there is no arithmetic for it here to check the signature with.
            Some(curve) if curve == OID_NIST_EC_P521 => Err((
                BadValue::Str("curve P-521".to_owned()),
                "keys on curve P521 are not supported by this API server",
            )),
            _ => Err((
                BadValue::Str("curve".to_owned()),
                "elliptic public keys must use curve P256, P384, or P521",
            )),
        };
    }
    if *algorithm == OID_PKCS1_RSAENCRYPTION
        && let Ok(PublicKey::RSA(rsa)) = key.parsed()
    {
        let modulus = rsa.modulus;
        let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
        let bits = (modulus.len() - zeros) * 8;
        return match RSA_SIZES.contains(&bits) {
            true => Ok(()),
            false => Err((
                BadValue::Str(format!("{bits}-bit modulus")),
                "RSA keys must have modulus size 3072 or 4096",
            )),
        };
    }
    Err((
        BadValue::Omitted,
        "unknown public key type; supported types are Ed25519, ECDSA, and RSA",
    ))
}

#[cfg(test)]
mod tests {
    use api::Tree;
    use api::certificates::v1::PodCertificateRequestMut;
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    };

    use super::*;

    fn wrong(der: &[u8]) -> Vec<String> {
        let mut tree = Tree::new(PodCertificateRequest::TYPE);
        let mut view = PodCertificateRequestMut::of(&mut tree);
        let mut spec = view.spec_mut();
        spec.set_max_expiration_seconds(86_400);
        spec.set_stub_pkcs10_request(der);
        let mut errors = ErrorList::new();
        check(&mut errors, PodCertificateRequest::of(&tree));
        errors.iter().map(Error::to_string).collect()
    }

    #[test]
    fn possession_of_the_key_is_checked() {
        for algorithm in [
            &PKCS_ECDSA_P256_SHA256,
            &PKCS_ECDSA_P384_SHA384,
            &PKCS_ED25519,
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let request = CertificateParams::default()
                .serialize_request(&key)
                .unwrap();
            let der = request.der().to_vec();
            assert_eq!(wrong(&der), [""; 0]);
            let mut forged = der;
            // The last byte is the signature's.
            *forged.last_mut().unwrap() ^= 1;
            assert_eq!(
                wrong(&forged),
                ["spec.stubPKCS10Request: Invalid value: invalid signature"]
            );
        }
        assert_eq!(
            wrong(b"x"),
            ["spec.stubPKCS10Request: Invalid value: must be a valid PKCS#10 CSR"]
        );
        assert!(wrong(b"")[0].starts_with("spec: Invalid value: exactly one of"));
        assert_eq!(wrong(&[0; SIZE_MAX + 1]).len(), 1);
    }
}
