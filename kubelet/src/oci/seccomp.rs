//! Which system calls a container may make: seccomp profiles in the OCI runtime's form.
//!
//! `RuntimeDefault` is what containerd gives by that name: an allow list, longer for a container with more capabilities, and
//! EPERM for the rest. `Localhost` profiles are files on the node, in the OCI runtime's own form.
//! <https://kubernetes.io/docs/tutorials/security/seccomp/>

use std::path::{Component, Path};

use serde_json::{Value, json};

/// The lists, as `WHEN: names` with continued lines indented.
const SYSCALLS: &str = include_str!("syscalls.txt");

/// A container's profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seccomp {
    /// Everything is allowed.
    #[default]
    Unconfined,
    /// The default list.
    RuntimeDefault,
    /// As read from a file of the node.
    Localhost(Value),
}

/// Reads a `Localhost` profile, `name` below `root`.
///
/// # Errors
/// When there is no such file, or it is not a JSON object.
pub fn load(root: &Path, name: &str) -> Result<Seccomp, String> {
    let relative = Path::new(name);
    let inside = relative
        .components()
        .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
    if !inside {
        return Err(format!(
            "the seccomp profile {name:?} is outside of {}",
            root.display()
        ));
    }
    let path = root.join(relative);
    let read = std::fs::read(&path).map_err(|error| error.to_string());
    let profile = read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| e.to_string()));
    match profile {
        Ok(profile @ Value::Object(_)) => Ok(Seccomp::Localhost(profile)),
        Ok(_) => Err(format!(
            "the seccomp profile {} is no JSON object",
            path.display()
        )),
        Err(error) => Err(format!(
            "cannot load seccomp profile {}: {error}",
            path.display()
        )),
    }
}

impl Seccomp {
    /// The spec's `linux.seccomp`, for a container with these capabilities (`CAP_…`) on a machine of this architecture (Rust's
    /// name); nothing if all is allowed.
    pub fn spec(&self, capabilities: &[String], architecture: &str) -> Option<Value> {
        match self {
            Seccomp::Unconfined => None,
            Seccomp::Localhost(profile) => Some(profile.clone()),
            Seccomp::RuntimeDefault => Some(runtime_default(capabilities, architecture)),
        }
    }
}

/// Namespaces that only an administrator's `clone` may make: mount, cgroup, UTS, IPC, user, PID, network.
const NEW_NAMESPACES: u64 =
    0x2_0000 | 0x200_0000 | 0x400_0000 | 0x800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;
/// `personality` may be asked, and set to these.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// Families of sockets: all below this …
const FAMILIES_BELOW: u64 = 38;
/// … and these: all but AF_ALG (38) and AF_VSOCK (40), which lead out of the container.
const FAMILIES: [u64; 6] = [39, 41, 42, 43, 44, 45];
const ENOSYS: u32 = 38;

fn runtime_default(capabilities: &[String], architecture: &str) -> Value {
    let has = |name: &str| {
        capabilities
            .iter()
            .any(|held| held.strip_prefix("CAP_") == Some(name))
    };
    let allowed: Vec<&str> = lists()
        .filter(|(when, _)| *when == "always" || *when == architecture || has(when))
        .flat_map(|(_, names)| names)
        .collect();
    let mut rules = vec![json!({"names": allowed, "action": "SCMP_ACT_ALLOW"})];
    let argument = |name: &str, value: u64, op: &str| {
        json!({
            "names": [name], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": value, "op": op}],
        })
    };
    rules.push(argument("socket", FAMILIES_BELOW, "SCMP_CMP_LT"));
    rules.extend(FAMILIES.map(|family| argument("socket", family, "SCMP_CMP_EQ")));
    rules.extend(PERSONALITIES.map(|value| argument("personality", value, "SCMP_CMP_EQ")));
    if !has("SYS_ADMIN") {
        rules.push(json!({
            "names": ["clone"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
        }));
        // Its flags cannot be looked at: programs fall back to `clone` when it is not there.
        rules.push(json!({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS}));
    }
    let architectures: &[&str] = match architecture {
        "x86_64" => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "aarch64" => &["SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64"],
        _ => &[],
    };
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": architectures,
        "syscalls": rules,
    })
}

/// The lists of names by when they apply.
fn lists() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let text = SYSCALLS.lines().filter(|line| !line.starts_with('#'));
    let mut lists: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text {
        let names = match line.split_once(':') {
            Some((when, names)) => {
                lists.push((when, Vec::new()));
                names
            }
            None => line,
        };
        if let Some((_, list)) = lists.last_mut() {
            list.extend(names.split_whitespace());
        }
    }
    lists.into_iter()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn allowed(capabilities: &[&str]) -> Vec<String> {
        let capabilities: Vec<String> = capabilities.iter().map(|c| format!("CAP_{c}")).collect();
        let spec = Seccomp::RuntimeDefault
            .spec(&capabilities, "x86_64")
            .unwrap();
        let names = spec["syscalls"][0]["names"].as_array().unwrap().clone();
        names
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn more_capabilities_allow_more_calls() {
        let few = allowed(&["CHOWN"]);
        assert!(few.len() > 300 && few.contains(&"openat".to_owned()));
        assert!(few.contains(&"arch_prctl".to_owned()) && !few.contains(&"set_tls".to_owned()));
        for (capability, call) in [
            ("SYS_ADMIN", "mount"),
            ("SYS_TIME", "clock_settime"),
            ("SYS_CHROOT", "chroot"),
        ] {
            assert!(!few.contains(&call.to_owned()), "{call}");
            assert!(allowed(&[capability]).contains(&call.to_owned()), "{call}");
        }
    }

    #[test]
    fn a_profile_is_read_from_below_its_directory_only() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("p.json"),
            r#"{"defaultAction": "SCMP_ACT_LOG"}"#,
        )
        .unwrap();
        std::fs::write(directory.path().join("list.json"), "[]").unwrap();
        let profile = load(directory.path(), "p.json").unwrap();
        assert_eq!(
            profile.spec(&[], "x86_64").unwrap()["defaultAction"],
            "SCMP_ACT_LOG"
        );
        for name in ["../p.json", "/etc/passwd", "none.json", "list.json"] {
            assert!(load(directory.path(), name).is_err(), "{name}");
        }
    }
}
