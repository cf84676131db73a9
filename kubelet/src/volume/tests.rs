//! What tests of mounts stand on.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Runs `test` with a directory, on a thread whose mounts nobody else sees.
pub(super) fn in_own_mounts(test: impl FnOnce(&Path) + Send) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    if !nix::unistd::geteuid().is_root() {
        let name = name.rsplit("::").next().unwrap_or(name);
        return e2e::skip(name, "needs root");
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            test(&dir);
        });
        thread.join().unwrap();
    });
}

/// Mounts `source` at `target`.
pub(super) fn bind(source: &Path, target: &Path) {
    mount(
        Some(source),
        target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .unwrap();
}
