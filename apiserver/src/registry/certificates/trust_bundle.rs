//! A trust bundle: certificates of authorities in PEM, without headers, each once.

use std::collections::BTreeMap;

use api::certificates::v1::ClusterTrustBundle;
use api::field::{Error, ErrorList, Path};

use super::certificate;

const SPEC: Path<'static> = Path::new("spec");
/// Bytes of a bundle.
const SIZE_MAX: usize = 1024 * 1024;
/// In place of a value that would fill the message.
const OMITTED: &str = "<value omitted>";

/// What is wrong with `spec.trustBundle`.
pub fn check(errors: &mut ErrorList, bundle: ClusterTrustBundle<'_>) {
    let path = SPEC.child("trustBundle");
    let text = bundle.spec().trust_bundle();
    if text.len() > SIZE_MAX {
        errors.push(Error::too_long(&path, SIZE_MAX));
        return;
    }
    let mut refuse = |what: String| errors.push(Error::invalid(&path, OMITTED, what));
    let blocks = api::pem::blocks(text);
    let mut indices: BTreeMap<&[u8], Vec<String>> = BTreeMap::new();
    let mut wrong = false;
    for (at, block) in blocks.iter().enumerate() {
        let what = if block.label != "CERTIFICATE" {
            format!("has bad block type: {}", block.label)
        } else if block.headers {
            "has PEM block headers".to_owned()
        } else {
            match authority(&block.bytes) {
                None => "does not parse as X.509".to_owned(),
                Some(false) => "does not have the CA bit set".to_owned(),
                Some(true) => {
                    let same = indices.entry(block.bytes.as_slice()).or_default();
                    same.push(at.to_string());
                    continue;
                }
            }
        };
        wrong = true;
        refuse(format!("entry {at} {what}"));
    }
    // What is missing or doubled is not worth telling while there are blocks that nobody can read.
    if wrong {
        return;
    }
    if indices.is_empty() {
        refuse("at least one trust anchor must be provided".to_owned());
    }
    for same in indices.values().filter(|same| same.len() > 1) {
        let list = same.join(" ");
        refuse(format!("duplicate trust anchor (indices [{list}])"));
    }
}

/// Whether the certificate is an authority's; none if it is no certificate.
fn authority(der: &[u8]) -> Option<bool> {
    let certificate = certificate(der)?;
    let constraints = certificate.basic_constraints().ok()?;
    Some(constraints.is_some_and(|extension| extension.value.ca))
}

#[cfg(test)]
mod tests {
    use api::Tree;
    use api::certificates::v1::ClusterTrustBundleMut;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    fn pem(ca: bool) -> String {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .pem()
    }

    fn wrong(text: &str) -> Vec<String> {
        let mut tree = Tree::new(ClusterTrustBundle::TYPE);
        ClusterTrustBundleMut::of(&mut tree)
            .spec_mut()
            .set_trust_bundle(text);
        let mut errors = ErrorList::new();
        check(&mut errors, ClusterTrustBundle::of(&tree));
        errors.iter().map(Error::to_string).collect()
    }

    #[test]
    fn a_bundle_is_of_certificates_of_authorities_each_once() {
        let (one, two) = (pem(true), pem(true));
        assert!(wrong(&format!("text\n{one}between\n{two}")).is_empty());
        let prefix = "spec.trustBundle: Invalid value: \"<value omitted>\": ";
        let header = one.replacen("-----\n", "-----\nkey: value\n\n", 1);
        let key = api::pem::encode("PRIVATE KEY", b"x");
        let junk = api::pem::encode("CERTIFICATE", b"x");
        for (text, what) in [
            ("", "at least one trust anchor must be provided".to_owned()),
            (
                "junk",
                "at least one trust anchor must be provided".to_owned(),
            ),
            (
                &*format!("{one}{key}"),
                "entry 1 has bad block type: PRIVATE KEY".to_owned(),
            ),
            (&*header, "entry 0 has PEM block headers".to_owned()),
            (&*junk, "entry 0 does not parse as X.509".to_owned()),
            (
                &*pem(false),
                "entry 0 does not have the CA bit set".to_owned(),
            ),
            (
                &*format!("{one}{two}{one}"),
                "duplicate trust anchor (indices [0 2])".to_owned(),
            ),
        ] {
            assert_eq!(wrong(text), [format!("{prefix}{what}")], "{text}");
        }
        assert_eq!(
            wrong(&"a".repeat(SIZE_MAX + 1)),
            ["spec.trustBundle: Too long: may not be more than 1048576 bytes"]
        );
    }
}
