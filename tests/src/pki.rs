//! The keys and certificates of an upstream cluster: a certificate authority in a directory, and who it vouches for.

use std::io;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// How an API server is called from inside its cluster and on its own host.
const NAMES: [&str; 6] = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "127.0.0.1",
    "10.96.0.1",
];

/// A certificate authority. What it makes lies in its directory, `NAME.crt` beside `NAME.key`; its own are `ca`.
pub struct Pki {
    ca: Issuer<'static, KeyPair>,
    directory: PathBuf,
}

impl Pki {
    /// A new one of this name.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn make(directory: &Path, name: &str) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::new(Vec::<String>::new()).map_err(io::Error::other)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        std::fs::write(directory.join("ca.crt"), certificate.pem())?;
        std::fs::write(directory.join("ca.key"), key.serialize_pem())?;
        Ok(Self {
            ca: Issuer::new(params, key),
            directory: directory.to_owned(),
        })
    }

    /// A certificate for the API server, which is reached at `addresses`, too.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn serving(&self, file: &str, addresses: &[&str]) -> io::Result<()> {
        let names = NAMES.iter().chain(addresses);
        let names: Vec<String> = names.map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        self.sign(file, params)
    }

    /// A certificate for a user with these groups.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self, file: &str, user: &str, groups: &[&str]) -> io::Result<()> {
        let mut params = CertificateParams::new(Vec::<String>::new()).map_err(io::Error::other)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name.push(DnType::CommonName, user);
        for group in groups {
            params
                .distinguished_name
                .push(DnType::OrganizationName, *group);
        }
        self.sign(file, params)
    }

    /// The keys that service accounts' tokens are signed with and read by: `sa.key` and `sa.pub`.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn token_keys(&self) -> io::Result<()> {
        let tokens = KeyPair::generate().map_err(io::Error::other)?;
        std::fs::write(self.path("sa.key"), tokens.serialize_pem())?;
        std::fs::write(self.path("sa.pub"), tokens.public_key_pem())
    }

    fn sign(&self, file: &str, params: CertificateParams) -> io::Result<()> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.ca).map_err(io::Error::other)?;
        std::fs::write(self.path(&format!("{file}.crt")), certificate.pem())?;
        std::fs::write(self.path(&format!("{file}.key")), key.serialize_pem())
    }

    /// A kubeconfig for whoever has the certificate `user`, on the API server at `url`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig(&self, user: &str, url: &str) -> io::Result<PathBuf> {
        let path = self.path(&format!("{user}.conf"));
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": self.path("ca.crt")}}],
            "users": [{"name": user, "user": {
                "client-certificate": self.path(&format!("{user}.crt")),
                "client-key": self.path(&format!("{user}.key")),
            }}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        });
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// Where a file of this name lies.
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }
}
