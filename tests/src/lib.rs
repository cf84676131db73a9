//! The end-to-end tests' workbench: processes that end with their test, free ports, upstream's binaries, and clusters of
//! ours in both shapes. It knows the binaries and the public API only, never the inside of a crate.

pub mod apiserver;
pub mod bench;
pub mod cluster;
pub mod conformance;
pub mod differential;
pub mod interrupt;
pub mod load;
pub mod net;
pub mod payload;
pub mod pki;
pub mod process;
pub mod upstream;
pub mod wait;

/// Says that a test did not run, and why; `hack/test` holds these lines against `tests/skips.txt`.
pub fn skip(test: &str, reason: &str) {
    println!("SKIP {test}: {reason}");
}

/// True where the tests may make network namespaces, mounts and containers.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
