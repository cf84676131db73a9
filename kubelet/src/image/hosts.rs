//! Where the images of a registry are fetched from, as containerd's `hosts.toml` files say: mirrors, and how each is spoken to.
//!
//! <https://github.com/containerd/containerd/blob/main/docs/hosts.md>. Those of its keys are known that say who is asked, for
//! what, and by which certificates it is believed. A file with another key is refused by that: asked in another way than was
//! wanted, a registry may give another image.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, TableLike, TomlError};

/// One that is asked for images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Host, and port if it is not the scheme's.
    pub address: String,
    /// Whether it speaks plain HTTP; `None` if no file says so.
    pub plain: Option<bool>,
    /// Whether it knows what a tag means; another one is asked by digests alone.
    pub resolves: bool,
    /// Whether images come from it.
    pub pulls: bool,
    /// Files of certificates (PEM) of authorities that are believed beside the usual ones.
    pub ca: Vec<PathBuf>,
    /// Whether any certificate is believed.
    pub skip_verify: bool,
    /// Whether it is no mirror, but the registry or in its domain: it gets the logins.
    pub is_registry: bool,
}

/// Whom to ask for an image, one after the other. Images have `registry` in their names; it is itself at `address`, unless a
/// file says otherwise. `dir` has a directory for each registry, `HOST_PORT_` or `HOST:PORT`, and `_default` for all others.
///
/// # Errors
/// Why a file cannot be read or followed, with its path.
pub async fn of(dir: &Path, registry: &str, address: &str) -> Result<Vec<Host>, String> {
    let with_port = registry.rsplit_once(':');
    let with_port = with_port.map(|(host, port)| format!("{host}_{port}_"));
    let names = [with_port.as_deref(), Some(registry), Some("_default")];
    for dir in names.into_iter().flatten().map(|name| dir.join(name)) {
        let path = dir.join("hosts.toml");
        let in_file = |reason: String| format!("{}: {reason}", path.display());
        match tokio::fs::read_to_string(&path).await {
            Ok(text) => return parse(&text, &dir, registry, address).map_err(in_file),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(in_file(error.to_string()));
            }
            Err(_) => {}
        }
        // The first directory counts, whatever is in it.
        match has_certificates(&dir).await {
            Ok(false) => break,
            Ok(true) => return Err(in_file("missing beside certificates".to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", dir.display())),
        }
    }
    Ok(vec![Host::registry(address)])
}

/// Whether a directory holds certificates or keys.
async fn has_certificates(dir: &Path) -> std::io::Result<bool> {
    let mut entries = tokio::fs::read_dir(dir).await?;
    while let Some(entry) = entries.next_entry().await? {
        let path = entry.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("crt" | "cert" | "key")) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn parse(text: &str, dir: &Path, name: &str, address: &str) -> Result<Vec<Host>, String> {
    let file: DocumentMut = text.parse().map_err(|e: TomlError| e.to_string())?;
    let mut hosts = Vec::new();
    // What stands outside of `host` is about the registry itself.
    let mut registry = Host::registry(address);
    for (key, value) in file.iter() {
        match key {
            "host" => {
                for (url, settings) in table(key, value)?.iter() {
                    let mut mirror = Host::registry("");
                    mirror.locate(url)?;
                    for (key, value) in table(url, settings)?.iter() {
                        mirror.set(key, value, dir)?;
                    }
                    hosts.push(mirror);
                }
            }
            "server" => registry.locate(string(key, value)?)?,
            _ => registry.set(key, value, dir)?,
        }
    }
    if file.get("server").is_none() {
        // They are the server's, as containerd reads them.
        (registry.pulls, registry.resolves) = (true, true);
    }
    for mirror in &mut hosts {
        let its =
            |known: &str| known == mirror.address || mirror.address.ends_with(&format!(".{known}"));
        mirror.is_registry = its(name) || its(&registry.address);
    }
    hosts.push(registry);
    if hosts
        .iter()
        .any(|host| host.plain == Some(true) && (host.skip_verify || !host.ca.is_empty()))
    {
        return Err("`ca` and `skip_verify` are for https".to_owned());
    }
    hosts.retain(|host| host.pulls);
    Ok(hosts)
}

impl Host {
    /// The registry itself, if nothing is said about it.
    pub fn registry(address: &str) -> Host {
        Host {
            address: address.to_owned(),
            plain: None,
            resolves: true,
            pulls: true,
            ca: Vec::new(),
            skip_verify: false,
            is_registry: true,
        }
    }

    /// Takes `[https://]host[:port][/v2]`, or the same with `http://`.
    fn locate(&mut self, url: &str) -> Result<(), String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        self.plain = match scheme {
            "http" => Some(true),
            "https" => Some(false),
            _ => return Err("an address is neither http nor https".to_owned()),
        };
        // Not repeated: it may have a password in it.
        let more = |byte: char| matches!(byte, '@' | '?' | '#') || byte.is_whitespace();
        if address.is_empty()
            || address.contains(more)
            || !matches!(path.trim_end_matches('/'), "" | "v2")
        {
            return Err("of an address only host and port are supported".to_owned());
        }
        self.address = address.to_owned();
        Ok(())
    }

    fn set(&mut self, key: &str, value: &Item, dir: &Path) -> Result<(), String> {
        match key {
            "capabilities" => {
                let listed = strings(key, value)?.into_iter();
                let listed: Vec<String> = listed.map(str::to_ascii_lowercase).collect();
                for capability in &listed {
                    if !matches!(&**capability, "pull" | "resolve" | "push" | "referrers") {
                        return Err(format!("unknown capability {capability:?}"));
                    }
                }
                let can = |what| listed.is_empty() || listed.iter().any(|listed| listed == what);
                (self.pulls, self.resolves) = (can("pull"), can("resolve"));
            }
            "ca" => self.ca = strings(key, value)?.iter().map(|at| dir.join(at)).collect(),
            "skip_verify" => {
                let truth = value.as_bool();
                self.skip_verify =
                    truth.ok_or_else(|| format!("`{key}` is neither true nor false"))?;
            }
            _ => return Err(format!("`{key}` is not supported")),
        }
        Ok(())
    }
}

fn table<'a>(key: &str, value: &'a Item) -> Result<&'a dyn TableLike, String> {
    let table = value.as_table_like();
    table.ok_or_else(|| format!("`{key}` is no table"))
}

