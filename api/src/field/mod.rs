//! Field errors: what validation says about one field of an object, in upstream's words.
//!
//! A [`Path`] is a chain of borrowed segments that allocates nothing until an error is made of it, so that validating a
//! correct object costs no formatting. An [`ErrorList`] becomes the causes and the message of a 422 answer at the edge.
//!
//! Formats: k8s.io/apimachinery `pkg/util/validation/field`.

mod error;
mod kind;
mod list;
mod path;
mod quote;

pub use error::{BadValue, Error};
pub use kind::ErrorKind;
pub use list::ErrorList;
pub use path::Path;
pub use quote::{is_print, quote};
