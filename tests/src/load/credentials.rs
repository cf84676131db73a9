//! What a kubeconfig with certificates says, as PEM: for our client, and for programs that take files.

use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Where a server is and how to speak to it.
pub struct Credentials {
    /// Its URL.
    pub server: String,
    /// Who vouches for it.
    pub authority: Vec<u8>,
    /// Who we are.
    pub certificate: Vec<u8>,
    /// The key to it.
    pub key: Vec<u8>,
}

impl Credentials {
    /// Reads the first cluster and user of a kubeconfig, inline or in files.
    ///
    /// # Errors
    /// If one of them is not there.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let config: serde_json::Value = serde_yaml::from_str(&text).map_err(io::Error::other)?;
        let (cluster, user) = (
            &config["clusters"][0]["cluster"],
            &config["users"][0]["user"],
        );
        let server = cluster["server"]
            .as_str()
            .ok_or_else(|| io::Error::other("the kubeconfig names no server"))?;
        Ok(Self {
            server: server.to_owned(),
            authority: field(cluster, "certificate-authority")?,
            certificate: field(user, "client-certificate")?,
            key: field(user, "client-key")?,
        })
    }
}

/// The bytes of `NAME-data` (base64) or of the file that `NAME` names.
fn field(section: &serde_json::Value, name: &str) -> io::Result<Vec<u8>> {
    if let Some(data) = section[format!("{name}-data")].as_str() {
        return BASE64_STANDARD.decode(data).map_err(io::Error::other);
    }
    let path = section[name]
        .as_str()
        .ok_or_else(|| io::Error::other(format!("the kubeconfig lacks {name}")))?;
    std::fs::read(path)
}
