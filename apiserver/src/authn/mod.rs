//! Who is calling: client certificates, service account tokens, nobody; and whom they wish to be taken for.
//!
//! A request is asked for its certificate first, then for its bearer token. Credentials that are wrong are refused with 401,
//! whatever else the request brings; a request without any is [`Identity::anonymous`], and RBAC says what that may. This
//! module must not know what the caller wants.

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
    /// There is an Authorization header that nobody here understands.
    #[error("Authorization header of another scheme than Bearer")]
    Scheme,
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
        if let Some(certificate) = certificate {
            return certificate
                .identity(self.tokens.now())
                .map_err(Refused::Certificate);
        }
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Ok(Arc::new(Identity::anonymous()));
        };
        let token = value
            .to_str()
            .ok()
            .and_then(bearer)
            .ok_or(Refused::Scheme)?;
        Ok(self.tokens.authenticate(token, &[])?.identity)
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
