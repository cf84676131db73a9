//! The node's own object: what the machine has, how it does, and its lease.

mod capacity;
mod keeper;
pub(crate) mod lease;
mod status;

pub use capacity::Capacity;
pub use keeper::{Keeper, pod_cidr, register};
pub use lease::renew as renew_lease;
