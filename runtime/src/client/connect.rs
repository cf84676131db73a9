//! Connecting to a server over the network.

use std::path::Path;

use base64::Engine as _;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use super::{Client, error::Error};

impl Client {
    /// Connects as the current context of a kubeconfig file says. `component` is the user agent and the field manager.
    /// Nothing is sent yet.
    pub async fn from_kubeconfig(path: &Path, component: &str) -> Result<Client, Error> {
        Client::from_config(config(path).await?, component)
    }

    /// The certificates (PEM) by which a kubeconfig's current context knows the server; `None` if it names none.
    pub async fn root_ca(path: &Path) -> Result<Option<String>, Error> {
        let Some(certificates) = config(path).await?.root_cert else {
            return Ok(None);
        };
        let blocks = certificates.iter().map(|der| pem("CERTIFICATE", der));
        Ok(Some(blocks.collect()))
    }

    /// Host and port of the server that a kubeconfig's current context names.
    pub async fn server(path: &Path) -> Result<(String, u16), Error> {
        let url = config(path).await?.cluster_url;
        let host = url
            .host()
            .map(|host| host.trim_matches(['[', ']']).to_owned());
        let host = host.ok_or_else(|| Error::Config(format!("{url}: no host")))?;
        let port = match url.scheme_str() {
            Some("http") => 80,
            _ => 443,
        };
        Ok((host, url.port_u16().unwrap_or(port)))
    }

    /// Connects as `config` says; see [`Client::from_kubeconfig`].
    pub fn from_config(mut config: Config, component: &str) -> Result<Client, Error> {
        // Retries are ours: kube's would send a create again that had taken effect.
        config.default_retry = false;
        let agent =
            http::HeaderValue::from_str(component).map_err(|e| Error::Config(e.to_string()))?;
        config.headers.push((http::header::USER_AGENT, agent));
        let kube = kube::Client::try_from(config).map_err(|e| Error::Config(chain(&e)))?;
        Ok(Client::new(kube).with_field_manager(component))
    }
}

/// What the current context of a kubeconfig file says.
async fn config(path: &Path) -> Result<Config, Error> {
    let unusable =
        |e: &dyn std::error::Error| Error::Config(format!("{}: {}", path.display(), chain(e)));
    let kubeconfig = Kubeconfig::read_from(path).map_err(|e| unusable(&e))?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|e| unusable(&e))
}

/// An error with all its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// PEM around some DER, with lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = base64::engine::general_purpose::STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + "-----END " + label + "-----\n"
}
