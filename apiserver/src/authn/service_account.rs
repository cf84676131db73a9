//! Service account tokens: issued for an audience and a time, bound to a pod, node or secret, and refused as soon as what
//! they are bound to is gone (KEP-1205, KEP-4193).

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::jwt::{self, JwtError};
use super::keys::{KeyError, SigningKey, VerifyingKey};
use super::x509::CREDENTIAL_ID;
use crate::env::Env;
use crate::identity::{Identity, SharedIdentity, service_account_groups, service_account_user};

/// For how many seconds clocks may differ, and something deleted is still honoured: upstream's leeway.
const LEEWAY: i64 = 60;
/// How many verified tokens are remembered, at most twice.
const CACHE: usize = 8192;

/// An object that a token names: enough to tell whether it is still the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectState {
    /// Its UID.
    pub uid: String,
    /// When its deletion was asked for.
    pub deletion: Option<Timestamp>,
}

/// Where tokens find what they are bound to. The view answers, without waiting.
pub trait TokenSubjects: Send + Sync + 'static {
    /// The service account.
    fn service_account(&self, namespace: &str, name: &str) -> Option<ObjectState>;
    /// The pod.
    fn pod(&self, namespace: &str, name: &str) -> Option<ObjectState>;
    /// The secret.
    fn secret(&self, namespace: &str, name: &str) -> Option<ObjectState>;
    /// The node.
    fn node(&self, name: &str) -> Option<ObjectState>;
}

/// Who issues tokens, and for whom.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// The issuer written into tokens; others are accepted, too.
    pub issuers: Vec<String>,
    /// The audiences that this server answers to; a token that names none is for the first.
    pub audiences: Vec<String>,
}

/// Name and UID of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundObject {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its UID.
    #[serde(default)]
    pub uid: String,
}

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The audiences.
    #[serde(default, deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// When it expires, in seconds since 1970.
    #[serde(default)]
    pub exp: i64,
    /// When it was issued.
    #[serde(default)]
    pub iat: i64,
    /// The issuer.
    #[serde(default)]
    pub iss: String,
    /// The token's own id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jti: String,
    /// What it is about.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: Bound,
    /// From when on it is valid.
    #[serde(default)]
    pub nbf: i64,
    /// The user name.
    #[serde(default)]
    pub sub: String,
}

/// What a token is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The account's namespace.
    pub namespace: String,
    /// The node that it is bound to, or on which its pod is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<BoundObject>,
    /// The pod that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<BoundObject>,
    /// The secret that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<BoundObject>,
    /// The account.
    pub serviceaccount: BoundObject,
    /// From when on its use is noted: tokens whose life was extended for old clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnafter: Option<i64>,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::One(audience) => vec![audience],
        Audience::Many(audiences) => audiences,
    })
}

/// What a token is asked for (TokenRequest, checked by the caller).
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The account's namespace.
    pub namespace: String,
    /// The account.
    pub account: BoundObject,
    /// The audiences; none: this server.
    pub audiences: Vec<String>,
    /// For how many seconds.
    pub expiration_seconds: i64,
    /// The pod to bind to.
    pub pod: Option<BoundObject>,
    /// The node to bind to, or the pod's.
    pub node: Option<BoundObject>,
    /// The secret to bind to.
    pub secret: Option<BoundObject>,
    /// After how many seconds the use of an extended token is noted.
    pub warn_after_seconds: Option<i64>,
}

