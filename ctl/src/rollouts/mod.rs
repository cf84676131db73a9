//! What is known of rollouts: how far one is, its revisions, and what is wrong with its pods.

pub mod history;
pub mod progress;
pub mod trouble;
