//! Generates the typed views from the checked-in table of types: one module a group and version, one thin wrapper a message
//! type. What the wrappers stand on is `src/view`.

#![expect(
    clippy::expect_used,
    reason = "a build script that panics stops the build with the reason, which is what is wanted"
)]

use std::path::Path;

#[path = "build/emit.rs"]
mod emit;
#[path = "build/names.rs"]
mod names;
#[path = "build/table.rs"]
mod table;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=schema/types.txt");
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    let text = std::fs::read_to_string(Path::new(&root).join("schema/types.txt"))
        .expect("schema/types.txt is readable");
    let code = emit::views(&table::parse(&text));
    std::fs::write(Path::new(&out).join("views.rs"), code).expect("OUT_DIR is writable");
}
