use tonic::{Code, Status};

/// What containerd answered, and to what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call was refused or failed.
    #[error("containerd: {call}: {}", status.message())]
    Call {
        /// The call.
        call: &'static str,
        /// The answer.
        status: Box<Status>,
    },
    /// An answer lacks what the protocol promises.
    #[error("containerd: {0}")]
    Protocol(String),
    /// What was to be written could not be read.
    #[error("{0}")]
    Source(String),
    /// containerd could not be started, or does not answer at its socket.
    #[error("containerd: {0}")]
    Unreachable(String),
}

impl Error {
    pub(super) fn call(call: &'static str) -> impl Fn(Status) -> Self + Copy {
        move |status| Self::Call {
            call,
            status: Box::new(status),
        }
    }

    fn code(&self) -> Option<Code> {
        match self {
            Self::Call { status, .. } => Some(status.code()),
            _ => None,
        }
    }

    /// The object does not exist (any more).
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    /// The object exists already.
    pub fn is_already_exists(&self) -> bool {
        self.code() == Some(Code::AlreadyExists)
    }

    /// The process has ended.
    pub fn is_failed_precondition(&self) -> bool {
        self.code() == Some(Code::FailedPrecondition)
    }

    /// containerd is gone, restarting or too slow: what was asked for may have been done all the same.
    pub fn is_unanswered(&self) -> bool {
        match self {
            // What containerd itself answers has no cause on this side.
            Self::Call { status, .. } => {
                std::error::Error::source(&**status).is_some()
                    || matches!(
                        status.code(),
                        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded
                    )
            }
            Self::Protocol(_) | Self::Source(_) => false,
            Self::Unreachable(_) => true,
        }
    }
}

/// `Ok(None)` for what does not exist.
pub(super) fn optional<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deleting what does not exist is done already.
pub(super) fn gone<T: Default>(result: Result<T, Error>) -> Result<T, Error> {
    optional(result).map(Option::unwrap_or_default)
}
