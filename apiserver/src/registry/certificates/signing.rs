//! CertificateSigningRequests: what is asked for is a PKCS#10 request (RFC 2986) in PEM that is signed with its own key, and what
//! is given for it are certificates in PEM.

use api::certificates::v1::CertificateSigningRequest;
use api::codec::json;
use api::field::{BadValue, Error, ErrorList, Path};
use api::view::View as _;
use x509_parser::asn1_rs::{Any, BitString, FromDer as _, Tag};
use x509_parser::error::X509Error;
use x509_parser::oid_registry::{
    OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
};
use x509_parser::prelude::X509Certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::verify::verify_signature;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

const REQUEST: &str = "CERTIFICATE REQUEST";
const CERTIFICATE: &str = "CERTIFICATE";
/// In place of a value that would fill the message.
const OMITTED: &str = "<certificate data>";
/// Bits of the RSA keys that can be checked with here: upstream checks with others, too.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// What is wrong with a new request; as upstream tells it, before the rest of the spec.
pub fn create(errors: &mut ErrorList, new: CertificateSigningRequest<'_>) {
    let Err(why) = request(new.spec().request()) else {
        return;
    };
    let spec = new.spec().node();
    let value = match spec.and_then(|spec| spec.get("request")) {
        None => "null".to_owned(),
        Some(node) => {
            let mut out = Vec::new();
            json::encode_value(node, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        }
    };
    let path = Path::new("spec.request");
    let error = Error::invalid(&path, BadValue::Json(value), why);
    let (meta, rest): (Vec<Error>, Vec<Error>) = std::mem::take(errors)
        .into_iter()
        .partition(|error| error.field.starts_with("metadata"));
    errors.extend(meta.into_iter().chain([error]).chain(rest));
}

/// What is wrong with the certificates of a changed one. Those that are there already stay valid, and so do others in their place
/// if they are not.
pub fn update(
    errors: &mut ErrorList,
    new: CertificateSigningRequest<'_>,
    old: CertificateSigningRequest<'_>,
) {
    let (now, before) = (new.status().certificate(), old.status().certificate());
    if now == before || certificates(before).is_err() {
        return;
    }
    if let Err(why) = certificates(now) {
        errors.push(Error::invalid(
            &Path::new("status.certificate"),
            OMITTED,
            why,
        ));
    }
}

fn request(pem: &[u8]) -> Result<(), &'static str> {
    let blocks = api::pem::blocks(&String::from_utf8_lossy(pem));
    let Some(block) = blocks.first().filter(|block| block.label == REQUEST) else {
        return Err("PEM block type must be CERTIFICATE REQUEST");
    };
    let request = Request::read(&block.bytes).ok_or("asn1: structure error: no PKCS#10 request")?;
    request.verify()
}

/// What of a request its signature is checked with. The attributes are not read: upstream passes over those that it cannot read.
struct Request<'a> {
    info: &'a [u8],
    key: SubjectPublicKeyInfo<'a>,
    algorithm: AlgorithmIdentifier<'a>,
    signature: BitString<'a>,
}

/// What a sequence holds, and what follows it.
fn sequence(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, any) = Any::from_der(der).ok()?;
    (any.header.tag() == Tag::Sequence).then_some((any.data, rest))
}

impl<'a> Request<'a> {
    fn read(der: &'a [u8]) -> Option<Request<'a>> {
        let (whole, rest) = sequence(der)?;
        if !rest.is_empty() {
            return None;
        }
        let (parts, rest) = sequence(whole)?;
        let info = &whole[..whole.len() - rest.len()];
        let (rest, algorithm) = AlgorithmIdentifier::from_der(rest).ok()?;
        let (_, signature) = BitString::from_der(rest).ok()?;
        let (parts, _version) = Any::from_der(parts).ok()?;
        let (_subject, parts) = sequence(parts)?;
        let (_, key) = SubjectPublicKeyInfo::from_der(parts).ok()?;
        Some(Request {
            info,
            key,
            algorithm,
            signature,
        })
    }

    /// Whether the request is signed with its key. What cannot be checked here, though upstream can, is taken as it is.
    fn verify(&self) -> Result<(), &'static str> {
        let of = &self.key.algorithm.algorithm;
        let is_rsa = *of == OID_PKCS1_RSAENCRYPTION;
        let is_elliptic = *of == OID_KEY_TYPE_EC_PUBLIC_KEY;
        match verify_signature(&self.key, &self.algorithm, &self.signature, self.info) {
            Ok(()) => Ok(()),
            Err(X509Error::SignatureUnsupportedAlgorithm) if is_rsa || is_elliptic => Ok(()),
            Err(X509Error::SignatureUnsupportedAlgorithm) => {
                Err("x509: cannot verify signature: algorithm unimplemented")
            }
            Err(_) if is_rsa && !RSA_BITS.contains(&self.rsa_bits()) => Ok(()),
            Err(_) if is_rsa => Err("crypto/rsa: verification error"),
            Err(_) if *of == OID_SIG_ED25519 => Err("x509: Ed25519 verification failure"),
            Err(_) => Err("x509: ECDSA verification failure"),
        }
    }

