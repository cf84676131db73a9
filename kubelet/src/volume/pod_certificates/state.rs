//! Where one `podCertificate` source stands: nothing asked for yet, asked, issued, asked anew, or ended for good. What is seen of
//! the request and what time it is decide; nothing is asked here.
//!
//! ```text
//! nothing ─► asked ─► issued ─► issued and asked anew ─► issued …
//!              └───────────────────────┴──► ended: denied or failed
//! ```

use api::certificates::v1::PodCertificateRequest;
use api::tree::Tree;
use jiff::{SignedDuration, Timestamp};
use runtime::Projection;

/// From then on a renewal that has not come is told of, counted from when it was due.
const OVERDUE: SignedDuration = SignedDuration::from_mins(10);
/// A request that is not seen for so long after it was made was deleted.
const ASSUME_DELETED: SignedDuration = SignedDuration::from_mins(10);

/// What is kept of a PodCertificateRequest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody has answered.
    Pending,
    /// `Denied` or `Failed`: this request has no certificate, ever.
    Ended(Ended),
    /// There is a certificate.
    Issued(Certificate),
}

/// How a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The condition's type: `Denied` or `Failed`.
    pub kind: String,
    /// Why, for machines.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

/// A certificate, and when it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The chain in PEM, with nothing between its blocks.
    pub chain: String,
    /// From when on another one is to be asked for.
    pub begin_refresh_at: Timestamp,
    /// When it is not valid any more.
    pub not_after: Timestamp,
}

impl Projection for Answer {
    fn project(object: &Tree) -> Self {
        let status = PodCertificateRequest::of(object).status();
        for condition in status.conditions() {
            match condition.type_() {
                "Issued" => {
                    let time = |time: Option<api::Time>| {
                        time.map(api::Time::timestamp).unwrap_or(Timestamp::MAX)
                    };
                    return Answer::Issued(Certificate {
                        chain: clean(status.certificate_chain()),
                        begin_refresh_at: time(status.begin_refresh_at()),
                        not_after: time(status.not_after()),
                    });
                }
                kind @ ("Denied" | "Failed") => {
                    return Answer::Ended(Ended {
                        kind: kind.to_owned(),
                        reason: condition.reason().to_owned(),
                        message: condition.message().to_owned(),
                    });
                }
                _ => {}
            }
        }
        Answer::Pending
    }
}

/// The blocks of a chain alone.
fn clean(chain: &str) -> String {
    api::pem::blocks(chain)
        .iter()
        .map(|block| api::pem::encode("CERTIFICATE", &block.bytes))
        .collect()
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The request's name.
    pub name: String,
    /// The private key in PEM.
    pub key: String,
    /// From when on it counts as deleted, if it is not seen.
    pub abandon_at: Timestamp,
}

impl Asked {
    /// A request that was made at `now`; `jitter` keeps many of them from being made anew at once.
    pub fn new(name: String, key: String, now: Timestamp, jitter: SignedDuration) -> Asked {
        Asked {
            name,
            key,
            abandon_at: later(now, ASSUME_DELETED + jitter),
        }
    }
}

/// What is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The private key in PEM.
    pub key: String,
    /// Its certificate.
    pub certificate: Certificate,
    told_overdue: bool,
    told_expired: bool,
}

/// Where a source stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What the pod has.
    pub issued: Option<Issued>,
    /// What is waited for.
    pub asked: Option<Asked>,
    /// Nothing more is asked for: the last request was denied or failed.
    pub ended: Option<Ended>,
}

/// Something to be told: reason and message of an event of the pod's.
pub type Told = (String, String);

impl State {
    /// Takes in what is seen of the request that is waited for (`None`: it is not there). Returns what is to be told.
    pub fn see(
        &mut self,
        namespace: &str,
        seen: Option<&Answer>,
        now: Timestamp,
        jitter: SignedDuration,
    ) -> Vec<Told> {
        let mut told = Vec::new();
        match (self.asked.take(), seen) {
            (Some(asked), Some(Answer::Issued(certificate))) => {
                let mut certificate = certificate.clone();
                certificate.begin_refresh_at = later(certificate.begin_refresh_at, jitter);
                self.issued = Some(Issued {
                    key: asked.key,
                    certificate,
                    told_overdue: false,
                    told_expired: false,
                });
            }
            (Some(asked), Some(Answer::Ended(ended))) => {
                let verb = match ended.kind.as_str() {
                    "Denied" => "was denied",
                    _ => "failed",
                };
                let message = format!(
                    "PodCertificateRequest {namespace}/{} {verb}, reason={:?}, message={:?}",
                    asked.name, ended.reason, ended.message
                );
                told.push((ended.kind.clone(), message));
                self.ended = Some(ended.clone());
                self.issued = None;
            }
            (Some(asked), Some(Answer::Pending)) => self.asked = Some(asked),
            (Some(asked), None) if now <= asked.abandon_at => self.asked = Some(asked),
            (Some(_) | None, _) => {}
        }
        if let Some(issued) = &mut self.issued {
            told.extend(issued.complain(now));
        }
        told
    }

    /// Whether a request is to be made now.
    pub fn wants(&self, now: Timestamp) -> bool {
        self.ended.is_none()
            && self.asked.is_none()
            && self
                .issued
                .as_ref()
                .is_none_or(|issued| now >= issued.certificate.begin_refresh_at)
    }

