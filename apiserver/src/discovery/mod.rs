//! Discovery: which groups, versions and resources are served, in documents one by one ([`legacy`]) and in one ([`aggregated`]).
//!
//! The documents are pure functions of [`Group`]s; [`Discovery`] answers requests with them. This module must not know objects or
//! storage, nor where a resource comes from: built in, custom, or another server's.

pub mod aggregated;
mod groups;
pub mod legacy;
mod negotiate;
mod root;
mod serve;

pub use aggregated::hash;
pub use groups::{Freshness, Group, Version, group_version, storage_version_hash};
pub use serve::Discovery;
