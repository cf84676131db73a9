//! Microseconds a Pod takes through each codec, beside `serde_json::Value`: `cargo bench -p api --bench codec [objects.json…]`.
//!
//! The minimum of many rounds: what the code costs, not what the machine was doing.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "it measures the machine"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use api::codec::{json, protobuf};
use api::{Schema, Tree};

fn minimum(mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(700) {
        let start = Instant::now();
        for _ in 0..50 {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / 50.0);
    }
    best
}

fn main() {
    let files: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    println!(
        "{:<28} {:>7} {:>9} {:>9} {:>9} {:>9} {:>7} {:>9} {:>9}",
        "µs", "bytes", "json→tree", "tree→json", "pb→tree", "tree→pb", "clone", "→Value", "Value→"
    );
    if files.is_empty() {
        measure("pod", include_bytes!("pod.json"));
    }
    for file in files {
        let name = file.rsplit('/').next().unwrap_or_default().to_owned();
        measure(&name, &std::fs::read(file).unwrap());
    }
}

fn measure(name: &str, input: &[u8]) {
    let meta = json::type_meta(input).unwrap();
    let (group, version) = meta
        .api_version
        .split_once('/')
        .unwrap_or(("", &meta.api_version));
    let schema = Schema::builtin();
    let ty = schema.type_of_kind(group, version, &meta.kind).unwrap();
    let decode =
        |bytes: &[u8]| json::decode(schema, ty, bytes.to_vec(), &mut json::Strict::new()).unwrap();
    let tree: Tree = decode(input);
    let text = json::to_vec(&tree);
    let wire = protobuf::to_vec(&tree);
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let mut out = Vec::with_capacity(64 << 10);
    let from_json = minimum(|| _ = black_box(decode(black_box(&text))));
    let to_json = minimum(|| {
        out.clear();
        json::encode(black_box(&tree), &mut out);
    });
    let from_wire = minimum(|| _ = black_box(protobuf::decode(schema, ty, wire.clone()).unwrap()));
    let to_wire = minimum(|| {
        out.clear();
        protobuf::encode(black_box(&tree), &mut out);
    });
    let clone = minimum(|| _ = black_box(tree.clone()));
    let to_value = minimum(|| {
        _ = black_box(serde_json::from_slice::<serde_json::Value>(black_box(&text)).unwrap())
    });
    let from_value = minimum(|| {
        out.clear();
        serde_json::to_writer(&mut out, black_box(&value)).unwrap();
    });
    println!(
        "{name:<28} {:>7} {from_json:>9.2} {to_json:>9.2} {from_wire:>9.2} {to_wire:>9.2} {clone:>7.3} {to_value:>9.2} {from_value:>9.2}",
        text.len()
    );
}
