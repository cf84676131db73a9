use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::seccomp::Seccomp;
use super::{CgroupMode, Host, User, capabilities};

/// Containers whose spec carries the same value here share one shim.
const SHIM_GROUP: &str = "io.containerd.runc.v2.group";

/// A bind mount into the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// On the node.
    pub source: PathBuf,
    /// In the container.
    pub destination: String,
    /// Not writable.
    pub read_only: bool,
    /// How mounts made later propagate: `rprivate`, `rslave` or `rshared`.
    pub propagation: &'static str,
}

/// Which namespaces a container shares with its pod or with the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// The pinned network namespace; the node's if `None`.
    pub network: Option<PathBuf>,
    /// The pinned IPC namespace; the node's if `None`.
    pub ipc: Option<PathBuf>,
    /// The pinned UTS namespace; the node's if `None`.
    pub uts: Option<PathBuf>,
    /// The process namespace of another container; one of its own if `None`.
    pub pid: Option<PathBuf>,
    /// Sees the node's processes.
    pub host_pid: bool,
}

/// What a container may use. Absent is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Relative weight, 2 to 262,144 (1,024 a core).
    pub cpu_shares: u64,
    /// Microseconds of CPU time in each 100 ms.
    pub cpu_quota: Option<i64>,
    /// Bytes.
    pub memory_limit: Option<i64>,
    /// −1000 (never) to 1000 (first) when memory runs out.
    pub oom_score_adj: i32,
}

/// A process in a container: its first one or an executed one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessConfig {
    /// Program and arguments.
    pub args: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// Who runs it.
    pub user: User,
    /// Capabilities beyond the default ones.
    pub add_capabilities: Vec<String>,
    /// Capabilities taken away.
    pub drop_capabilities: Vec<String>,
    /// All that the machine grants.
    pub privileged: bool,
    /// setuid programs gain nothing.
    pub no_new_privileges: bool,
}

/// All of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecConfig {
    /// Its first process.
    pub process: ProcessConfig,
    /// Containers of the same group share a shim: the pod's UID.
    pub shim_group: String,
    /// Beside the ones that every container has.
    pub mounts: Vec<Mount>,
    /// The root file system is not writable.
    pub read_only_root: bool,
    /// Kernel settings of its namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// What it shares.
    pub namespaces: Namespaces,
    /// What it may use.
    pub resources: Resources,
    /// Its cgroup, below the mount of each controller.
    pub cgroup_path: String,
    /// /proc is shown whole.
    pub unmasked_proc: bool,
    /// Which system calls it may make; all if it is privileged.
    pub seccomp: Seccomp,
}

/// The `process` part of a spec, also what containerd takes to execute in a running container.
///
/// # Errors
/// When a capability's name is unknown.
pub fn process(config: &ProcessConfig, oom_score_adj: Option<i32>) -> Result<Value, String> {
    let effective = capabilities::effective(
        &config.add_capabilities,
        &config.drop_capabilities,
        config.privileged,
    )?;
    let mut process = json!({
        "user": {"uid": config.user.uid, "gid": config.user.gid, "additionalGids": config.user.additional_gids},
        "args": config.args,
        "env": config.env,
        "cwd": if config.cwd.is_empty() { "/" } else { &config.cwd },
        "capabilities": {"bounding": effective, "effective": effective, "permitted": effective},
        "noNewPrivileges": config.no_new_privileges,
    });
    if let Some(adjustment) = oom_score_adj {
        process["oomScoreAdj"] = adjustment.into();
    }
    Ok(process)
}

/// What a container may use, in the OCI runtime spec's terms: of one that is made or one that runs.
pub fn linux_resources(resources: &Resources, host: &Host) -> Value {
    let mut limits = json!({"cpu": {"shares": resources.cpu_shares}});
    if let Some(quota) = resources.cpu_quota {
        limits["cpu"]["quota"] = quota.into();
        limits["cpu"]["period"] = 100_000.into();
    }
    if let Some(limit) = resources.memory_limit {
        limits["memory"]["limit"] = limit.into();
        // No swap. v1 kernels without swap accounting refuse the setting.
        if host.cgroups == CgroupMode::V2 {
            limits["memory"]["swap"] = limit.into();
        }
    }
    limits
}

