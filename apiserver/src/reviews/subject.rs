//! SelfSubjectReview: who is calling, as the server sees it (KEP-3325).

use api::Tree;
use api::authentication::v1::{SelfSubjectReviewMut, UserInfoMut};

use super::{Review, empty};
use crate::identity::Identity;
use crate::registry::{Api, Call, meta};
use crate::status::Status;

pub(super) struct SelfSubjectReviews;

impl Review for SelfSubjectReviews {
    fn answer(&self, api: &Api, call: &Call<'_>, _: Tree) -> Result<Tree, Status> {
        let mut review = empty(call);
        meta::of_mut(&mut review).set_time("creationTimestamp", api.env.now().as_second());
        let mut view = SelfSubjectReviewMut::of(&mut review);
        describe(&call.cx.identity, &mut view.status_mut().user_info_mut());
        Ok(review)
    }
}

/// Writes down who somebody is.
pub(super) fn describe(identity: &Identity, user: &mut UserInfoMut<'_>) {
    user.set_username(&identity.name);
    if !identity.uid.is_empty() {
        user.set_uid(&identity.uid);
    }
    for group in &identity.groups {
        user.push_groups(group);
    }
    for (key, values) in &identity.extra {
        meta::ensure(&mut user.untyped(), "extra", |extra| {
            let mut list = extra.entry(key);
            for value in values {
                list.push(value.as_str());
            }
        });
    }
}
