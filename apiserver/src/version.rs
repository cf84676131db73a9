//! Which version of the API is spoken, and by what.

use serde::Serialize;

/// The Kubernetes release whose API is served; the build is told apart after `+`, as semantic versioning has it.
pub const GIT_VERSION: &str = concat!("v1.37.1+gantry.", env!("CARGO_PKG_VERSION"));

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    major: &'static str,
    minor: &'static str,
    emulation_major: &'static str,
    emulation_minor: &'static str,
    min_compatibility_major: &'static str,
    min_compatibility_minor: &'static str,
    git_version: &'static str,
    git_commit: &'static str,
    git_tree_state: &'static str,
    build_date: &'static str,
    go_version: &'static str,
    compiler: &'static str,
    platform: &'static str,
}

/// What `/version` answers: indented JSON. Facts of the build that are not known are empty.
pub fn json() -> String {
    let platform = match std::env::consts::ARCH {
        "x86_64" => "linux/amd64",
        "aarch64" => "linux/arm64",
        other => other,
    };
    let info = Info {
        major: "1",
        minor: "37",
        emulation_major: "1",
        emulation_minor: "37",
        min_compatibility_major: "1",
        min_compatibility_minor: "36",
        git_version: GIT_VERSION,
        git_commit: option_env!("GANTRY_GIT_COMMIT").unwrap_or_default(),
        git_tree_state: option_env!("GANTRY_GIT_TREE_STATE").unwrap_or_default(),
        build_date: option_env!("GANTRY_BUILD_DATE").unwrap_or_default(),
        // Not written in Go; clients read the field nowhere.
        go_version: "",
        compiler: "rustc",
        platform,
    };
    // Strings alone: serialization cannot fail.
    serde_json::to_string_pretty(&info).unwrap_or_default()
}
