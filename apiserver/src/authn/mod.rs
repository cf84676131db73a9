//! Who is calling: client certificates, service account tokens, nobody; and whom they wish to be taken for.
//!
//! A request is asked for its certificate first, then for its bearer token; the first that is right tells who it is. If there
//! are only wrong ones the answer is 401; a request without any (an Authorization header of another scheme says nothing here,
//! as upstream) is [`Identity::anonymous`], and RBAC says what that may. This module must not know what the caller wants.

mod impersonation;
mod jwt;
pub mod keys;
mod service_account;
mod x509;

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::identity::{Identity, SharedIdentity};

pub use impersonation::{Wanted, impersonate};
pub use jwt::{JwtError, MAX_TOKEN_BYTES};
pub use service_account::{
    BoundObject, Claims, ObjectState, TokenAuthenticator, TokenConfig, TokenError, TokenIssuer,
    TokenRequest, TokenSubjects,
};
pub use x509::{ClientCertificate, identity_of_certificate};

/// Why credentials are refused. The client is told `Unauthorized`; this is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The client certificate is of another authority, or has expired.
    #[error("client certificate: {0}")]
    Certificate(String),
    /// The token is wrong.
    #[error("bearer token: {0}")]
    Token(#[from] TokenError),
}

/// Tells who is calling.
pub struct Authenticator {
    tokens: TokenAuthenticator,
}

impl Authenticator {
    /// An authenticator of client certificates and of these tokens.
    pub fn new(tokens: TokenAuthenticator) -> Authenticator {
        Authenticator { tokens }
    }

    /// Who makes a request with these headers, on a connection with this certificate.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        certificate: Option<&ClientCertificate>,
    ) -> Result<SharedIdentity, Refused> {
        let mut wrong = None;
        if let Some(certificate) = certificate {
            match certificate.identity(self.tokens.now()) {
                Ok(identity) => return Ok(identity),
                Err(why) => wrong = Some(Refused::Certificate(why)),
            }
        }
        let header = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
        if let Some(token) = header.and_then(bearer) {
            match self.tokens.authenticate(token, &[]) {
                Ok(found) => return Ok(found.identity),
                Err(why) => wrong = wrong.or(Some(Refused::Token(why))),
            }
        }
        match wrong {
            Some(wrong) => Err(wrong),
            None => Ok(Arc::new(Identity::anonymous())),
        }
    }

    /// The authenticator of tokens alone: what TokenReview asks.
    pub fn tokens(&self) -> &TokenAuthenticator {
        &self.tokens
    }
}

/// The token of an Authorization header.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