/// The OCI runtime spec of a container on this host.
///
/// # Errors
/// When a capability's name is unknown.
pub fn spec(config: &SpecConfig, host: &Host) -> Result<Value, String> {
    let privileged = config.process.privileged;
    let oom_score_adj = (config.resources.oom_score_adj).max(host.min_oom_score_adj);
    let mut limits = linux_resources(&config.resources, host);
    // The runtimes add the devices that every container has (null, zero, random, tty …).
    limits["devices"] = json!([{"allow": privileged, "access": "rwm"}]);
    if host.cgroups == CgroupMode::V2 {
        // A container that has lost a process for want of memory ends as a whole.
        limits["unified"] = json!({"memory.oom.group": "1"});
    }

    let mut linux = json!({
        "cgroupsPath": config.cgroup_path,
        "resources": limits,
        "namespaces": namespaces(&config.namespaces, host),
        "sysctl": config.sysctls,
    });
    if let Some(propagation) = root_propagation(&config.mounts) {
        linux["rootfsPropagation"] = propagation.into();
    }
    if privileged {
        linux["devices"] = host_devices().into();
    } else if !config.unmasked_proc {
        linux["maskedPaths"] = json!(MASKED);
        linux["readonlyPaths"] = json!(READ_ONLY);
    }
    let process = process(&config.process, Some(oom_score_adj))?;
    if !privileged {
        let held = serde_json::from_value(process["capabilities"]["bounding"].clone());
        let held: Vec<String> = held.unwrap_or_default();
        if let Some(seccomp) = config.seccomp.spec(&held, std::env::consts::ARCH) {
            linux["seccomp"] = seccomp;
        }
    }

    Ok(json!({
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": "rootfs", "readonly": config.read_only_root},
        "mounts": mounts(config, host),
        "annotations": {SHIM_GROUP: config.shim_group},
        "linux": linux,
    }))
}

const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

fn namespaces(shared: &Namespaces, host: &Host) -> Vec<Value> {
    let pinned = [
        ("network", &shared.network),
        ("ipc", &shared.ipc),
        ("uts", &shared.uts),
    ];
    let mut list: Vec<Value> = pinned
        .iter()
        .filter_map(|(kind, path)| Some(json!({"type": kind, "path": path.as_ref()?})))
        .collect();
    list.push(json!({"type": "mount"}));
    match &shared.pid {
        _ if shared.host_pid => {}
        Some(path) => list.push(json!({"type": "pid", "path": path})),
        None => list.push(json!({"type": "pid"})),
    }
    if host.cgroups == CgroupMode::V2 {
        list.push(json!({"type": "cgroup"}));
    }
    list
}

fn mounts(config: &SpecConfig, host: &Host) -> Vec<Value> {
    let access = if config.process.privileged {
        "rw"
    } else {
        "ro"
    };
    let fixed = |destination: &str, kind: &str, options: &[&str]| json!({"destination": destination, "type": kind, "source": kind, "options": options});
    let mut list = vec![
        fixed("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        fixed(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        fixed(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        fixed("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        fixed("/sys", "sysfs", &["nosuid", "noexec", "nodev", access]),
    ];
    if host.cgroups == CgroupMode::V2 || !config.process.privileged {
        list.push(fixed(
            "/sys/fs/cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", access],
        ));
    }
    // A mount inside another one comes after it.
    let mut binds: Vec<&Mount> = config.mounts.iter().collect();
    binds.sort_by_key(|mount| {
        mount
            .destination
            .split('/')
            .filter(|part| !part.is_empty())
            .count()
    });
    list.extend(binds.into_iter().map(|mount| {
        let access = if mount.read_only { "ro" } else { "rw" };
        json!({
            "destination": mount.destination,
            "type": "bind",
            "source": mount.source,
            "options": ["rbind", mount.propagation, access],
        })
    }));
    list
}

/// How far the root mount takes part in what is mounted later: as far as the mount that takes part most, since all mounts begin as
/// copies below it. The runtimes' own choice if none does.
fn root_propagation(mounts: &[Mount]) -> Option<&'static str> {
    ["rshared", "rslave"]
        .into_iter()
        .find(|wanted| mounts.iter().any(|mount| mount.propagation == *wanted))
}

