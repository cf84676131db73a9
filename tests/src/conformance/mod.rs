//! `hack/conformance`: upstream's own end-to-end suite, as it is, against a cluster of two nodes.
//!
//! The suite names its conformance tests (`suite.rs`) and its images; those are made here without any registry (`images.rs`,
//! from Debian's packages, busybox and upstream's programs, into one OCI image layout by `oci.rs`), loaded into both nodes, and
//! served to them (`registry.rs`). A cluster is started on two hosts
//! (`hosts.rs`): ours (`nodes.rs`) or, for comparison, upstream's own (`upstream/`); `judged.rs` is what a run needs of either.
//! The suite is run in portions (`run.rs`), and each test's last result is kept in docs/conformance.tsv or
//! docs/conformance-baseline.tsv (`results.rs`, `report.rs`). Nothing here looks at a test's name, but to choose which ones to
//! run (`choice.rs`).

pub mod busybox;
pub mod choice;
pub mod hosts;
pub mod images;
pub mod judged;
pub mod nodes;
pub mod oci;
pub mod packages;
pub mod registry;
pub mod report;
pub mod results;
pub mod run;
pub mod suite;
pub mod upstream;
