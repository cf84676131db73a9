use std::path::Path;

/// What can go wrong on the data path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration or an argument cannot be served.
    #[error("pod network: {0}")]
    Config(String),
    /// Every address of the node's CIDR is taken.
    #[error("no free pod address in {0}")]
    NoFreeAddress(ipnet::Ipv4Net),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The kernel refused a netlink request.
    #[error("{step}: {source}")]
    Netlink {
        /// What was being done.
        step: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A namespace could not be made, entered or pinned.
    #[error("{step}: {source}")]
    Namespace {
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        source: nix::Error,
    },
    /// `nft` could not be run, or refused a batch of rules.
    #[error("nft: {0}")]
    Nft(String),
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn netlink(step: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> Self {
        let step = step.into();
        move |error| {
            let source = match error {
                rtnetlink::Error::NetlinkError(message) => message.to_io(),
                other => std::io::Error::other(other),
            };
            Self::Netlink { step, source }
        }
    }

    pub(crate) fn namespace(step: &'static str) -> impl FnOnce(nix::Error) -> Self {
        move |source| Self::Namespace { step, source }
    }
}
