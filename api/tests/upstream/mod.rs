//! What the tests against upstream share. Each uses a part.
#![allow(dead_code)]

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Output};

use api::schema::{Schema, TypeId};

/// What a Go command prints in hack/upstream; none, with a line that says so, where Go is absent.
pub fn go(args: &[&str]) -> Option<String> {
    let upstream = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/upstream");
    // Otherwise Go would rewrite go.mod.
    let command = Command::new("go")
        .args(args)
        .current_dir(upstream)
        .env("GOFLAGS", "-mod=readonly")
        .output();
    match command {
        Ok(output) => Some(printed(&format!("go {}", args.join(" ")), &output)),
        Err(_) => skip(),
    }
}

/// The directory of upstream's binaries, built if they are not there yet; none where Go is absent.
pub fn build(names: &[&str]) -> Option<String> {
    /// How the script ends where Go is absent or too old.
    const NO_GO: i32 = 3;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/upstream/build");
    let output = Command::new(script).args(names).output().unwrap();
    if output.status.code() == Some(NO_GO) {
        return skip();
    }
    Some(printed("hack/upstream/build", &output).trim().to_owned())
}

fn printed(what: &str, output: &Output) -> String {
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {complaints}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Past the test harness, which shows what a passing test prints to nobody.
fn skip<T>() -> Option<T> {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(
        std::io::stderr(),
        "SKIP {test}: Go 1.26 or newer is not installed"
    );
    None
}

/// The message type of a kind; the options of requests are registered in every group and stand in the schema once.
pub fn type_of_kind(group: &str, version: &str, kind: &str) -> TypeId {
    let schema = Schema::builtin();
    schema
        .type_of_kind(group, version, kind)
        .or_else(|| schema.type_of_kind("meta.k8s.io", "v1", kind))
        .unwrap_or_else(|| panic!("{group}/{version}/{kind} is not in the schema"))
}

/// Runs a check on every item, and names all that fail.
pub fn every<T>(
    items: &[T],
    name: impl Fn(&T) -> String,
    check: impl Fn(&T) -> Result<(), String>,
) {
    let failed: Vec<String> = items
        .iter()
        .filter_map(
            |item| match catch_unwind(AssertUnwindSafe(|| check(item))) {
                Ok(Ok(())) => None,
                Ok(Err(what)) => Some(format!("{}: {what}", name(item))),
                Err(_) => Some(format!("{}: panicked", name(item))),
            },
        )
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} fail:\n{}",
        failed.len(),
        items.len(),
        failed.join("\n")
    );
}

/// Whether both are the same, and the first place where they differ.
pub fn same_bytes(have: &[u8], want: &[u8]) -> Result<(), String> {
    match have.iter().zip(want).position(|(a, b)| a != b) {
        None if have.len() == want.len() => Ok(()),
        at => {
            let at = at.unwrap_or(have.len().min(want.len()));
            let from = at.saturating_sub(40);
            let show = |bytes: &[u8]| {
                bytes[from..(at + 40).min(bytes.len())]
                    .escape_ascii()
                    .to_string()
            };
            Err(format!(
                "differ at {at}: have …{}… want …{}…",
                show(have),
                show(want)
            ))
        }
    }
}
