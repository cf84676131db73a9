//! SelfSubjectRulesReview: all that the caller may do in a namespace, as far as it can be listed.

use std::sync::Arc;

use api::Tree;
use api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewMut};

use super::{Review, empty};
use crate::registry::{Api, Call, meta};
use crate::status::Status;

pub(super) struct SelfSubjectRulesReviews;

impl Review for SelfSubjectRulesReviews {
    fn answer(&self, api: &Api, call: &Call<'_>, asked: Tree) -> Result<Tree, Status> {
        let namespace = SelfSubjectRulesReview::of(&asked).spec().namespace();
        if namespace.is_empty() {
            return Err(Status::bad_request("no namespace on request"));
        }
        let (rules, incomplete) = api.authorizer.rules_for(&call.cx.identity, namespace);
        let mut review = empty(call);
        // Both lists are there even when nothing is in them.
        meta::ensure(&mut review.root_mut(), "status", |status| {
            meta::ensure(status, "resourceRules", |_| {});
            meta::ensure(status, "nonResourceRules", |_| {});
        });
        let mut view = SelfSubjectRulesReviewMut::of(&mut review);
        let mut status = view.status_mut();
        status.set_incomplete(incomplete.is_some());
        if let Some(why) = incomplete {
            status.set_evaluation_error(why);
        }
        let each =
            |list: &[Arc<str>], push: &mut dyn FnMut(&str)| list.iter().for_each(|item| push(item));
        for rule in rules.iter().filter(|rule| !rule.resources.is_empty()) {
            let mut out = status.push_resource_rules();
            each(&rule.verbs, &mut |verb| out.push_verbs(verb));
            each(&rule.groups, &mut |group| out.push_api_groups(group));
            each(&rule.resources, &mut |resource| {
                out.push_resources(resource)
            });
            each(&rule.names, &mut |name| out.push_resource_names(name));
        }
        for rule in rules.iter().filter(|rule| !rule.urls.is_empty()) {
            let mut out = status.push_non_resource_rules();
            each(&rule.verbs, &mut |verb| out.push_verbs(verb));
            each(&rule.urls, &mut |url| out.push_non_resource_urls(url));
        }
        Ok(review)
    }
}