fn string<'a>(key: &str, value: &'a Item) -> Result<&'a str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("`{key}` is no string"))
}

/// A string, or several.
fn strings<'a>(key: &str, value: &'a Item) -> Result<Vec<&'a str>, String> {
    let several = match (value.as_str(), value.as_array()) {
        (Some(one), _) => Some(vec![one]),
        (None, Some(array)) => array.iter().map(|value| value.as_str()).collect(),
        (None, None) => None,
    };
    several.ok_or_else(|| format!("`{key}` is no list of strings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Host>, String> {
        parse(text, Path::new("/certs.d/r.test"), "r.test", "r.test")
    }

    #[test]
    fn mirrors_come_in_their_order_and_the_registry_last() {
        let hosts = read(
            r#"
            server = "https://other.test"
            ca = "own.pem"

            [host."http://b.test:5000"]
              capabilities = ["resolve", "pull"]
            [host."https://a.test/v2"]
              capabilities = ["pull"]
              ca = ["x.pem", "/y.pem"]
              skip_verify = true
            [host."https://push.test"]
              capabilities = ["push"]
            "#,
        )
        .unwrap();
        let [b, a, registry] = &hosts[..] else {
            panic!("{hosts:?}")
        };
        assert_eq!(
            (&*b.address, b.plain, b.resolves),
            ("b.test:5000", Some(true), true)
        );
        assert_eq!(
            (&*a.address, a.plain, a.resolves),
            ("a.test", Some(false), false)
        );
        let files = ["/certs.d/r.test/x.pem", "/y.pem"].map(PathBuf::from);
        assert!(a.skip_verify && a.ca == files && !a.is_registry);
        assert_eq!(
            (&*registry.address, registry.is_registry),
            ("other.test", true)
        );
        assert_eq!(registry.ca, [PathBuf::from("/certs.d/r.test/own.pem")]);
    }

    #[test]
    fn the_registry_and_its_domain_get_the_logins() {
        let hosts = read(
            r#"
            server = "https://own.test"
            [host."https://r.test"]
              ca = "r.pem"
            [host."https://eu.r.test"]
            [host."https://own.test"]
            [host."https://other.test"]
            [host."https://notr.test"]
            "#,
        );
        let trusted = hosts.unwrap().into_iter().map(|host| host.is_registry);
        assert_eq!(
            trusted.collect::<Vec<_>>(),
            [true, true, true, false, false, true]
        );
    }

    #[test]
    fn capabilities_without_a_server_are_nobodys() {
        let hosts = read("capabilities = [\"Push\", \"referrers\"]").unwrap();
        assert_eq!(hosts, [Host::registry("r.test")]);
    }

    #[test]
    fn a_file_that_says_nothing_changes_nothing() {
        assert_eq!(read("").unwrap(), [Host::registry("r.test")]);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_by_its_name() {
        for (text, reason) in [
            ("server = 1", "`server` is no string"),
            ("host = 1", "`host` is no table"),
            ("[host.\"ftp://a\"]", "an address is neither http nor https"),
            (
                "[host.\"https://a/x\"]",
                "of an address only host and port are supported",
            ),
            (
                "[host.\"https://a\"]\nheader = {}",
                "`header` is not supported",
            ),
            (
                "[host.\"https://a\"]\noverride_path = true",
                "`override_path` is not supported",
            ),
            (
                "[host.\"https://a\"]\ncapabilities = [\"fly\"]",
                "unknown capability \"fly\"",
            ),
            (
                "[host.\"https://a\"]\nca = [1]",
                "`ca` is no list of strings",
            ),
            (
                "[host.\"https://u:pw@a\"]",
                "of an address only host and port are supported",
            ),
            (
                "[host.\"http://a\"]\nskip_verify = true",
                "`ca` and `skip_verify` are for https",
            ),
            ("skip_verify = 1", "`skip_verify` is neither true nor false"),
            ("client = \"a.pem\"", "`client` is not supported"),
        ] {
            assert_eq!(read(text).unwrap_err(), reason, "{text}");
        }
        assert!(read("[[").unwrap_err().contains("TOML parse error"));
    }

    #[tokio::test]
    async fn a_registry_has_a_file_of_its_own_or_that_of_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let address = async |registry| {
            let hosts = of(dir.path(), registry, registry).await;
            hosts.map(|hosts| hosts[0].address.clone())
        };
        assert_eq!(address("a.test").await.unwrap(), "a.test");
        for (name, mirror) in [("a.test", "mine.test"), ("_default", "all.test")] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            let text = format!("[host.\"https://{mirror}\"]");
            std::fs::write(dir.path().join(name).join("hosts.toml"), text).unwrap();
        }
        assert_eq!(address("a.test").await.unwrap(), "mine.test");
        assert_eq!(address("b.test").await.unwrap(), "all.test");
        std::fs::create_dir(dir.path().join("c.test_5000_")).unwrap();
        assert_eq!(address("c.test:5000").await.unwrap(), "c.test:5000");
        std::fs::write(dir.path().join("c.test_5000_/ca.crt"), "").unwrap();
        let error = address("c.test:5000").await.unwrap_err();
        let told = "c.test_5000_/hosts.toml: missing beside certificates";
        assert!(error.ends_with(told), "{error}");
        std::fs::write(dir.path().join("a.test/hosts.toml"), "x = 1").unwrap();
        let error = address("a.test").await.unwrap_err();
        assert!(
            error.ends_with("a.test/hosts.toml: `x` is not supported"),
            "{error}"
        );
    }
}
