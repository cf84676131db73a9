//! Images: named, pulled from a registry or imported from a file, unpacked into snapshots. Content and names are containerd's;
//! nothing is remembered here that could not be read from it again.

mod auth;
mod error;
mod hosts;
mod import;
mod manifest;
pub mod pack;
mod pull;
mod store;

pub use auth::{Credentials, credentials};
pub use error::Error;
pub use manifest::Config;
pub use pull::{PullOptions, Registries};
pub use store::{ImageInfo, Images};

/// The full name that an image is known by: registry, repository, and tag or digest.
///
/// # Errors
/// When the name is malformed.
pub fn normalize(name: &str) -> Result<String, Error> {
    Ok(parse(name)?.whole())
}

fn parse(name: &str) -> Result<oci_client::Reference, Error> {
    oci_client::Reference::try_from(name).map_err(|error| Error::InvalidName {
        name: name.to_owned(),
        reason: error.to_string(),
    })
}
