//! Where the etcd cluster is and how to speak to it.

use std::time::Duration;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};

/// How to reach an etcd cluster.
#[derive(Clone, Debug)]
pub struct Config {
    /// URLs of the members, `http://` or `https://`; upstream's `--etcd-servers`.
    pub endpoints: Vec<String>,
    /// What stands before every key; upstream's `--etcd-prefix`. `/registry`, with or without slashes around it.
    pub prefix: String,
    /// Certificates, for `https://`.
    pub tls: Option<Tls>,
    /// How long a request may take with one member before another is tried, or it is given up. 10 s: etcd itself
    /// gives a proposal up after 7 s.
    pub timeout: Duration,
}

impl Config {
    /// A cluster without TLS, with upstream's prefix.
    #[must_use]
    pub fn new(endpoints: Vec<String>) -> Config {
        Config {
            endpoints,
            prefix: "/registry".to_owned(),
            tls: None,
            timeout: Duration::from_secs(10),
        }
    }

    /// The prefix with one slash on either side.
    pub(super) fn normal_prefix(&self) -> String {
        match self.prefix.trim_matches('/') {
            "" => "/".to_owned(),
            name => format!("/{name}/"),
        }
    }

    pub(super) fn connect_options(&self, https: bool) -> ConnectOptions {
        let options = ConnectOptions::new()
            .with_require_leader(true)
            .with_connect_timeout(Duration::from_secs(2))
            // Notices a member that hangs or is cut off, also under a watch that has nothing to say.
            .with_keep_alive(Duration::from_secs(30), Duration::from_secs(10));
        match &self.tls {
            Some(tls) if https => options.with_tls(tls.options()),
            _ => options,
        }
    }
}

/// Certificates in PEM.
#[derive(Clone)]
pub struct Tls {
    /// Who may have signed the servers' certificates; upstream's `--etcd-cafile`.
    pub ca: Vec<u8>,
    /// Our certificate and its key; upstream's `--etcd-certfile` and `--etcd-keyfile`.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    fn options(&self) -> TlsOptions {
        let options = TlsOptions::new().ca_certificate(Certificate::from_pem(&self.ca));
        match &self.identity {
            Some((certificate, key)) => options.identity(Identity::from_pem(certificate, key)),
            None => options,
        }
    }
}

impl std::fmt::Debug for Tls {
    // The key is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
