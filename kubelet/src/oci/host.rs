use std::path::Path;

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, TMPFS_MAGIC, statfs};

/// How the host mounts its cgroups, told by `statfs`, as systemd does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupMode {
    /// One hierarchy a controller.
    V1,
    /// As v1, with a v2 hierarchy without controllers beside.
    Hybrid,
    /// The unified hierarchy.
    V2,
}

/// What this machine lets us do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// How cgroups are mounted.
    pub cgroups: CgroupMode,
    /// The OCI runtime's binary.
    pub oci_runtime: String,
    /// The lowest OOM score adjustment that a container can get here: below the kubelet's own one needs CAP_SYS_RESOURCE.
    pub min_oom_score_adj: i32,
    /// Whether the kernel enforces SELinux' rules or logs what they forbid; elsewhere labels mean nothing.
    pub selinux: bool,
}

impl Host {
    /// Looks at the machine. `oci_runtime` is the binary to use; chosen here if `None`: crun, which starts a container in a third
    /// of runc's time, unless it is absent or the cgroups are in hybrid mode, which it refuses.
    ///
    /// # Errors
    /// When no runtime is installed; the message names those looked for.
    pub fn detect(oci_runtime: Option<&str>) -> Result<Self, String> {
        let cgroups = cgroup_mode(Path::new("/sys/fs/cgroup"));
        let candidates: &[&str] = if cgroups == CgroupMode::Hybrid {
            &["runc"]
        } else {
            &["crun", "runc"]
        };
        let oci_runtime = match oci_runtime {
            Some(runtime) => runtime.to_owned(),
            None => candidates
                .iter()
                .find_map(|name| find_program(name))
                .ok_or_else(|| {
                    format!("no OCI runtime found: install {}", candidates.join(" or "))
                })?,
        };
        let min_oom_score_adj = if has_sys_resource() {
            -1000
        } else {
            own_oom_score_adj()
        };
        Ok(Self {
            cgroups,
            oci_runtime,
            min_oom_score_adj,
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
        })
    }
}

fn cgroup_mode(root: &Path) -> CgroupMode {
    match statfs(root).map(|fs| fs.filesystem_type()) {
        Ok(CGROUP2_SUPER_MAGIC) => CgroupMode::V2,
        Ok(TMPFS_MAGIC)
            if statfs(&root.join("unified"))
                .is_ok_and(|fs| fs.filesystem_type() == CGROUP2_SUPER_MAGIC) =>
        {
            CgroupMode::Hybrid
        }
        _ => CgroupMode::V1,
    }
}

/// The path of `name`, looked for where the system's programs are and on the PATH.
pub fn find_program(name: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let dirs =
        path.split(':')
            .chain(["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"]);
    dirs.filter(|dir| !dir.is_empty())
        .map(|dir| format!("{dir}/{name}"))
        .find(|path| Path::new(path).is_file())
}

fn has_sys_resource() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .is_some_and(|bits| bits >> CAP_SYS_RESOURCE & 1 == 1)
}

fn own_oom_score_adj() -> i32 {
    let own = std::fs::read_to_string("/proc/self/oom_score_adj")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    own.unwrap_or(0).max(0)
}