    fn rsa_bits(&self) -> usize {
        let Ok(PublicKey::RSA(key)) = self.key.parsed() else {
            return 0;
        };
        let mut bytes = key.modulus.iter().skip_while(|byte| **byte == 0);
        let first = bytes.next().copied().unwrap_or_default();
        (bytes.count() + 1) * 8 - first.leading_zeros() as usize
    }
}

fn certificates(pem: &[u8]) -> Result<(), String> {
    if pem.is_empty() {
        return Ok(());
    }
    let blocks = api::pem::blocks(&String::from_utf8_lossy(pem));
    for block in &blocks {
        if block.label != CERTIFICATE {
            let label = api::field::quote(&block.label);
            return Err(format!(
                "only CERTIFICATE PEM blocks are allowed, found {label}"
            ));
        }
        if block.headers {
            return Err("no PEM block headers are permitted".to_owned());
        }
        if block.bytes.is_empty() {
            return Err("found CERTIFICATE PEM block containing 0 certificates".to_owned());
        }
        let mut rest = block.bytes.as_slice();
        while !rest.is_empty() {
            let read = X509Certificate::from_der(rest);
            let (after, _) = read.map_err(|_| "x509: malformed certificate".to_owned())?;
            rest = after;
        }
    }
    match blocks.is_empty() {
        true => Err("must contain at least one CERTIFICATE PEM block".to_owned()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use api::Tree;
    use api::certificates::v1::CertificateSigningRequestMut;
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    };

    use super::*;

    fn wrong(pem: &str) -> Vec<String> {
        let mut tree = Tree::new(CertificateSigningRequest::TYPE);
        let mut view = CertificateSigningRequestMut::of(&mut tree);
        view.spec_mut().set_request(pem.as_bytes());
        let mut errors = ErrorList::new();
        create(&mut errors, CertificateSigningRequest::of(&tree));
        errors.iter().map(|error| error.detail.clone()).collect()
    }

    #[test]
    fn requests_are_signed_with_their_keys() {
        for (algorithm, what) in [
            (&PKCS_ECDSA_P256_SHA256, "x509: ECDSA verification failure"),
            (&PKCS_ECDSA_P384_SHA384, "x509: ECDSA verification failure"),
            (&PKCS_ED25519, "x509: Ed25519 verification failure"),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let params = CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
            let mut der = params.serialize_request(&key).unwrap().der().to_vec();
            assert_eq!(wrong(&api::pem::encode(REQUEST, &der)), [""; 0]);
            assert_eq!(wrong(&api::pem::encode("X", &der)).len(), 1);
            // The last byte is the signature's.
            *der.last_mut().unwrap() ^= 1;
            assert_eq!(wrong(&api::pem::encode(REQUEST, &der)), [what]);
            der.push(0);
            assert_eq!(wrong(&api::pem::encode(REQUEST, &der)).len(), 1);
        }
        assert_eq!(wrong(""), ["PEM block type must be CERTIFICATE REQUEST"]);
    }

    #[test]
    fn what_is_wrong_with_the_request_comes_before_the_rest_of_the_spec() {
        let tree = Tree::new(CertificateSigningRequest::TYPE);
        let mut errors = ErrorList::new();
        errors.push(Error::required(&Path::new("metadata.name"), ""));
        errors.push(Error::required(&Path::new("spec.usages"), ""));
        create(&mut errors, CertificateSigningRequest::of(&tree));
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["metadata.name", "spec.request", "spec.usages"]);
    }

    #[test]
    fn certificates_are_whole() {
        let key = KeyPair::generate().unwrap();
        let der = CertificateParams::default().self_signed(&key).unwrap();
        let der = der.der().to_vec();
        let one = api::pem::encode(CERTIFICATE, &der);
        let two = api::pem::encode(CERTIFICATE, &[der.clone(), der].concat());
        for pem in [String::new(), one.clone(), two, format!("{one}{one}")] {
            assert_eq!(certificates(pem.as_bytes()), Ok(()));
        }
        for pem in [
            "text".to_owned(),
            api::pem::encode("PRIVATE KEY", b"x"),
            api::pem::encode(CERTIFICATE, b"x"),
            api::pem::encode(CERTIFICATE, b""),
        ] {
            assert!(certificates(pem.as_bytes()).is_err(), "{pem}");
        }
    }
}
