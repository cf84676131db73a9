//! Nodes that fall silent: noticed ([`lifecycle`]), tainted, and their pods evicted ([`eviction`]).

pub mod eviction;
mod health;
pub mod lifecycle;
mod zones;
