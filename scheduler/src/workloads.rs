//! Services and the controllers of pods: whose pods are counted together when a pod says nothing of how it is to be
//! spread. From them and a pod's spec its [`Template`] is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::labels::{Labels, Operator, Requirement, Selector};
use crate::plugins::{Constraint, Spread, Template};
use crate::pod::{InclusionPolicy, PodSpec, SpreadConstraint};
use crate::text::{Map, Text};

/// The kinds of controller whose selector counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OwnerKind {
    /// `v1`.
    ReplicationController,
    /// `apps/v1`.
    ReplicaSet,
    /// `apps/v1`.
    StatefulSet,
}

impl OwnerKind {
    /// The kind of an owner reference.
    pub fn of(api_version: &str, kind: &str) -> Option<OwnerKind> {
        match (api_version, kind) {
            ("v1", "ReplicationController") => Some(OwnerKind::ReplicationController),
            ("apps/v1", "ReplicaSet") => Some(OwnerKind::ReplicaSet),
            ("apps/v1", "StatefulSet") => Some(OwnerKind::StatefulSet),
            _ => None,
        }
    }
}

/// Templates remembered by spec; forgotten together when there are more.
const MOST_TEMPLATES: usize = 8192;

/// Upstream's constraints for pods that have none: hosts, then zones, both only preferred.
const DEFAULTS: [(&str, i32); 2] = [
    ("kubernetes.io/hostname", 3),
    ("topology.kubernetes.io/zone", 5),
];

/// Services and controllers, by namespace and name.
#[derive(Debug, Default)]
pub struct Workloads {
    services: Map<Text, BTreeMap<Text, Labels>>,
    owners: Map<(OwnerKind, Text, Text), Selector>,
    templates: Map<Arc<PodSpec>, Template>,
}

impl Workloads {
    /// A service with its selector; None when it has none or is gone.
    pub fn set_service(&mut self, namespace: Text, name: Text, selector: Option<Labels>) {
        let services = self.services.entry(namespace).or_default();
        let changed = match selector {
            Some(selector) => services.insert(name, selector.clone()).as_ref() != Some(&selector),
            None => services.remove(&name).is_some(),
        };
        if changed {
            self.templates.clear();
        }
    }

    /// A controller with its selector; None when it is gone.
    pub fn set_owner(
        &mut self,
        kind: OwnerKind,
        namespace: Text,
        name: Text,
        selector: Option<Selector>,
    ) {
        let key = (kind, namespace, name);
        let changed = match selector {
            Some(selector) => self.owners.insert(key, selector.clone()).as_ref() != Some(&selector),
            None => self.owners.remove(&key).is_some(),
        };
        if changed {
            self.templates.clear();
        }
    }

    /// The template of a pod.
    pub fn template(&mut self, spec: &Arc<PodSpec>) -> Template {
        if let Some(template) = self.templates.get(spec) {
            return template.clone();
        }
        let template = Template {
            needs: spec.needs.clone(),
            spread: Arc::new(self.spread(spec)),
        };
        if self.templates.len() >= MOST_TEMPLATES {
            self.templates.clear();
        }
        self.templates.insert(spec.clone(), template.clone());
        template
    }

    fn spread(&self, spec: &PodSpec) -> Spread {
        let constraints = |hard| -> Box<[Constraint]> {
            spec.spread
                .iter()
                .filter(|c| c.hard == hard)
                .map(|c| resolve(c, &spec.labels))
                .collect()
        };
        let (hard, soft, require_all) = if spec.spread.is_empty() {
            (Box::default(), self.defaults(spec), false)
        } else {
            (constraints(true), constraints(false), true)
        };
        if hard.is_empty() && soft.is_empty() {
            return Spread::default();
        }
        Spread {
            namespace: spec.namespace.clone(),
            hard,
            soft,
            require_all,
        }
    }

    fn defaults(&self, spec: &PodSpec) -> Box<[Constraint]> {
        let selector = self.default_selector(spec);
        if selector.is_empty() {
            return Box::default();
        }
        let constraint = |(key, max_skew): (&str, i32)| Constraint {
            max_skew,
            topology_key: key.into(),
            self_match: selector.matches(&spec.labels),
            selector: selector.clone(),
            min_domains: 1,
            node_affinity_policy: InclusionPolicy::Honor,
            node_taints_policy: InclusionPolicy::Ignore,
        };
        DEFAULTS.into_iter().map(constraint).collect()
    }

    /// The selectors of all services and of the controller that the pod belongs to, together.
    fn default_selector(&self, spec: &PodSpec) -> Selector {
        let mut selector = Selector::new(Vec::new());
        for labels in self
            .services
            .get(&spec.namespace)
            .iter()
            .flat_map(|services| services.values())
        {
            let of_service = Selector::of_labels(labels);
            if of_service.matches(&spec.labels) {
                selector = selector.and(&of_service);
            }
        }
        let owner = spec.owner.as_ref().and_then(|owner| {
            let kind = OwnerKind::of(&owner.api_version, &owner.kind)?;
            self.owners
                .get(&(kind, spec.namespace.clone(), owner.name.clone()))
        });
        match owner {
            Some(owner @ Selector::All(_)) => selector.and(owner),
            _ => selector,
        }
    }
}

