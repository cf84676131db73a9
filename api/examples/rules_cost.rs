//! What defaulting and validating one pod costs: `cargo run --release -p api --example rules_cost`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "it measures the machine"
)]

use std::hint::black_box;
use std::time::Instant;

use api::codec::json::{self, Strict};
use api::core::v1::Pod;
use api::kinds::Kinds;
use api::{Schema, defaults, validation};

const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-7d4f8b6c5-x2x9p","namespace":"default",
"labels":{"app":"web","pod-template-hash":"7d4f8b6c5"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet",
"name":"web-7d4f8b6c5","uid":"5f9a","controller":true}]},"spec":{"serviceAccountName":"default","containers":[{"name":"main",
"image":"nginx:1.25","ports":[{"name":"http","containerPort":80}],"env":[{"name":"A","value":"b"},{"name":"N","valueFrom":
{"fieldRef":{"fieldPath":"metadata.name"}}}],"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}},
"volumeMounts":[{"name":"conf","mountPath":"/etc/conf"}],"readinessProbe":{"httpGet":{"port":"http"}}},{"name":"side",
"image":"busybox:1"}],"volumes":[{"name":"conf","configMap":{"name":"conf"}}],"tolerations":[{"key":"node.kubernetes.io/not-ready",
"operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]}}"#;

fn microseconds(mut what: impl FnMut()) -> f64 {
    const ROUNDS: u32 = 20_000;
    (0..7)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                what();
            }
            start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let resource = Kinds::builtin().by_resource("", "v1", "pods").unwrap();
    let decode = || json::decode(Schema::builtin(), Pod::TYPE, POD, &mut Strict::new()).unwrap();
    let raw = decode();
    let mut full = decode();
    defaults::apply(&mut full);
    assert!(validation::create(resource, &full).is_empty());
    let copy = microseconds(|| {
        let mut tree = raw.clone();
        black_box(tree.root_mut());
    });
    let first = microseconds(|| {
        let mut tree = raw.clone();
        defaults::apply(&mut tree);
        black_box(&tree);
    });
    let again = microseconds(|| defaults::apply(black_box(&mut full)));
    let valid = microseconds(|| {
        black_box(validation::create(resource, black_box(&full)));
    });
    println!("copying a pod        {copy:.2} µs");
    println!("… and defaulting it  {first:.2} µs");
    println!("defaulting again     {again:.2} µs");
    println!("validating           {valid:.2} µs");
}