/// Every device node of the host, for privileged containers.
fn host_devices() -> Vec<Value> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    let mut list = Vec::new();
    let mut dirs = vec![PathBuf::from("/dev")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(metadata) = std::fs::symlink_metadata(&path) else {
                continue;
            };
            let kind = metadata.file_type();
            if kind.is_dir() {
                // Mounts of the container's own.
                if !["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd"]
                    .iter()
                    .any(|own| path.as_os_str() == *own)
                {
                    dirs.push(path);
                }
            } else if (kind.is_char_device() || kind.is_block_device())
                && path.as_os_str() != "/dev/console"
            {
                let device = metadata.rdev();
                list.push(json!({
                    "path": path,
                    "type": if kind.is_block_device() { "b" } else { "c" },
                    "major": nix::sys::stat::major(device),
                    "minor": nix::sys::stat::minor(device),
                    "fileMode": metadata.mode() & 0o7777,
                    "uid": metadata.uid(),
                    "gid": metadata.gid(),
                }));
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(cgroups: CgroupMode) -> Host {
        Host {
            cgroups,
            oci_runtime: "runc".into(),
            min_oom_score_adj: 0,
            selinux: false,
        }
    }

    #[test]
    fn namespaces_of_the_pod_are_joined_and_those_of_the_node_left_out() {
        let config = SpecConfig {
            namespaces: Namespaces {
                network: Some("/run/n".into()),
                ipc: None,
                uts: Some("/run/u".into()),
                pid: None,
                host_pid: true,
            },
            ..Default::default()
        };
        let of_node = spec(&config, &host(CgroupMode::V1)).unwrap();
        assert_eq!(
            of_node["linux"]["namespaces"],
            json!([{"type": "network", "path": "/run/n"}, {"type": "uts", "path": "/run/u"}, {"type": "mount"}])
        );
        let namespaces = Namespaces {
            pid: Some("/proc/7/ns/pid".into()),
            ..Default::default()
        };
        let config = SpecConfig {
            namespaces,
            ..Default::default()
        };
        let of_other = spec(&config, &host(CgroupMode::V1)).unwrap();
        assert_eq!(
            of_other["linux"]["namespaces"],
            json!([{"type": "mount"}, {"type": "pid", "path": "/proc/7/ns/pid"}])
        );
    }

    #[test]
    fn limits_become_quota_and_bytes_and_swap_only_where_it_is_counted() {
        let resources = Resources {
            cpu_shares: 256,
            cpu_quota: Some(25_000),
            memory_limit: Some(1 << 20),
            oom_score_adj: -997,
        };
        let config = SpecConfig {
            resources,
            ..Default::default()
        };
        let v1 = spec(&config, &host(CgroupMode::Hybrid)).unwrap();
        assert_eq!(
            v1["linux"]["resources"]["cpu"],
            json!({"shares": 256, "quota": 25_000, "period": 100_000})
        );
        assert_eq!(
            v1["linux"]["resources"]["memory"],
            json!({"limit": 1 << 20})
        );
        assert_eq!(
            v1["process"]["oomScoreAdj"], 0,
            "clamped to what the machine allows"
        );
        let v2 = spec(&config, &host(CgroupMode::V2)).unwrap();
        assert_eq!(
            v2["linux"]["resources"]["memory"],
            json!({"limit": 1 << 20, "swap": 1 << 20})
        );
    }

    #[test]
    fn a_nested_mount_comes_after_the_one_that_it_is_in() {
        let mount = |destination: &str| Mount {
            source: "/x".into(),
            destination: destination.into(),
            read_only: true,
            propagation: "rprivate",
        };
        let config = SpecConfig {
            mounts: vec![mount("/a/b/c"), mount("/z"), mount("/a/b")],
            ..Default::default()
        };
        let spec = spec(&config, &host(CgroupMode::V1)).unwrap();
        let order: Vec<_> = spec["mounts"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|m| m["type"] == "bind")
            .collect();
        assert_eq!(
            order
                .iter()
                .map(|m| m["destination"].as_str().unwrap())
                .collect::<Vec<_>>(),
            ["/z", "/a/b", "/a/b/c"]
        );
        assert_eq!(order[0]["options"], json!(["rbind", "rprivate", "ro"]));
    }

    #[test]
    fn the_root_takes_part_in_later_mounts_as_the_mount_that_does_so_most() {
        let root = |mounts: &[&'static str]| {
            let mounts = mounts.iter().map(|propagation| Mount {
                source: "/x".into(),
                destination: "/y".into(),
                read_only: false,
                propagation,
            });
            let config = SpecConfig {
                mounts: mounts.collect(),
                ..Default::default()
            };
            let spec = spec(&config, &host(CgroupMode::V1)).unwrap();
            spec["linux"]["rootfsPropagation"].clone()
        };
        assert_eq!(root(&["rprivate"]), Value::Null);
        assert_eq!(root(&["rprivate", "rslave"]), "rslave");
        assert_eq!(root(&["rslave", "rshared", "rprivate"]), "rshared");
    }

    #[test]
    fn all_of_a_container_is_killed_together_where_the_kernel_can() {
        let unified = |mode| {
            let spec = spec(&SpecConfig::default(), &host(mode)).unwrap();
            spec["linux"]["resources"]["unified"].clone()
        };
        assert_eq!(unified(CgroupMode::V2), json!({"memory.oom.group": "1"}));
        assert_eq!(unified(CgroupMode::Hybrid), Value::Null);
    }

    #[test]
    fn only_privileged_containers_see_devices_and_all_of_proc() {
        let plain = spec(&SpecConfig::default(), &host(CgroupMode::V1)).unwrap();
        assert_eq!(
            plain["linux"]["resources"]["devices"],
            json!([{"allow": false, "access": "rwm"}])
        );
        assert!(
            plain["linux"]["maskedPaths"]
                .as_array()
                .unwrap()
                .contains(&json!("/proc/kcore"))
        );
        let process = ProcessConfig {
            privileged: true,
            ..Default::default()
        };
        let privileged = spec(
            &SpecConfig {
                process,
                ..Default::default()
            },
            &host(CgroupMode::V1),
        )
        .unwrap();
        assert!(privileged["linux"].get("maskedPaths").is_none());
        assert!(
            privileged["linux"]["devices"]
                .as_array()
                .unwrap()
                .iter()
                .any(|device| device["path"] == "/dev/null")
        );
    }
}
