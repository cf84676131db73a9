//! From trees and canonical bytes to what clients get, and back: content negotiation, renderings and their cache, streamed
//! lists and watch frames. This module must not know verbs, admission or storage.

pub mod accept;
mod bounded;
mod definition;
pub mod kind;
pub mod list;
pub mod object;
pub mod pretty;
pub mod rendering;
pub mod table;
pub mod watch;
pub mod yaml;
