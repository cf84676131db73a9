//! What etcd and the way to it report, as the log's errors.

use tonic::{Code, ConnectError, Status};

use crate::Error;

/// Why a call failed, and what is known of its effect.
#[derive(Debug)]
pub(super) enum Fault {
    /// This member could not do it, and certainly did not: another may be tried.
    Elsewhere(String),
    /// The answer was lost.
    Lost(String),
    /// The lease that a put names has expired.
    LeaseGone,
    /// A revision before this call's was compacted.
    Compacted,
    /// A revision of the future was asked for.
    Future,
    /// An answer, and it is no.
    Refused(Error),
}

impl Fault {
    /// For a call that changes nothing, or certainly did not.
    pub fn harmless(self) -> Error {
        match self {
            Fault::Elsewhere(why) | Fault::Lost(why) => Error::Unavailable(why),
            other => other.of_write(),
        }
    }

    /// For a call that would have changed something.
    pub fn of_write(self) -> Error {
        match self {
            Fault::Elsewhere(why) => Error::Unavailable(why),
            Fault::Lost(why) => Error::Unknown(why),
            Fault::LeaseGone => Error::Unavailable("the lease has expired".to_owned()),
            Fault::Compacted => Error::Unavailable("the revision was compacted".to_owned()),
            Fault::Future => Error::Invalid("the revision is in the future".to_owned()),
            Fault::Refused(error) => error,
        }
    }
}

impl From<etcd_client::Error> for Fault {
    fn from(error: etcd_client::Error) -> Fault {
        match error {
            etcd_client::Error::GRpcStatus(status) => from_status(&status),
            other => Fault::Lost(other.to_string()),
        }
    }
}

/// etcd's answers are told apart by gRPC code and, within one code, by message (etcd's `api/v3rpc/rpctypes`).
fn from_status(status: &Status) -> Fault {
    let message = status.message();
    let says = |part: &str| message.contains(part);
    let text = || format!("etcd: {message}");
    match status.code() {
        Code::ResourceExhausted if says("space exceeded") => Fault::Refused(Error::NoSpace(text())),
        Code::ResourceExhausted if says("too many requests") => Fault::Elsewhere(text()),
        Code::InvalidArgument if says("too large") || says("too many operations") => {
            Fault::Refused(Error::TooLarge(text()))
        }
        Code::InvalidArgument => Fault::Refused(Error::Invalid(text())),
        Code::OutOfRange if says("compacted") => Fault::Compacted,
        Code::OutOfRange if says("future revision") => Fault::Future,
        Code::NotFound if says("lease not found") => Fault::LeaseGone,
        Code::DataLoss => Fault::Refused(Error::Corrupt(text())),
        Code::Unauthenticated | Code::PermissionDenied => {
            Fault::Refused(Error::Unavailable(text()))
        }
        // Refused before anything was proposed.
        Code::Unavailable if says("no leader") => Fault::Elsewhere(text()),
        Code::Unavailable | Code::Unknown if never_connected(status) => Fault::Elsewhere(text()),
        // Timed out, leader changed, connection lost, server stopped: a proposal may be under way.
        _ => Fault::Lost(text()),
    }
}

/// Whether there was no connection over which the request could have gone: refused, or not made in time (which the
/// transport reports as an I/O error of its own timer, not as one of connecting).
fn never_connected(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let timed_out = || {
            let cause = error.downcast_ref::<std::io::Error>()?.get_ref()?;
            Some(cause.is::<tokio::time::error::Elapsed>())
        };
        if error.is::<ConnectError>() || timed_out().unwrap_or_default() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: Code, message: &str) -> Fault {
        from_status(&Status::new(code, message))
    }

    #[test]
    fn only_what_was_never_proposed_may_be_repeated() {
        let unavailable = |message| fault(Code::Unavailable, message).of_write();
        for lost in [
            "etcdserver: request timed out",
            "etcdserver: leader changed",
            "etcdserver: server stopped",
            "transport error",
        ] {
            assert!(matches!(unavailable(lost), Error::Unknown(_)), "{lost}");
        }
        let no_leader = unavailable("etcdserver: no leader");
        assert!(matches!(no_leader, Error::Unavailable(_)));
    }

    #[test]
    fn a_full_quota_and_a_large_request_have_their_own_errors() {
        let full = fault(
            Code::ResourceExhausted,
            "etcdserver: mvcc: database space exceeded",
        );
        assert!(matches!(full.of_write(), Error::NoSpace(_)));
        let large = fault(Code::InvalidArgument, "etcdserver: request is too large");
        assert!(matches!(large.of_write(), Error::TooLarge(_)));
    }
}
