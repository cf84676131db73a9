//! What a run needs of a cluster, whoever's it is.

use std::io;
use std::path::Path;

/// A running cluster on the two hosts. It ends when it is dropped.
pub trait Judged {
    /// A kubeconfig of a member of `system:masters`.
    fn admin(&self) -> &Path;

    /// Loads an archive of images into both nodes' containerd.
    ///
    /// # Errors
    /// What the one who loads said.
    fn load(&self, archive: &Path) -> io::Result<()>;

    /// The names of processes that have ended, which none should.
    fn ended(&mut self) -> Vec<String>;
}
