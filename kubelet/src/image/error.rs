use crate::containerd;

/// Why an image is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is malformed.
    #[error("couldn't parse image name {name:?}: {reason}")]
    InvalidName {
        /// As it stands in the pod.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// containerd refused a step.
    #[error(transparent)]
    Containerd(#[from] containerd::Error),
    /// The registry refused or does not answer.
    #[error("failed to pull image {name:?}: {reason}")]
    Registry {
        /// The image.
        name: String,
        /// What the registry said.
        reason: String,
    },
    /// It has no variant for this machine.
    #[error("image {name:?} has no variant for {platform}")]
    Platform {
        /// The image.
        name: String,
        /// This machine's.
        platform: String,
    },
    /// What should be an image is none.
    #[error("malformed image: {0}")]
    Malformed(String),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the kernel said.
        source: std::io::Error,
    },
}

impl Error {
    /// Why the image of this name could not be had from where it is pulled.
    pub(super) fn registry(name: &str) -> impl Fn(String) -> Self + Copy {
        move |reason| Self::Registry {
            name: name.to_owned(),
            reason,
        }
    }
}
