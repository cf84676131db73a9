//! `hack/bench`: the budgets of the design, measured on this machine, for ours and for upstream.
//!
//! A *row* is one figure with a name, a unit and maybe a budget (`row.rs`); a *stage* starts what it measures, takes some
//! rows and ends it (`stages/`); a *round* runs every stage once for each subject, alternately, so that both see the same
//! noise. What the rounds found is kept in a file and becomes the page docs/benchmarks.md (`figures.rs`, `report.rs`), its
//! picture (`plot.rs`), and what later runs are held against (`baseline.rs`).

pub mod baseline;
pub mod disk;
pub mod figures;
pub mod plot;
pub mod poll;
pub mod procfs;
pub mod report;
pub mod row;
pub mod stages;
pub mod subject;
