//! The status of a request for a pod's certificate: written once, by its signer, and if it is issued then with a certificate of
//! the key that was asked for, for a time that was asked for.

use api::certificates::v1::{PodCertificateRequest, PodCertificateRequestStatus};
use api::field::{BadValue, Error, ErrorList, Path};
use api::view::View as _;
use api::{Duration, Time};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::{certificate, key};
use crate::registry::strategy::same;

const SPEC: Path<'static> = Path::new("spec");
const STATUS: Path<'static> = Path::new("status");
/// Bytes of a chain.
const SIZE_MAX: usize = 100 * 1024;
/// Seconds that the beginning may be away from the present.
const SKEW: i64 = 5 * 60;
/// Seconds of the shortest life.
const LIFE_MIN: i64 = 60 * 60;
/// Seconds that renewal has to stay away from the beginning and the end.
const MARGIN: i64 = 10 * 60;
const OF_ANOTHER_KEY: &str = "leaf certificate was not issued to the requested public key";

/// What is wrong with a status whose conditions are in order. `now` is in seconds since 1970.
pub fn check(
    errors: &mut ErrorList,
    new: PodCertificateRequest<'_>,
    old: PodCertificateRequest<'_>,
    now: i64,
) {
    let is = |request: PodCertificateRequest<'_>, kind: &str| {
        let conditions = request.status().conditions();
        conditions
            .iter()
            .any(|c| (c.type_(), c.status()) == (kind, "True"))
    };
    let over = |request| {
        ["Issued", "Denied", "Failed"]
            .iter()
            .any(|kind| is(request, kind))
    };
    let mut refuse = |what: &str| errors.push(Error::invalid(&STATUS, BadValue::Omitted, what));
    let unchanged = same(new.status().node(), old.status().node());
    if over(old) {
        if !unchanged {
            refuse("immutable after PodCertificateRequest is issued, denied, or failed");
        }
    } else if is(new, "Denied") || is(new, "Failed") {
        if has_certificate(new.status()) {
            refuse(
                "non-condition status fields must be empty when denying or failing the PodCertificateRequest",
            );
        }
    } else if is(new, "Issued") {
        if let Err(wrong) = issued(new, old, now) {
            wrong.into_iter().for_each(|error| errors.push(error));
        }
    } else if !unchanged {
        refuse("status is immutable unless transitioning to \"Issued\", \"Denied\", or \"Failed\"");
    }
}

fn has_certificate(status: PodCertificateRequestStatus<'_>) -> bool {
    let times = [
        status.not_before(),
        status.not_after(),
        status.begin_refresh_at(),
    ];
    !status.certificate_chain().is_empty() || times.iter().any(Option::is_some)
}

type Checked<T> = Result<T, Vec<Error>>;

/// An error of the chain, which is shown.
fn of_chain<T>(chain: &str, what: &str) -> Checked<T> {
    let path = STATUS.child("certificateChain");
    Err(vec![Error::invalid(&path, chain, what)])
}

fn issued(new: PodCertificateRequest<'_>, old: PodCertificateRequest<'_>, now: i64) -> Checked<()> {
    let status = new.status();
    let chain = status.certificate_chain();
    if chain.len() > SIZE_MAX {
        let path = STATUS.child("certificateChain");
        return Err(vec![Error::too_long(&path, SIZE_MAX)]);
    }
    let blocks = api::pem::blocks(chain);
    let Some((first, others)) = blocks.split_first() else {
        return of_chain(
            chain,
            "issued certificate chain must contain at least one certificate",
        );
    };
    if first.label != "CERTIFICATE" {
        return of_chain(
            chain,
            "issued certificate chain must consist entirely of CERTIFICATE PEM blocks",
        );
    }
    let Some(leaf) = certificate(&first.bytes) else {
        return of_chain(chain, "leaf certificate does not parse as valid X.509");
    };
    let mut wrong = names(&leaf);
    match key::parse(old.spec().stub_pkcs10_request()) {
        None => {
            let path = SPEC.child("stubPKCS10Request");
            let what = "must be a valid PKCS#10 CSR";
            wrong.push(Error::invalid(&path, BadValue::Omitted, what));
            return Err(wrong);
        }
        Some(request)
            if request.certification_request_info.subject_pki.raw != leaf.public_key().raw =>
        {
            wrong.extend(
                of_chain::<()>(chain, OF_ANOTHER_KEY)
                    .err()
                    .into_iter()
                    .flatten(),
            );
            return Err(wrong);
        }
        Some(_) => {}
    }
    let times = times(status, &mut wrong);
    let Some(times) = times.filter(|_| wrong.is_empty()) else {
        return Err(wrong);
    };
    life(new, &leaf, times, now)?;
    for block in others {
        if block.label != "CERTIFICATE" {
            // So upstream spells it here.
            return of_chain(
                chain,
                "issued certificate chain must consist entirely of CERTFICATE PEM blocks",
            );
        }
        if certificate(&block.bytes).is_none() {
            return of_chain(
                chain,
                "intermediate certificate does not parse as valid X.509",
            );
        }
    }
    Ok(())
}

