//! The arrows between crates that ARCHITECTURE.md draws, held against what cargo says.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Which of our crates each crate may use. A crate that is missing here fails the test: draw its arrows first.
const ALLOWED: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("store", &[]),
    ("network", &[]),
    ("hello-server", &[]),
    ("apiserver", &["api", "store"]),
    ("runtime", &["api"]),
    ("scheduler", &["api", "runtime"]),
    ("controllers", &["api", "runtime"]),
    ("kubelet", &["api", "runtime", "network"]),
    ("ctl", &["api"]),
    (
        "gantry",
        &[
            "api",
            "apiserver",
            "controllers",
            "kubelet",
            "network",
            "runtime",
            "scheduler",
            "store",
        ],
    ),
    (
        "e2e",
        &[
            "api",
            "apiserver",
            "controllers",
            "kubelet",
            "network",
            "runtime",
            "scheduler",
            "store",
            "ctl",
            "gantry",
        ],
    ),
];

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn crates_use_only_what_the_architecture_allows() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let targets = allowed
            .get(name)
            .unwrap_or_else(|| panic!("{name} has no arrows in this test"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            // Those of tests are judged below.
            if !ours.contains(target) || dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            assert!(
                targets.contains(&target),
                "{name} must not use {target}: see the arrows in ARCHITECTURE.md"
            );
        }
    }
}

/// clippy reads the one nearest `clippy.toml`: a crate that has more bans has to repeat those of the root.
#[test]
fn a_crates_own_bans_come_on_top_of_the_roots() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let lines = |path: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(format!("{root}/{path}")).unwrap();
        let lines = text.lines().map(str::trim).map(str::to_owned);
        lines.filter(|line| !line.starts_with('#')).collect()
    };
    let wanted = lines("clippy.toml");
    assert!(wanted.iter().any(|line| line.contains("SystemTime::now")));
    for crate_name in ["scheduler", "controllers", "runtime"] {
        let lacking = &wanted - &lines(&format!("{crate_name}/clippy.toml"));
        assert!(lacking.is_empty(), "{crate_name}/clippy.toml: {lacking:?}");
    }
}

/// Code that is not a test cannot name a dev-dependency: cargo builds it without. Tests reach the workbench alone, which
/// starts whole servers; for the inside of another crate they would be in the wrong place.
#[test]
fn dev_dependencies_reach_only_the_workbench() {
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if name == "e2e" {
            continue;
        }
        for dependency in package["dependencies"].as_array().unwrap() {
            if dependency["kind"].as_str() == Some("dev") && dependency["path"].is_string() {
                let target = dependency["name"].as_str().unwrap();
                assert_eq!(target, "e2e", "{name}: tests reach other crates' insides");
            }
        }
    }
}

/// Nothing is silently lacking (invariant 13): what validation does not look at stands in the list of limitations, and what it
/// has learnt does not.
#[test]
fn the_limitations_name_the_kinds_without_rules() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let text = std::fs::read_to_string(format!("{root}/docs/limitations.md")).unwrap();
    let (_, section) = text.split_once("\n## Validation\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let written: BTreeSet<(&str, &str)> = section
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| ")?
                .strip_suffix(" |")?
                .split_once(" | ")
        })
        .filter(|(group, _)| *group != "group")
        .flat_map(|(group, resources)| {
            let group = if group == "core" { "" } else { group };
            resources
                .split(", ")
                .map(move |resource| (group, resource.trim_matches('`')))
        })
        .collect();
    assert_eq!(
        written,
        api::validation::UNCHECKED.iter().copied().collect()
    );
}
