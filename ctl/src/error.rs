//! What can go wrong, what to do about it, and with which exit code a script learns of it.

use std::io;

/// Every failure of `ctl`. Its text is what the user reads, so it says what to do where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// No kubeconfig, or one that cannot be used.
    #[error(
        "cannot read the kubeconfig: {0}\nrun hack/up to start a cluster, or name a kubeconfig with --kubeconfig or $KUBECONFIG"
    )]
    Config(#[from] kube::config::KubeconfigError),
    /// The API server gave no answer.
    #[error(
        "cannot reach the API server at {server}: {reason}\nis the cluster running? (hack/up starts it)"
    )]
    Unreachable {
        /// Its URL.
        server: String,
        /// What the connection said.
        reason: String,
    },
    /// The API server refused.
    #[error("Error from server ({reason}): {message}")]
    Server {
        /// HTTP status.
        code: u16,
        /// Status reason, such as `NotFound`.
        reason: String,
        /// What the server said.
        message: String,
    },
    /// A file or standard input could not be read.
    #[error("{path}: {source}")]
    File {
        /// Its name, `-` for standard input.
        path: String,
        /// What happened.
        source: io::Error,
    },
    /// A document is not what it should be.
    #[error("{place}: {what}")]
    Document {
        /// File and position, or the template.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// Something did not happen in time.
    #[error("timed out: {0}")]
    TimedOut(String),
    /// What was waited for can no longer happen.
    #[error("{0}")]
    Failed(String),
    /// Differences were found (`ctl diff`): they are printed already.
    #[error("")]
    Differences,
    /// A command in a container ended with a code other than 0.
    #[error("command terminated with exit code {0}")]
    Exited(u8),
    /// Several objects failed; each was reported where it happened.
    #[error("{0} of the objects failed")]
    Several(usize, Box<Error>),
    /// The answer is not what the API promises.
    #[error("the API server answered with something unexpected: {0}")]
    Protocol(String),
    /// Printing failed, for instance because the reader of a pipe went away.
    #[error("cannot print: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// The exit code: 1 refused or failed (and differences of `diff`), 2 wrong usage, 3 unreachable, 4 not found, 5 conflict, 6 timed out.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) | Self::File { .. } | Self::Document { .. } => 2,
            Self::Unreachable { .. } => 3,
            Self::Server { code: 404, .. } => 4,
            Self::Server { code: 409, .. } => 5,
            Self::TimedOut(_) => 6,
            Self::Exited(code) => *code,
            Self::Several(_, first) => first.exit_code(),
            _ => 1,
        }
    }

    /// True if the server said that there is no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Server { code: 404, .. })
    }

    /// What follows the message where the server's answer suggests a next step.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Server { code: 401, .. } => Some("the credentials in the kubeconfig were not accepted: has the cluster been made anew?".into()),
            Self::Server { code: 403, .. } => Some("ctl get --raw needs the same rights; see the roles with: ctl get rolebindings,clusterrolebindings -A".into()),
            Self::Server { code: 409, reason, message } if reason == "Conflict" && message.contains("conflict with") => {
                Some("another manager owns those fields: leave them out, or take them over with --force-conflicts".into())
            }
            _ => None,
        }
    }
}

/// The usual result here.
pub type Result<T> = std::result::Result<T, Error>;