/// Why a token is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not one of ours.
    #[error(transparent)]
    Jwt(#[from] JwtError),
    /// Its claims are not those of a service account.
    #[error("claims cannot be read")]
    Claims,
    /// Somebody else issued it.
    #[error("token issuer {0:?} is invalid")]
    Issuer(String),
    /// Its time is over.
    #[error("service account token has expired")]
    Expired,
    /// Its time has not come.
    #[error("service account token is not valid yet")]
    NotYet,
    /// It is meant for others.
    #[error("token audiences {0:?} is invalid for the target audiences {1:?}")]
    Audience(Vec<String>, Vec<String>),
    /// What it is bound to is gone, or another of the same name.
    #[error("service account token has been invalidated: {0}")]
    Invalidated(&'static str),
}

/// Issues tokens.
#[derive(Clone)]
pub struct TokenIssuer {
    key: SigningKey,
    config: TokenConfig,
    env: Env,
}

impl TokenIssuer {
    /// An issuer that signs with `key`.
    pub fn new(key: SigningKey, config: TokenConfig, env: Env) -> TokenIssuer {
        TokenIssuer { key, config, env }
    }

    /// A token, and when it expires.
    pub fn issue(&self, request: &TokenRequest) -> Result<(String, Timestamp), KeyError> {
        let now = self.env.now().as_second();
        let audiences = if request.audiences.is_empty() {
            &self.config.audiences
        } else {
            &request.audiences
        };
        let exp = now.saturating_add(request.expiration_seconds);
        let claims = Claims {
            aud: audiences.clone(),
            exp,
            iat: now,
            iss: self.config.issuers.first().cloned().unwrap_or_default(),
            jti: self.env.uuid(),
            kubernetes: Bound {
                namespace: request.namespace.clone(),
                node: request.node.clone(),
                pod: request.pod.clone(),
                secret: request.secret.clone(),
                serviceaccount: request.account.clone(),
                warnafter: request.warn_after_seconds.map(|s| now.saturating_add(s)),
            },
            nbf: now,
            sub: service_account_user(&request.namespace, &request.account.name),
        };
        let expires = Timestamp::from_second(exp).unwrap_or(Timestamp::MAX);
        Ok((jwt::sign(&self.key, &claims)?, expires))
    }

    /// The keys that verify this issuer's tokens, as a JSON Web Key Set.
    pub fn jwks(&self) -> serde_json::Value {
        serde_json::json!({ "keys": [self.key.public().to_jwk()] })
    }
}

/// A token that was found good.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Whose it is.
    pub identity: SharedIdentity,
    /// Those of the requested audiences that it is for.
    pub audiences: Vec<String>,
}

/// A token whose signature was found good: that does not change, its claims are looked at each time.
#[derive(Clone)]
struct Verified {
    claims: Arc<Claims>,
    identity: SharedIdentity,
}

/// Remembers verified tokens by hash in two generations, so that it is bounded and forgets what is no longer used.
#[derive(Default)]
struct Cache {
    young: HashMap<[u8; 32], Verified>,
    old: HashMap<[u8; 32], Verified>,
}

impl Cache {
    fn get(&mut self, hash: &[u8; 32]) -> Option<Verified> {
        if let Some(found) = self.young.get(hash) {
            return Some(found.clone());
        }
        let found = self.old.remove(hash)?;
        self.insert(*hash, found.clone());
        Some(found)
    }

    fn insert(&mut self, hash: [u8; 32], verified: Verified) {
        if self.young.len() >= CACHE {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, verified);
    }
}

/// Verifies tokens.
pub struct TokenAuthenticator {
    keys: Vec<VerifyingKey>,
    config: TokenConfig,
    subjects: Arc<dyn TokenSubjects>,
    env: Env,
    cache: Mutex<Cache>,
}

