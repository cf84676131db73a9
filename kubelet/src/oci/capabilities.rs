//! Linux capabilities by name.

use std::collections::BTreeSet;

/// All capabilities, in the kernel's order.
const ALL: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What a container has unless it asks otherwise: as with every container engine.
const DEFAULT: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The capabilities that `granted` bits of this machine allow: all if it cannot be told.
fn granted() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(u64::MAX)
}

/// The set for a container, as `CAP_…`. Names are with or without the prefix; `ALL` stands for all that the machine grants.
pub(super) fn effective(
    add: &[String],
    drop: &[String],
    privileged: bool,
) -> Result<Vec<String>, String> {
    let granted = granted();
    let all = || {
        ALL.iter()
            .enumerate()
            .filter(|(bit, _)| granted >> bit & 1 == 1)
            .map(|(_, name)| *name)
    };
    let mut set: BTreeSet<&str> = if privileged {
        all().collect()
    } else {
        DEFAULT.into_iter().collect()
    };
    let normal = |name: &str| {
        name.to_ascii_uppercase()
            .trim_start_matches("CAP_")
            .to_owned()
    };
    let known = |name: &str| {
        let name = normal(name);
        ALL.iter()
            .find(|known| **known == name)
            .copied()
            .ok_or_else(|| format!("unknown capability {name:?}"))
    };
    let is_all = |name: &String| normal(name) == "ALL";
    if add.iter().any(is_all) {
        set.extend(all());
    }
    if drop.iter().any(is_all) {
        set.clear();
    }
    for name in add.iter().filter(|name| !is_all(name)) {
        set.insert(known(name)?);
    }
    for name in drop.iter().filter(|name| !is_all(name)) {
        set.remove(known(name)?);
    }
    Ok(set.into_iter().map(|name| format!("CAP_{name}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_added_by_name_survives_dropping_all() {
        let set = effective(
            &names(&["NET_ADMIN", "cap_sys_time"]),
            &names(&["ALL"]),
            false,
        )
        .unwrap();
        assert_eq!(set, ["CAP_NET_ADMIN", "CAP_SYS_TIME"]);
    }

    #[test]
    fn the_default_set_loses_what_is_dropped() {
        let set = effective(&[], &names(&["MKNOD"]), false).unwrap();
        assert_eq!(set.len(), DEFAULT.len() - 1);
        assert!(!set.contains(&"CAP_MKNOD".to_owned()));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!(
            effective(&names(&["FLY"]), &[], false)
                .unwrap_err()
                .contains("FLY")
        );
    }
}
