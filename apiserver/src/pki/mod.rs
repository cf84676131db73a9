//! The cluster's keys and certificates, made on first start under `<data-dir>/pki` and renewed before they expire.
//!
//! ```text
//! ca.{key,crt}                 signs every serving and client certificate
//! front-proxy-ca.{key,crt}     signs the certificate shown to aggregated API servers
//! sa.{key,pub}                 signs service account tokens
//! apiserver.{key,crt}          serves the API
//! NAME.{key,crt}               a client certificate for each component
//! ```
//!
//! Every file is written whole or not at all, a key before its certificate; a start that was killed in the midst is taken
//! up where it stopped, since each pair is checked and made anew on its own. A certificate authority is never replaced:
//! one that is damaged is an error that names the file. This module must not know what a certificate is used for beyond
//! its profile.

mod authority;
mod files;
mod kubeconfig;
mod leaf;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::env::Env;
use crate::identity::{MASTERS, NODE_PREFIX, NODES};

pub use authority::Authority;
pub use files::{read_private, write_private, write_public};
pub use kubeconfig::Kubeconfig;
pub use leaf::{Profile, Usage};

/// Why keys or certificates could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error(
        "{path}: {why}: restore it from a backup, or remove {dir} as a whole to begin a new cluster"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its directory.
        dir: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A certificate could not be made.
    #[error("making a certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// Whom the certificates are for.
#[derive(Clone, Debug)]
pub struct PkiConfig {
    /// The directory of the keys: `<data-dir>/pki`.
    pub dir: PathBuf,
    /// The machine's host name.
    pub hostname: String,
    /// The addresses under which clients reach the server.
    pub addresses: Vec<IpAddr>,
    /// The first address of the Service range: the Service `kubernetes`.
    pub service_address: IpAddr,
    /// The cluster's DNS domain: `cluster.local`.
    pub cluster_domain: String,
    /// Names of nodes whose client certificates are made here: those of this process alone.
    pub nodes: Vec<String>,
}

/// The keys and certificates of a cluster, all present and valid.
#[derive(Clone, Debug)]
pub struct Pki {
    dir: PathBuf,
    /// The authority of serving and client certificates.
    pub ca: Arc<Authority>,
    /// The authority of the front proxy's certificate.
    pub front_proxy_ca: Arc<Authority>,
}

impl Pki {
    /// Reads what there is and makes what is missing, expired, near expiry or made for other names. Returns the names of the
    /// pairs that were made. Blocking: keys are generated and files synced.
    pub fn ensure(config: &PkiConfig, env: &Env) -> Result<(Pki, Vec<String>), PkiError> {
        files::make_dir(&config.dir)?;
        // Two servers of one data directory must not each make an authority. The lock ends with the process.
        let _lock = files::lock(&config.dir.join(".lock"))?;
        let now = env.now();
        let mut made = Vec::new();
        let (ca, fresh) = Authority::ensure(&config.dir, "ca", "gantry-ca", now)?;
        made.extend(fresh.then(|| "ca".to_owned()));
        let (front_proxy_ca, fresh) =
            Authority::ensure(&config.dir, "front-proxy-ca", "gantry-front-proxy-ca", now)?;
        made.extend(fresh.then(|| "front-proxy-ca".to_owned()));
        if leaf::ensure_signing_key(&config.dir, "sa")? {
            made.push("sa".to_owned());
        }
        for profile in Pki::profiles(config) {
            let authority = if profile.name == "front-proxy-client" {
                &front_proxy_ca
            } else {
                &ca
            };
            if leaf::ensure(&config.dir, &profile, authority, now)? {
                made.push(profile.name);
            }
        }
        Ok((
            Pki {
                dir: config.dir.clone(),
                ca: Arc::new(ca),
                front_proxy_ca: Arc::new(front_proxy_ca),
            },
            made,
        ))
    }

    /// Every certificate of the cluster but the authorities'.
    fn profiles(config: &PkiConfig) -> Vec<Profile> {
        let domain = &config.cluster_domain;
        let mut dns: Vec<String> = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
        ]
        .map(str::to_owned)
        .to_vec();
        dns.push(format!("kubernetes.default.svc.{domain}"));
        if !config.hostname.is_empty() {
            dns.push(config.hostname.clone());
        }
        let mut ips: Vec<IpAddr> = vec![IpAddr::from([127, 0, 0, 1]), config.service_address];
        ips.extend(&config.addresses);
        ips.sort();
        ips.dedup();
        let client = Profile::client;
        let mut profiles = vec![
            Profile {
                name: "apiserver".into(),
                user: "kube-apiserver".into(),
                group: None,
                usage: Usage::Server,
                dns,
                ips,
            },
            client("admin", "gantry-admin", Some(MASTERS)),
            client("scheduler", "system:kube-scheduler", None),
            client("controllers", "system:kube-controller-manager", None),
            client(
                "apiserver-kubelet-client",
                "kube-apiserver-kubelet-client",
                Some(MASTERS),
            ),
            client("front-proxy-client", "front-proxy-client", None),
        ];
        for node in &config.nodes {
            profiles.push(client(
                &Pki::node_pair(node),
                &format!("{NODE_PREFIX}{node}"),
                Some(NODES),
            ));
        }
        profiles
    }

    /// The name of the pair that holds a node's client certificate.
    pub fn node_pair(node: &str) -> String {
        format!("node-{node}")
    }

    /// The private key of the pair `name`, in PEM.
    pub fn key_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    /// The certificate of the pair `name`, in PEM.
    pub fn cert_path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.crt"))
    }

    /// Writes the kubeconfig `path`, with which the pair `name` reaches `server` (`https://HOST:PORT`).
    pub fn write_kubeconfig(&self, path: &Path, name: &str, server: &str) -> Result<(), PkiError> {
        let kubeconfig = Kubeconfig {
            server: server.to_owned(),
            user: name.to_owned(),
            ca_pem: self.ca.cert_pem().to_owned(),
            cert_pem: read_private(&self.cert_path(name))?,
            key_pem: read_private(&self.key_path(name))?,
        };
        write_private(path, kubeconfig.to_yaml().as_bytes())
    }
}

#[cfg(test)]
mod tests;
