//! `hack/differential`: the same requests to upstream's kube-apiserver and to ours, and what they answer, field by field.
//!
//! A *sequence* (`sequence.rs`) is a list of requests in a namespace of its own, out of tests/differential/ or made from
//! upstream's OpenAPI document (`generate.rs`). Both servers get it (`server.rs`). What a server makes up by itself is
//! written in the same words for both (`normal.rs`): uids and generated names by the order in which they appear, resource
//! versions by their rank, so that their order is kept; times must be close together. What then differs (`compare.rs`) is a bug,
//! or stands in tests/differential/deliberate.yaml. The page that says how to read the report is docs/differential.md.

pub mod compare;
pub mod deliberate;
pub mod generate;
pub mod normal;
pub mod protobuf;
pub mod report;
pub mod run;
pub mod sequence;
pub mod server;
