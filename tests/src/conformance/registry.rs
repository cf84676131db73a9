//! A registry on the first host that has the suite's images, for pods that want them pulled. Both hosts' containerd and kubelets
//! are told by a `hosts.toml` to ask it first, whatever registry an image is of; what it has not they look for where its name
//! leads, which is nowhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as Target, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::hosts::HOSTS;
use super::oci::MANIFEST;

const PORT: u16 = 5000;

/// It serves until it is dropped.
pub struct Registry {
    config: PathBuf,
    _runtime: Runtime,
}

impl Registry {
    /// Serves the images of `archive`; the files that name it are written below `directory`.
    ///
    /// # Errors
    /// When the archive cannot be read, or the port is taken.
    pub fn start(archive: &Path, directory: &Path) -> io::Result<Self> {
        let address = format!("{}:{PORT}", HOSTS[0].address);
        let config = directory.join("certs.d");
        fs::create_dir_all(config.join("_default"))?;
        fs::write(
            config.join("_default/hosts.toml"),
            format!("[host.\"http://{address}\"]\ncapabilities = [\"pull\", \"resolve\"]\n"),
        )?;
        let images = Arc::new(Images::open(archive)?);
        let service = Router::new()
            .route("/v2/", get(StatusCode::OK))
            .route("/v2/{*target}", get(serve))
            .with_state(images);
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, service).await
        });
        Ok(Self {
            config,
            _runtime: runtime,
        })
    }

    /// The directory with its `hosts.toml`.
    pub fn config(&self) -> &Path {
        &self.config
    }
}

/// An archive of images.
struct Images {
    file: File,
    /// Where each blob lies, and how long it is, by its digest.
    blobs: BTreeMap<String, (u64, usize)>,
    /// Digests of manifests by the images' full names.
    names: BTreeMap<String, String>,
}

impl Images {
    fn open(archive: &Path) -> io::Result<Self> {
        let mut images = Self {
            file: File::open(archive)?,
            blobs: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for entry in tar::Archive::new(File::open(archive)?).entries()? {
            let entry = entry?;
            let path = entry.path()?.display().to_string();
            let length = usize::try_from(entry.size()).map_err(io::Error::other)?;
            let place = (entry.raw_file_position(), length);
            if let Some(digest) = path.strip_prefix("blobs/") {
                images.blobs.insert(digest.replace('/', ":"), place);
            } else if path == "index.json" {
                let index: Value = serde_json::from_reader(entry)?;
                for manifest in index["manifests"].as_array().into_iter().flatten() {
                    let name = &manifest["annotations"]["io.containerd.image.name"];
                    if let (Some(name), Some(digest)) = (name.as_str(), manifest["digest"].as_str())
                    {
                        images.names.insert(name.to_owned(), digest.to_owned());
                    }
                }
            }
        }
        Ok(images)
    }

    fn blob(&self, digest: &str) -> Option<io::Result<Vec<u8>>> {
        let (at, length) = self.blobs.get(digest)?;
        let mut bytes = vec![0; *length];
        Some(self.file.read_exact_at(&mut bytes, *at).map(|()| bytes))
    }
}

/// `NAME/manifests/TAG`, `NAME/manifests/DIGEST` or `NAME/blobs/DIGEST`; `ns` says of which registry.
async fn serve(
    State(images): State<Arc<Images>>,
    Target(target): Target<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let (digest, kind) = match (
        target.rsplit_once("/manifests/"),
        target.rsplit_once("/blobs/"),
    ) {
        (Some((_, digest)), _) if digest.contains(':') => (digest, MANIFEST),
        (Some((name, tag)), _) => {
            let registry = query.get("ns").map_or("", String::as_str);
            let name = format!("{registry}/{name}:{tag}");
            let digest = images.names.get(&name);
            (digest.map_or("", String::as_str), MANIFEST)
        }
        (None, Some((_, digest))) => (digest, "application/octet-stream"),
        (None, None) => ("", ""),
    };
    match images.blob(digest) {
        Some(Ok(bytes)) => {
            let headers = [
                (header::CONTENT_TYPE.as_str(), kind),
                ("Docker-Content-Digest", digest),
            ];
            (headers, bytes).into_response()
        }
        Some(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
