//! Service account tokens as clients meet them: `serviceaccounts/token` issues them, two fixed paths say how they are verified.
//!
//! What a token holds and when it is good is `authn`'s.

mod discovery;
mod request;

pub use discovery::routes;
pub use request::Tokens;
