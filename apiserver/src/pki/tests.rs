use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;
use crate::env::testing::at;

fn config(dir: &Path) -> PkiConfig {
    PkiConfig {
        dir: dir.to_owned(),
        hostname: "host-1".into(),
        addresses: vec!["192.0.2.7".parse().unwrap()],
        service_address: "10.96.0.1".parse().unwrap(),
        cluster_domain: "cluster.local".into(),
        nodes: vec!["host-1".into()],
    }
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap() != ".lock")
        .map(|p| {
            (
                p.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(&p).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_second_start_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (env, _) = at("2030-01-01T00:00:00Z");
    let (_, made) = Pki::ensure(&config(dir.path()), &env).unwrap();
    assert_eq!(made.len(), 10, "{made:?}");
    let before = files(dir.path());
    let (_, made) = Pki::ensure(&config(dir.path()), &env).unwrap();
    assert!(made.is_empty(), "{made:?}");
    assert_eq!(files(dir.path()), before);
    for key in before.iter().filter(|(name, _)| name.ends_with(".key")) {
        let mode = fs::metadata(dir.path().join(&key.0))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{}", key.0);
    }
}

/// A kill between any two writes leaves a prefix of the files, in the order of writing, and perhaps a temporary one.
#[test]
fn a_start_that_was_killed_is_taken_up() {
    let whole = tempfile::tempdir().unwrap();
    let (env, _) = at("2030-01-01T00:00:00Z");
    Pki::ensure(&config(whole.path()), &env).unwrap();
    let order = [
        "ca.key",
        "ca.crt",
        "front-proxy-ca.key",
        "front-proxy-ca.crt",
        "sa.key",
        "sa.pub",
        "apiserver.key",
        "apiserver.crt",
        "admin.key",
        "admin.crt",
    ];
    for kept in 0..=order.len() {
        let dir = tempfile::tempdir().unwrap();
        for name in &order[..kept] {
            fs::copy(whole.path().join(name), dir.path().join(name)).unwrap();
        }
        if let Some(next) = order.get(kept) {
            fs::write(dir.path().join(format!("{next}.tmp")), "-----BEGIN half").unwrap();
        }
        Pki::ensure(&config(dir.path()), &env)
            .unwrap_or_else(|e| panic!("after {kept} files: {e}"));
        for name in &order[..kept] {
            let same = fs::read(whole.path().join(name)).unwrap()
                == fs::read(dir.path().join(name)).unwrap();
            assert!(same, "{name} was replaced after {kept} files");
        }
        let (_, made) = Pki::ensure(&config(dir.path()), &env).unwrap();
        assert!(made.is_empty(), "not settled after {kept} files: {made:?}");
    }
}

#[test]
fn a_damaged_authority_is_refused_by_name_and_never_replaced() {
    let (env, _) = at("2030-01-01T00:00:00Z");
    for (name, content) in [
        ("ca.key", None),
        ("ca.key", Some("x")),
        ("ca.crt", Some("x")),
        ("sa.key", Some("x")),
    ] {
        let dir = tempfile::tempdir().unwrap();
        Pki::ensure(&config(dir.path()), &env).unwrap();
        let path = dir.path().join(name);
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let error = Pki::ensure(&config(dir.path()), &env)
            .unwrap_err()
            .to_string();
        assert!(error.contains(name), "{error}");
    }
    // An authority that belongs to another key.
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Pki::ensure(&config(a.path()), &env).unwrap();
    Pki::ensure(&config(b.path()), &env).unwrap();
    fs::copy(a.path().join("ca.crt"), b.path().join("ca.crt")).unwrap();
    let error = Pki::ensure(&config(b.path()), &env)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("ca.crt: does not belong to the key"),
        "{error}"
    );
}

#[test]
fn certificates_are_renewed_before_they_expire_and_for_other_names() {
    let dir = tempfile::tempdir().unwrap();
    let (env, clock) = at("2030-01-01T00:00:00Z");
    Pki::ensure(&config(dir.path()), &env).unwrap();
    *clock.0.lock() = "2030-09-01T00:00:00Z".parse().unwrap();
    assert!(Pki::ensure(&config(dir.path()), &env).unwrap().1.is_empty());
    *clock.0.lock() = "2030-10-15T00:00:00Z".parse().unwrap();
    let made = Pki::ensure(&config(dir.path()), &env).unwrap().1;
    assert_eq!(
        made.len(),
        7,
        "every certificate but the authorities: {made:?}"
    );

    let mut moved = config(dir.path());
    moved.addresses = vec!["192.0.2.8".parse().unwrap()];
    assert_eq!(Pki::ensure(&moved, &env).unwrap().1, ["apiserver"]);
}

#[test]
fn a_kubeconfig_holds_everything_that_a_client_needs() {
    let dir = tempfile::tempdir().unwrap();
    let (env, _) = at("2030-01-01T00:00:00Z");
    let (pki, _) = Pki::ensure(&config(dir.path()), &env).unwrap();
    let path = dir.path().join("admin.conf");
    pki.write_kubeconfig(&path, "admin", "https://127.0.0.1:6443")
        .unwrap();
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("server: https://127.0.0.1:6443\n"));
    assert_eq!(text.matches("-data: LS0tLS1CRUdJTi").count(), 3, "{text}");
    drop(Arc::clone(&pki.ca));
}
