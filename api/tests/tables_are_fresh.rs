//! The checked-in tables are what upstream's v1.37.1 says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod upstream;

/// Fails with the first line that differs, when it is stale.
fn check(table: &str, flags: &[&str]) {
    let file = format!("../../api/schema/{table}.txt");
    let mut args = vec!["run", "./schema", "-check", &file];
    args.extend_from_slice(flags);
    args.push(table);
    upstream::go(&args);
}

#[test]
fn types_follow_upstreams_go_types() {
    check("types", &[]);
}

#[test]
fn kinds_and_columns_follow_a_running_upstream_server() {
    let Some(binaries) = upstream::build(&["kube-apiserver", "etcd"]) else {
        return;
    };
    check("kinds", &["-binaries", &binaries]);
    check("columns", &["-binaries", &binaries]);
}
