//! Container output on disk, in the CRI log format: one line a line, `TIME STREAM TAG TEXT`, the tag `P` for a part of a long
//! line and `F` for its end. Written by a process of its own for each container, which no restart of the kubelet touches;
//! read for the API's `log` subresource.

pub mod cri;
mod reader;
mod rotation;
pub mod tap;
pub mod writer;

pub use reader::{LogOptions, stream};
pub use rotation::{Rotation, files, written};
