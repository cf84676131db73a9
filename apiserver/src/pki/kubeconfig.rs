//! The file with which a client reaches the cluster.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A kubeconfig of one cluster, one user and one context, credentials included.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// `https://HOST:PORT`.
    pub server: String,
    /// The user's name within the file.
    pub user: String,
    /// The authority's certificate.
    pub ca_pem: String,
    /// The client's certificate.
    pub cert_pem: String,
    /// The client's key.
    pub key_pem: String,
}

impl Kubeconfig {
    /// The file's text.
    pub fn to_yaml(&self) -> String {
        let encode = |pem: &str| STANDARD.encode(pem);
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: gantry\n  cluster:\n    server: {server}\n    \
             certificate-authority-data: {ca}\nusers:\n- name: {user}\n  user:\n    client-certificate-data: {cert}\n    \
             client-key-data: {key}\ncontexts:\n- name: gantry\n  context:\n    cluster: gantry\n    user: {user}\n\
             current-context: gantry\n",
            server = self.server,
            user = self.user,
            ca = encode(&self.ca_pem),
            cert = encode(&self.cert_pem),
            key = encode(&self.key_pem),
        )
    }
}
