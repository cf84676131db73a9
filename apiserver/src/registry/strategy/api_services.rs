//! APIServices: one that this server itself serves is available from the beginning.

use api::Time;
use api::Tree;
use api::apiregistration::v1::{APIService, APIServiceMut};

use super::Rules;

/// See the module.
pub struct Services;

impl Rules for Services {
    fn prepare_create(&self, new: &mut Tree, now: i64) {
        if APIService::of(new).spec().service().is_some() {
            return;
        }
        let mut service = APIServiceMut::of(new);
        let mut status = service.status_mut();
        let mut condition = status.push_conditions();
        condition.set_type("Available");
        condition.set_status("True");
        condition.set_reason("Local");
        condition.set_message("Local APIServices are always available");
        if let Some(now) = Time::from_seconds(now) {
            condition.set_last_transition_time(now);
        }
    }
}
