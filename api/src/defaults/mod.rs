//! Defaults: what an object means where its author said nothing.
//!
//! A rule belongs to a message type, wherever in an object the type occurs: the rule of `Container` serves pods and every
//! workload's template. [`apply`] walks the object from the outside in, runs each message's rule, then fills in the defaults that
//! the schema table itself declares. So a new kind needs rules for its own types alone, and no dispatch is written anywhere.
//!
//! Upstream also reshapes a few objects where it converts them to its internal version and back (a Secret's `stringData`, a
//! Node's `podCIDR`); those rules stand here beside the others. Values that depend on anything but the object (cluster IPs,
//! generation, the phase of a new object, a Job's selector) are the API server's, not defaults.
//!
//! Rules are pure, and applying them twice changes nothing. Facts: upstream's `pkg/apis/*/v*/defaults.go`.

mod admission;
mod apps;
mod autoscaling;
mod batch;
mod cluster;
mod container;
mod custom;
mod device;
mod flowcontrol;
mod gated;
mod image;
mod networking;
mod plan;
mod pod;
mod pod_level;
mod service;
mod storage;
mod volume;

pub use apps::DEPRECATED_TEMPLATE_GENERATION;
pub(crate) use pod_level::is_supported as is_of_pods;
pub use pod_level::pod_level_resources;

use crate::Time;
use crate::schema::TypeId;
use crate::tree::{RefMut, Tree};
use plan::Plan;

/// A message type and what fills it in.
type Rule = (TypeId, fn(RefMut<'_>));

/// `rules![Pod => pod, …]`: the rule of each message type, a function of its view for writing.
macro_rules! rules {
    ($($view:ident => $rule:expr),* $(,)?) => {
        &[$(($view::TYPE, |node| {
            $rule(<$view<'_> as $crate::view::View<'_>>::Mut::from(node));
        })),*]
    };
}
use rules;

/// Every rule there is.
const RULES: &[&[Rule]] = &[
    admission::RULES,
    apps::RULES,
    autoscaling::RULES,
    batch::RULES,
    cluster::RULES,
    container::RULES,
    custom::RULES,
    device::RULES,
    flowcontrol::RULES,
    networking::RULES,
    pod::RULES,
    service::RULES,
    storage::RULES,
    volume::RULES,
];

/// Fills in what an object of a built-in kind leaves out. A tree of any other schema stays as it is: a custom resource's
/// defaults come from its own definition.
pub fn apply(tree: &mut Tree) {
    if let Some(plan) = Plan::defaults(tree) {
        plan.apply(tree.root_mut());
        autoscaling::settle(tree);
    }
}

/// Takes out the fields that belong to features which v1.37 has off by default, as upstream does before it validates; but for
/// those of features that the stored object `old` uses already (a server with the feature on has written it).
pub fn drop_disabled(tree: &mut Tree, old: Option<&Tree>) {
    if !plan::is_builtin(tree) {
        return;
    }
    let used = gated::used(tree.root());
    if used == 0 {
        return;
    }
    let kept = old.map_or(0, |old| gated::used(old.root()));
    gated::remove(tree.root_mut(), used & !kept);
}

/// Sets the times that default to the present: when a device's taint was added (resource.k8s.io). Other kinds stay untouched.
pub fn stamp(tree: &mut Tree, now: Time) {
    device::stamp(tree, now);
}