fn resolve(constraint: &SpreadConstraint, labels: &Labels) -> Constraint {
    let own = constraint.match_label_keys.iter().filter_map(|key| {
        let value = labels.get(key)?.clone();
        Some(Requirement {
            key: key.clone(),
            operator: Operator::In([value].into()),
        })
    });
    let selector = constraint.selector.and(&Selector::new(own.collect()));
    Constraint {
        max_skew: constraint.max_skew,
        topology_key: constraint.topology_key.clone(),
        self_match: selector.matches(labels),
        selector,
        min_domains: constraint.min_domains,
        node_affinity_policy: constraint.node_affinity_policy,
        node_taints_policy: constraint.node_taints_policy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::{NeedsBuilder, Owner};

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    fn spec(
        own: &[(&str, &str)],
        owner: Option<&str>,
        spread: Vec<SpreadConstraint>,
    ) -> Arc<PodSpec> {
        let owner = owner.map(|name| Owner {
            api_version: "apps/v1".into(),
            kind: "ReplicaSet".into(),
            name: name.into(),
        });
        let needs = Arc::new(NeedsBuilder::default().build());
        Arc::new(PodSpec::new(
            "ns".into(),
            labels(own),
            owner,
            needs,
            spread,
            vec![],
        ))
    }

    #[test]
    fn pods_of_services_and_controllers_are_spread_by_default() {
        let mut workloads = Workloads::default();
        let pod = spec(&[("app", "a"), ("hash", "1")], Some("rs"), vec![]);
        assert_eq!(
            *workloads.template(&pod).spread,
            Spread::default(),
            "nothing says what is counted together"
        );

        workloads.set_service("ns".into(), "a".into(), Some(labels(&[("app", "a")])));
        workloads.set_service("ns".into(), "b".into(), Some(labels(&[("app", "b")])));
        workloads.set_service("other".into(), "c".into(), Some(labels(&[("hash", "1")])));
        let spread = workloads.template(&pod).spread;
        assert!(spread.hard.is_empty() && !spread.require_all);
        assert_eq!(
            spread.soft.iter().map(|c| c.max_skew).collect::<Vec<_>>(),
            [3, 5]
        );
        assert_eq!(
            spread.soft[0].selector,
            Selector::of_labels(&labels(&[("app", "a")]))
        );

        let of_owner = Selector::of_labels(&labels(&[("hash", "1")]));
        workloads.set_owner(
            OwnerKind::ReplicaSet,
            "ns".into(),
            "rs".into(),
            Some(of_owner),
        );
        let spread = workloads.template(&pod).spread;
        assert_eq!(
            spread.soft[1].selector,
            Selector::of_labels(&labels(&[("app", "a"), ("hash", "1")]))
        );

        workloads.set_service("ns".into(), "a".into(), None);
        workloads.set_owner(OwnerKind::ReplicaSet, "ns".into(), "rs".into(), None);
        assert_eq!(*workloads.template(&pod).spread, Spread::default());
    }

    #[test]
    fn explicit_constraints_replace_the_defaults_and_take_the_pods_own_labels_in() {
        let mut workloads = Workloads::default();
        workloads.set_service("ns".into(), "a".into(), Some(labels(&[("app", "a")])));
        let constraint = SpreadConstraint {
            max_skew: 1,
            topology_key: "zone".into(),
            hard: true,
            selector: Selector::of_labels(&labels(&[("app", "a")])),
            min_domains: 1,
            node_affinity_policy: InclusionPolicy::Honor,
            node_taints_policy: InclusionPolicy::Ignore,
            match_label_keys: ["hash".into(), "absent".into()].into(),
        };
        let spread = workloads
            .template(&spec(
                &[("app", "a"), ("hash", "1")],
                None,
                vec![constraint],
            ))
            .spread;
        assert!(spread.soft.is_empty() && spread.require_all);
        assert_eq!(
            spread.hard[0].selector,
            Selector::of_labels(&labels(&[("app", "a"), ("hash", "1")]))
        );
        assert!(spread.hard[0].self_match);
    }

    #[test]
    fn pods_without_constraints_share_a_template_across_namespaces() {
        let mut workloads = Workloads::default();
        let needs = Arc::new(NeedsBuilder::default().build());
        let of = |ns: &str| {
            Arc::new(PodSpec::new(
                ns.into(),
                Labels::default(),
                None,
                needs.clone(),
                vec![],
                vec![],
            ))
        };
        assert_eq!(workloads.template(&of("a")), workloads.template(&of("b")));
    }
}
