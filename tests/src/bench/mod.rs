//! `hack/bench`: the budgets of the design, measured on this machine, for ours and for upstream.
//!
//! A *row* is one figure with a name, a unit and maybe a budget (`rows.rs`); a *stage* starts what it measures, takes some
//! rows and ends it (`stages/`); a *round* runs every stage once for each subject, alternately, so that both see the same
//! noise (`rounds.rs`). The *ladder* takes rows of its own with more and more nodes (`ladder/`). What the rounds found is kept
//! in a file and becomes the page docs/benchmarks.md (`figures.rs`, `report.rs`), its pictures (`plot.rs`, `ladder/plot.rs`),
//! and what later runs are held against (`baseline.rs`).

pub mod baseline;
pub mod control_plane;
pub mod disk;
pub mod figures;
pub mod ladder;
pub mod plot;
pub mod poll;
pub mod procfs;
pub mod report;
pub mod rounds;
pub mod row;
pub mod rows;
pub mod simulated;
pub mod stages;
pub mod subject;
pub mod vegeta;