    /// Key and chain.
    ///
    /// # Errors
    /// When there is none yet, or will be none: for people, in upstream's words.
    pub fn bundle(&self) -> Result<(&str, &str), String> {
        if let Some(Ended {
            kind,
            reason,
            message,
        }) = &self.ended
        {
            let verb = kind.to_lowercase();
            return Err(format!(
                "PodCertificateRequest was permanently {verb}: reason={reason:?} message={message:?}"
            ));
        }
        match &self.issued {
            Some(issued) => Ok((&issued.key, &issued.certificate.chain)),
            None => Err("credential bundle is not issued yet".to_owned()),
        }
    }
}

impl Issued {
    /// What is late is told once.
    fn complain(&mut self, now: Timestamp) -> Vec<Told> {
        let mut told = Vec::new();
        let overdue = now > later(self.certificate.begin_refresh_at, OVERDUE);
        if overdue && !self.told_overdue {
            self.told_overdue = true;
            told.push((
                "CertificateOverdueForRefresh".to_owned(),
                "PodCertificate refresh overdue".to_owned(),
            ));
        }
        if now > self.certificate.not_after && !self.told_expired {
            self.told_expired = true;
            told.push((
                "CertificateExpired".to_owned(),
                "PodCertificate expired".to_owned(),
            ));
        }
        told
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: SignedDuration = SignedDuration::ZERO;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + minutes * 60).unwrap()
    }

    fn asked(name: &str, minutes: i64) -> Asked {
        Asked::new(name.to_owned(), format!("key of {name}"), at(minutes), NONE)
    }

    fn issued(chain: &str, refresh: i64, end: i64) -> Answer {
        Answer::Issued(Certificate {
            chain: chain.to_owned(),
            begin_refresh_at: at(refresh),
            not_after: at(end),
        })
    }

    #[test]
    fn a_certificate_is_renewed_when_it_is_time_and_kept_until_then() {
        let mut state = State::default();
        assert!(state.wants(at(0)));
        assert_eq!(
            state.bundle(),
            Err("credential bundle is not issued yet".to_owned())
        );
        state.asked = Some(asked("a", 0));
        assert!(
            state
                .see("d", Some(&Answer::Pending), at(1), NONE)
                .is_empty()
        );
        assert!(!state.wants(at(1)));
        assert!(
            state
                .see("d", Some(&issued("one", 30, 60)), at(2), NONE)
                .is_empty()
        );
        assert_eq!(state.bundle(), Ok(("key of a", "one")));
        assert!(!state.wants(at(29)));
        assert!(state.wants(at(30)));
        state.asked = Some(asked("b", 30));
        assert!(
            state
                .see("d", Some(&Answer::Pending), at(31), NONE)
                .is_empty()
        );
        assert!(!state.wants(at(31)));
        assert_eq!(state.bundle(), Ok(("key of a", "one")));
        assert!(
            state
                .see("d", Some(&issued("two", 60, 90)), at(32), NONE)
                .is_empty()
        );
        assert_eq!(state.bundle(), Ok(("key of b", "two")));
        assert!(!state.wants(at(59)));
    }

    #[test]
    fn what_is_late_is_told_once() {
        let mut state = State {
            asked: Some(asked("a", 0)),
            ..State::default()
        };
        state.see("d", Some(&issued("one", 30, 60)), at(1), NONE);
        let reasons = |told: Vec<Told>| {
            told.into_iter()
                .map(|(reason, _)| reason)
                .collect::<Vec<_>>()
        };
        assert_eq!(reasons(state.see("d", None, at(40), NONE)), [""; 0]);
        assert_eq!(
            reasons(state.see("d", None, at(41), NONE)),
            ["CertificateOverdueForRefresh"]
        );
        assert_eq!(reasons(state.see("d", None, at(42), NONE)), [""; 0]);
        assert_eq!(
            reasons(state.see("d", None, at(61), NONE)),
            ["CertificateExpired"]
        );
        assert_eq!(reasons(state.see("d", None, at(62), NONE)), [""; 0]);
    }

    #[test]
    fn a_request_that_came_to_nothing_is_the_last() {
        for (kind, event, error) in [
            (
                "Denied",
                "PodCertificateRequest d/a was denied, reason=\"No\", message=\"never\"",
                "PodCertificateRequest was permanently denied: reason=\"No\" message=\"never\"",
            ),
            (
                "Failed",
                "PodCertificateRequest d/a failed, reason=\"No\", message=\"never\"",
                "PodCertificateRequest was permanently failed: reason=\"No\" message=\"never\"",
            ),
        ] {
            let mut state = State {
                asked: Some(asked("a", 0)),
                ..State::default()
            };
            let ended = Answer::Ended(Ended {
                kind: kind.to_owned(),
                reason: "No".to_owned(),
                message: "never".to_owned(),
            });
            let told = state.see("d", Some(&ended), at(1), NONE);
            assert_eq!(told, [(kind.to_owned(), event.to_owned())]);
            assert_eq!(state.bundle(), Err(error.to_owned()));
            assert!(!state.wants(at(100_000)));
        }
    }

    #[test]
    fn a_request_that_is_not_seen_for_long_is_made_anew() {
        let mut state = State {
            asked: Some(asked("a", 0)),
            ..State::default()
        };
        state.see("d", None, at(10), NONE);
        assert!(!state.wants(at(10)));
        state.see("d", None, at(11), NONE);
        assert!(state.wants(at(11)));
    }
}
