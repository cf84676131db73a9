//! Directories that containerd and its shims make for a namespace, or for the first container ever, and never remove. Whoever
//! takes a node's traces away removes those that are empty and were not there before.

use std::path::{Path, PathBuf};

use containerd_client::services::v1::PluginsRequest;

use super::{Containerd, Error};

/// Fixed paths of the shims: sockets, and the OCI runtimes' state by namespace. The innermost first.
const SHARED: [&str; 3] = [
    "/run/containerd/runc",
    "/run/containerd/s",
    "/run/containerd",
];
/// Below the daemon's state and data directories: the bundles of its tasks, by namespace.
const TASKS: &str = "io.containerd.runtime.v2.task";
/// Where it is written down which of [`SHARED`] were there before us.
const NOTE: &str = "found";

/// Writes down what is there, unless that was done before. `run_dir` does not survive a restart of the machine, and neither
/// does what is noted. Blocks.
///
/// # Errors
/// When the note cannot be written.
pub fn note(run_dir: &Path) -> std::io::Result<()> {
    let note = run_dir.join(NOTE);
    if note.exists() {
        return Ok(());
    }
    let found: Vec<&str> = SHARED
        .into_iter()
        .filter(|path| Path::new(path).exists())
        .collect();
    std::fs::write(note, found.join("\n"))
}

/// Removes what is empty of the shims' directories, but for those that are noted. Blocks.
pub fn remove(run_dir: &Path, namespace: &str) {
    let noted = std::fs::read_to_string(run_dir.join(NOTE)).unwrap_or_default();
    let _ = std::fs::remove_dir(Path::new(SHARED[0]).join(namespace));
    for path in SHARED {
        if !noted.lines().any(|line| line == path) {
            let _ = std::fs::remove_dir(path);
        }
    }
}

impl Containerd {
    /// Removes the empty directories that the daemon has kept of the namespace.
    ///
    /// # Errors
    /// When it does not say where its data is.
    pub async fn remove_namespace_directories(&self) -> Result<(), Error> {
        let filter = format!(
            "type==io.containerd.snapshotter.v1,id=={}",
            self.snapshotter()
        );
        let request = PluginsRequest {
            filters: vec![filter],
        };
        let answer = self
            .introspection_service()
            .plugins(request)
            .await
            .map_err(Error::call("ask for the plugins"))?;
        // A snapshotter's directory is below that of all data, and the socket is in that of the state, unless configured otherwise.
        let data = answer
            .into_inner()
            .plugins
            .into_iter()
            .find_map(|plugin| Some(PathBuf::from(plugin.exports.get("root")?)));
        let parents = [data.as_deref(), Some(self.socket())];
        for parent in parents.into_iter().flatten().filter_map(Path::parent) {
            let _ = tokio::fs::remove_dir(parent.join(TASKS).join(self.namespace())).await;
        }
        Ok(())
    }
}
