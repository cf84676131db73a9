//! Services: only a load balancer has the status of one. What is allocated to them is `services`'.

use api::Tree;
use api::core::v1::{Service, ServiceMut};

use super::Rules;

/// See the module.
pub struct Services;

impl Rules for Services {
    fn prepare_update(&self, new: &mut Tree, _: &Tree) {
        let service = Service::of(new);
        if service.spec().type_() != "LoadBalancer"
            && service
                .status()
                .load_balancer()
                .ingress()
                .iter()
                .next()
                .is_some()
        {
            ServiceMut::of(new).status_mut().remove_load_balancer();
        }
    }
}
