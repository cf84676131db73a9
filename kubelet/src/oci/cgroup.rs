//! The cgroups above the containers' own: a pod's, and the classes of service. Containers' own ones belong to the OCI runtime.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::CgroupMode;

const MOUNT: &str = "/sys/fs/cgroup";

/// Limits of a whole pod. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodLimits {
    /// Relative weight, 2 to 262,144.
    pub cpu_shares: u64,
    /// Microseconds of CPU time in each 100 ms.
    pub cpu_quota: Option<i64>,
    /// Bytes.
    pub memory_limit: Option<i64>,
}

impl PodLimits {
    /// Of each the one that allows more.
    pub fn widest(self, other: PodLimits) -> PodLimits {
        let widest = |a: Option<i64>, b: Option<i64>| Some(a?.max(b?));
        PodLimits {
            cpu_shares: self.cpu_shares.max(other.cpu_shares),
            cpu_quota: widest(self.cpu_quota, other.cpu_quota),
            memory_limit: widest(self.memory_limit, other.memory_limit),
        }
    }
}

/// Makes the pod's cgroup, if it is not there, and sets its limits. Blocks.
///
/// # Errors
/// When the kernel refuses; a controller that the host lacks is passed over.
pub fn create(mode: CgroupMode, path: &str, limits: &PodLimits) -> std::io::Result<()> {
    let quota = |unlimited: &str| {
        limits
            .cpu_quota
            .map_or(unlimited.to_owned(), |quota| quota.to_string())
    };
    let memory = |unlimited: &str| {
        limits
            .memory_limit
            .map_or(unlimited.to_owned(), |limit| limit.to_string())
    };
    if mode == CgroupMode::V2 {
        let dir = create_v2(path)?;
        set(
            &dir.join("cpu.weight"),
            &weight(limits.cpu_shares).to_string(),
        )?;
        set(&dir.join("cpu.max"), &format!("{} 100000", quota("max")))?;
        return set(&dir.join("memory.max"), &memory("max"));
    }
    for controller in controllers()? {
        let dir = below(&controller, path);
        fs::create_dir_all(&dir)?;
        if dir.join("cpu.shares").exists() {
            set(
                &dir.join("cpu.shares"),
                &limits.cpu_shares.max(2).to_string(),
            )?;
            set(&dir.join("cpu.cfs_quota_us"), &quota("-1"))?;
        }
        if dir.join("memory.limit_in_bytes").exists() {
            set(&dir.join("memory.limit_in_bytes"), &memory("-1"))?;
        }
    }
    Ok(())
}

/// Removes the cgroup at `path` and those below it, which must hold no process; fine if there is none. Blocks.
///
/// # Errors
/// When a process is left in it.
pub fn remove(mode: CgroupMode, path: &str) -> std::io::Result<()> {
    let roots = if mode == CgroupMode::V2 {
        vec![PathBuf::from(MOUNT)]
    } else {
        controllers()?
    };
    roots
        .iter()
        .try_for_each(|root| remove_tree(&below(root, path)))
}

/// Removes the cgroup at `path` itself where nothing is in it or below it. Blocks.
///
/// # Errors
/// When the mounts of the controllers cannot be read.
pub fn remove_if_empty(mode: CgroupMode, path: &str) -> std::io::Result<()> {
    let roots = if mode == CgroupMode::V2 {
        vec![PathBuf::from(MOUNT)]
    } else {
        controllers()?
    };
    for root in roots {
        // In use, or not there: either way not ours to remove.
        let _ = fs::remove_dir(below(&root, path));
    }
    Ok(())
}

/// How many bytes of memory the cgroup at `path` and those below it use; `None` where the kernel does not tell. Blocks.
pub fn memory_usage(mode: CgroupMode, path: &str) -> Option<i64> {
    let file = if mode == CgroupMode::V2 {
        below(Path::new(MOUNT), path).join("memory.current")
    } else {
        below(&Path::new(MOUNT).join("memory"), path).join("memory.usage_in_bytes")
    };
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// How often the kernel killed for want of memory in the cgroup at `path`. Blocks.
pub fn oom_kills(mode: CgroupMode, path: &str) -> u64 {
    let file = if mode == CgroupMode::V2 {
        below(Path::new(MOUNT), path).join("memory.events")
    } else {
        below(&Path::new(MOUNT).join("memory"), path).join("memory.oom_control")
    };
    let text = fs::read_to_string(file).unwrap_or_default();
    let count = text
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    count.unwrap_or(0)
}

/// cgroup v1's 2–262144 onto v2's 1–10000, by the formula that runc and crun use too.
fn weight(shares: u64) -> u64 {
    let shares = shares.clamp(2, 262_144);
    1 + (shares - 2) * 9999 / 262_142
}

fn create_v2(path: &str) -> std::io::Result<PathBuf> {
    let mut dir = PathBuf::from(MOUNT);
    for part in path.split('/').filter(|part| !part.is_empty()) {
        // Children get what their parent hands down.
        let have = fs::read_to_string(dir.join("cgroup.controllers"))?;
        for controller in ["cpu", "memory", "pids", "cpuset", "io"] {
            if have.split_whitespace().any(|name| name == controller) {
                set(
                    &dir.join("cgroup.subtree_control"),
                    &format!("+{controller}"),
                )?;
            }
        }
        dir.push(part);
        match fs::create_dir(&dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(dir)
}

/// The mounts of the v1 controllers; symlinks to joint ones only once.
fn controllers() -> std::io::Result<Vec<PathBuf>> {
    let mut list = Vec::new();
    for entry in fs::read_dir(MOUNT)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.path().join("cgroup.procs").exists() {
            list.push(entry.path());
        }
    }
    list.sort();
    Ok(list)
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn remove_tree(dir: &Path) -> std::io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn set(file: &Path, value: &str) -> std::io::Result<()> {
    match fs::write(file, value) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()), // the host lacks the controller
        result => result.map_err(|error| {
            std::io::Error::new(error.kind(), format!("{}: {error}", file.display()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_map_onto_weights_at_both_ends_and_between() {
        assert_eq!(
            [weight(0), weight(2), weight(1024), weight(262_144)],
            [1, 1, 39, 10_000]
        );
    }
}
