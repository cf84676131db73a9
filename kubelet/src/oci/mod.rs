//! What a container looks like to an OCI runtime: the spec of our own making, from plain values. It knows the host (cgroup mode,
//! runtimes at hand, capabilities) and the image's user database, not pods and not containerd.

mod capabilities;
pub mod cgroup;
mod host;
mod rootfs;
pub mod seccomp;
mod spec;
mod user;

pub use host::{CgroupMode, Host};
pub use rootfs::{ImageFiles, read_image_files};
pub use spec::{
    Mount, Namespaces, ProcessConfig, Resources, SpecConfig, linux_resources, process, spec,
};
pub use user::{User, UserError, UserRequest, resolve};