/// The names that the certificate is for: those of hosts and mailboxes have to be such.
fn names(leaf: &X509Certificate<'_>) -> Vec<Error> {
    let path = STATUS.child("certificateChain");
    let mut wrong = Vec::new();
    let Ok(Some(names)) = leaf.subject_alternative_name() else {
        return wrong;
    };
    for name in &names.value.general_names {
        let mut refuse = |name: &str, what: &str| wrong.push(Error::invalid(&path, name, what));
        match name {
            GeneralName::DNSName(name) => {
                if name.is_empty() {
                    refuse(name, "leaf certificate should not contain empty DNSName");
                }
                if name.contains("..") {
                    refuse(name, "leaf certificate's DNSName should not contain '..'");
                }
                if name.starts_with('.') || name.ends_with('.') {
                    refuse(
                        name,
                        "leaf certificate's DNSName should not start or end with '.'",
                    );
                }
            }
            GeneralName::RFC822Name(name) if !is_mailbox(name) => refuse(
                name,
                "leaf certificate should not contain invalid EmailAddress",
            ),
            _ => {}
        }
    }
    wrong
}

/// `local@domain` (RFC 5321): what a certificate's rfc822Name holds (RFC 5280).
fn is_mailbox(text: &str) -> bool {
    let atoms = |text: &str| {
        let symbol = |c: char| "!#$%&'*+-/=?^_`{|}~".contains(c);
        text.split('.').all(|atom| {
            !atom.is_empty() && atom.chars().all(|c| c.is_ascii_alphanumeric() || symbol(c))
        })
    };
    let is_quoted = |text: &str| {
        let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        inner.is_some_and(|inner| !inner.contains(['"', '\\', '\r', '\n']))
    };
    text.rsplit_once('@')
        .is_some_and(|(local, domain)| (atoms(local) || is_quoted(local)) && atoms(domain))
}

/// Beginning, end and renewal, in seconds since 1970.
#[derive(Clone, Copy)]
struct Times {
    not_before: i64,
    not_after: i64,
    begin_refresh_at: i64,
}

/// The times of the status; what is missing is added to `wrong`.
fn times(status: PodCertificateRequestStatus<'_>, wrong: &mut Vec<Error>) -> Option<Times> {
    let mut read = |field: &str, time: Option<Time>, what: &str| {
        if time.is_none() {
            wrong.push(Error::required(&STATUS.child(field), what));
        }
        time.map(Time::seconds)
    };
    let consistent = "must be present and consistent with the issued certificate";
    let (not_before, not_after, begin_refresh_at) = (
        read("notBefore", status.not_before(), consistent),
        read("notAfter", status.not_after(), consistent),
        read(
            "beginRefreshAt",
            status.begin_refresh_at(),
            "must be present and in the range [notbefore+10min, notafter-10min]",
        ),
    );
    Some(Times {
        not_before: not_before?,
        not_after: not_after?,
        begin_refresh_at: begin_refresh_at?,
    })
}

/// Whether the certificate's life is what the status says, and what was asked for.
fn life(
    new: PodCertificateRequest<'_>,
    leaf: &X509Certificate<'_>,
    times: Times,
    now: i64,
) -> Checked<()> {
    let refuse = |field: &str, time: i64, what: &str| {
        Err(vec![Error::invalid(
            &STATUS.child(field),
            shown(time),
            what,
        )])
    };
    let (begins, ends) = (
        leaf.validity().not_before.timestamp(),
        leaf.validity().not_after.timestamp(),
    );
    if times.not_before != begins {
        return refuse(
            "notBefore",
            times.not_before,
            "must be set to the NotBefore time encoded in the leaf certificate",
        );
    }
    if (times.not_before - now).abs() >= SKEW {
        return refuse(
            "notBefore",
            times.not_before,
            "must be set to within 5 minutes of kube-apiserver's current time",
        );
    }
    if times.not_after != ends {
        return refuse(
            "notAfter",
            times.not_after,
            "must be set to the NotAfter time encoded in the leaf certificate",
        );
    }
    let life = ends - begins;
    let of_life = |what: String| {
        let life = Duration::from_nanos(life.saturating_mul(1_000_000_000));
        let path = STATUS.child("certificateChain");
        let life = BadValue::Json(life.to_string());
        Err(vec![Error::invalid(&path, life, what)])
    };
    if life < LIFE_MIN {
        return of_life("leaf certificate lifetime must be >= 1 hour".to_owned());
    }
    let max = new.spec().max_expiration_seconds().unwrap_or_default();
    if life > i64::from(max) {
        return of_life(format!(
            "leaf certificate lifetime must be <= spec.maxExpirationSeconds ({max})"
        ));
    }
    if times.begin_refresh_at < times.not_before + MARGIN {
        return refuse(
            "beginRefreshAt",
            times.begin_refresh_at,
            "must be at least 10 minutes after status.notBefore",
        );
    }
    if times.begin_refresh_at > times.not_after - MARGIN {
        return refuse(
            "beginRefreshAt",
            times.begin_refresh_at,
            "must be at least 10 minutes before status.notAfter",
        );
    }
    Ok(())
}

/// A time as Go shows it.
fn shown(seconds: i64) -> BadValue {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    BadValue::Json(time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string())
}
