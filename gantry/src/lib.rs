//! `gantry`: composes the components into one process. It has no logic of its own: it turns flags into their configurations,
//! gives each an identity and a client, and ends them together.

pub mod image;
pub mod kubeconfig;
pub mod node;
pub mod up;