impl TokenAuthenticator {
    /// An authenticator of tokens signed by one of `keys`.
    pub fn new(
        keys: Vec<VerifyingKey>,
        config: TokenConfig,
        subjects: Arc<dyn TokenSubjects>,
        env: Env,
    ) -> TokenAuthenticator {
        TokenAuthenticator {
            keys,
            config,
            subjects,
            env,
            cache: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.env.now()
    }

    /// Whose token it is; for this server, or (TokenReview) for one of `audiences`.
    pub fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<Authenticated, TokenError> {
        let verified = self.verified(token)?;
        let claims = &verified.claims;
        let now = self.env.now().as_second();
        if claims.exp != 0 && now - LEEWAY > claims.exp {
            return Err(TokenError::Expired);
        }
        if claims.nbf != 0 && now + LEEWAY < claims.nbf
            || claims.iat != 0 && now + LEEWAY < claims.iat
        {
            return Err(TokenError::NotYet);
        }
        let own = &self.config.audiences;
        let of_token = if claims.aud.is_empty() {
            own
        } else {
            &claims.aud
        };
        let wanted = if audiences.is_empty() {
            own.as_slice()
        } else {
            audiences
        };
        let matching: Vec<String> = of_token
            .iter()
            .filter(|a| wanted.contains(a))
            .cloned()
            .collect();
        if matching.is_empty() {
            return Err(TokenError::Audience(of_token.clone(), wanted.to_vec()));
        }
        self.check_bound(&claims.kubernetes, now)?;
        Ok(Authenticated {
            identity: verified.identity,
            audiences: matching,
        })
    }

    fn verified(&self, token: &str) -> Result<Verified, TokenError> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(found) = self.cache.lock().get(&hash) {
            return Ok(found);
        }
        let json = jwt::verify(token, &self.keys)?;
        let claims: Claims = serde_json::from_slice(&json).map_err(|_| TokenError::Claims)?;
        if !self.config.issuers.contains(&claims.iss) {
            return Err(TokenError::Issuer(claims.iss));
        }
        if claims.sub
            != service_account_user(
                &claims.kubernetes.namespace,
                &claims.kubernetes.serviceaccount.name,
            )
        {
            return Err(TokenError::Claims);
        }
        let verified = Verified {
            identity: Arc::new(identity(&claims)),
            claims: Arc::new(claims),
        };
        self.cache.lock().insert(hash, verified.clone());
        Ok(verified)
    }

    fn check_bound(&self, bound: &Bound, now: i64) -> Result<(), TokenError> {
        let namespace = &bound.namespace;
        let same = |found: Option<ObjectState>, wanted: &BoundObject, what| {
            let alive =
                |o: &ObjectState| o.deletion.is_none_or(|at| at.as_second() >= now - LEEWAY);
            match found.is_some_and(|o| o.uid == wanted.uid && alive(&o)) {
                true => Ok(()),
                false => Err(TokenError::Invalidated(what)),
            }
        };
        let account = &bound.serviceaccount;
        same(
            self.subjects.service_account(namespace, &account.name),
            account,
            "its service account is gone",
        )?;
        if let Some(secret) = &bound.secret {
            same(
                self.subjects.secret(namespace, &secret.name),
                secret,
                "its secret is gone",
            )?;
        }
        match (&bound.pod, &bound.node) {
            (Some(pod), _) => same(
                self.subjects.pod(namespace, &pod.name),
                pod,
                "its pod is gone",
            )?,
            (None, Some(node)) => same(self.subjects.node(&node.name), node, "its node is gone")?,
            (None, None) => {}
        }
        Ok(())
    }
}

fn identity(claims: &Claims) -> Identity {
    let bound = &claims.kubernetes;
    let mut identity = Identity {
        name: claims.sub.clone(),
        uid: bound.serviceaccount.uid.clone(),
        groups: service_account_groups(&bound.namespace).to_vec(),
        ..Identity::default()
    };
    identity.add_authenticated();
    let mut extra = |key: &str, value: &str| {
        identity.extra.insert(
            format!("authentication.kubernetes.io/{key}"),
            vec![value.to_owned()],
        );
    };
    if let Some(pod) = &bound.pod {
        extra("pod-name", &pod.name);
        extra("pod-uid", &pod.uid);
    }
    if let Some(node) = &bound.node {
        extra("node-name", &node.name);
        extra("node-uid", &node.uid);
    }
    if !claims.jti.is_empty() {
        identity.extra.insert(
            CREDENTIAL_ID.to_owned(),
            vec![format!("JTI={}", claims.jti)],
        );
    }
    identity
}

#[cfg(test)]
mod tests;
