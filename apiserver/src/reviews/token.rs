//! TokenReview: whose token is it? Asked by whoever authenticates its callers by the cluster's tokens (the kubelet, webhooks).

use std::sync::Arc;

use api::Tree;
use api::authentication::v1::{TokenReview, TokenReviewMut};

use super::Review;
use super::subject::describe;
use crate::authn::{Authenticator, TokenError};
use crate::registry::{Api, Call, meta};
use crate::status::Status;

pub(super) struct TokenReviews {
    authenticator: Arc<Authenticator>,
}

impl TokenReviews {
    pub(super) fn new(authenticator: Arc<Authenticator>) -> TokenReviews {
        TokenReviews { authenticator }
    }
}

impl Review for TokenReviews {
    fn answer(&self, _: &Api, _: &Call<'_>, mut review: Tree) -> Result<Tree, Status> {
        let spec = TokenReview::of(&review).spec();
        if spec.token().is_empty() {
            return Err(Status::bad_request(
                "token is required for TokenReview in authentication",
            ));
        }
        let audiences: Vec<String> = spec.audiences().iter().map(str::to_owned).collect();
        let found = self
            .authenticator
            .tokens()
            .authenticate(spec.token(), &audiences);
        meta::remove(&mut review.root_mut(), "status");
        let mut view = TokenReviewMut::of(&mut review);
        let mut status = view.status_mut();
        match found {
            Ok(found) => {
                status.set_authenticated(true);
                describe(&found.identity, &mut status.user_mut());
                for audience in &found.audiences {
                    status.push_audiences(audience);
                }
            }
            Err(error) => status.set_error(&words(&error)),
        }
        Ok(review)
    }
}

/// Why a token is refused. What is not a token of this cluster is told no more than that.
fn words(error: &TokenError) -> String {
    let why = match error {
        TokenError::Jwt(_) | TokenError::Claims | TokenError::Issuer(_) => {
            return "invalid bearer token".to_owned();
        }
        TokenError::Expired => "service account token has expired".to_owned(),
        TokenError::NotYet => "service account token is not valid yet".to_owned(),
        TokenError::Invalidated(_) => "service account token has been invalidated".to_owned(),
        TokenError::Audience(of_token, wanted) => {
            let list = |all: &[String]| {
                all.iter()
                    .map(|a| api::field::quote(a))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            format!(
                "token audiences [{}] is invalid for the target audiences [{}]",
                list(of_token),
                list(wanted)
            )
        }
    };
    format!("[invalid bearer token, {why}]")
}
