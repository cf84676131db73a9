//! Network namespaces without a process in them, pinned by a bind mount.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, statfs};

use crate::Error;
use crate::link::Links;

/// Makes a namespace, pins it at `path` and runs `inside` in it, with a connection to the namespace outside.
pub async fn create<F, Fut>(path: PathBuf, inside: F) -> Result<(), Error>
where
    F: FnOnce(Links) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), Error>>,
{
    on_own_thread(path, pin_new, inside).await
}

/// Runs `inside` in the namespace that is pinned at `path`, with a connection to the namespace outside.
pub async fn enter<F, Fut>(path: PathBuf, inside: F) -> Result<(), Error>
where
    F: FnOnce(Links) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), Error>>,
{
    on_own_thread(path, join, inside).await
}

/// Changes into a namespace by `change` and runs `inside` there.
///
/// A thread of its own does so and ends with it: it is changed for good.
async fn on_own_thread<F, Fut>(
    path: PathBuf,
    change: fn(&Path) -> Result<(), Error>,
    inside: F,
) -> Result<(), Error>
where
    F: FnOnce(Links) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), Error>>,
{
    let (tell, told) = tokio::sync::oneshot::channel();
    let thread = path.clone();
    std::thread::Builder::new()
        .name("netns".into())
        .spawn(move || {
            // Nobody waits any more when the receiver is gone; the caller removes what was made.
            let _ = tell.send(here(&thread, change, inside));
        })
        .map_err(Error::io(&path))?;
    told.await
        .map_err(|_| Error::Config("the thread in a network namespace panicked".into()))?
}

fn here<F, Fut>(path: &Path, change: fn(&Path) -> Result<(), Error>, inside: F) -> Result<(), Error>
where
    F: FnOnce(Links) -> Fut,
    Fut: Future<Output = Result<(), Error>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(Error::io(path))?;
    let _entered = runtime.enter();
    let outside = Links::connect()?;
    change(path)?;
    runtime.block_on(inside(outside))
}

fn pin_new(path: &Path) -> Result<(), Error> {
    fs::File::create(path).map_err(Error::io(path))?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(Error::namespace("unshare the network namespace"))?;
    mount(
        Some("/proc/thread-self/ns/net"),
        path,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(Error::namespace("pin the network namespace"))
}

fn join(path: &Path) -> Result<(), Error> {
    let namespace = fs::File::open(path).map_err(Error::io(path))?;
    setns(namespace, CloneFlags::CLONE_NEWNET)
        .map_err(Error::namespace("join the network namespace"))
}

/// Unpins the namespace at `path`; fine if there is none.
pub async fn remove(path: PathBuf) -> Result<(), Error> {
    // The kernel may wait for readers of the namespace: not on an async worker.
    tokio::task::spawn_blocking(move || {
        while is_pinned(&path) {
            umount2(&path, MntFlags::MNT_DETACH)
                .map_err(Error::namespace("unpin the network namespace"))?;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(&path)(error))
            }
            _ => Ok(()),
        }
    })
    .await
    .map_err(|error| Error::Config(error.to_string()))?
}

/// Whether a namespace is mounted at `path`.
pub fn is_pinned(path: &Path) -> bool {
    statfs(path).is_ok_and(|fs| fs.filesystem_type() == NSFS_MAGIC)
}

/// The names of all files in `dir`, pinned or left behind.
pub fn pinned(dir: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        if let Ok(name) = entry.map_err(Error::io(dir))?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}
