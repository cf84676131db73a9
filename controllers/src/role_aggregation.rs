//! ClusterRoles that are made of others: `aggregationRule` selects by label whose rules a role has.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles>

use api::{Tree, codec::json, rbac::v1::ClusterRole};
use runtime::{
    Context, Controller, Informer, Informers, Key, Next, Patch, Projection, ReconcileError,
    Resource, Wiring, client::WriteOptions,
};
use serde_json::{Value, json};

use crate::object::{Texts, selector::Selector, texts};

/// A role, as this controller sees it.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    labels: Texts,
    /// Whose rules it has; none if it has its own.
    selectors: Option<Vec<Selector>>,
    rules: Vec<Value>,
}

impl Projection for Role {
    fn project(object: &Tree) -> Self {
        let role = ClusterRole::of(object);
        let selectors = role.aggregation_rule().map(|rule| {
            let selectors = rule.cluster_role_selectors();
            selectors.iter().map(Selector::read).collect()
        });
        let rules = object.root().get("rules").map(|rules| {
            let bytes = json::to_vec(&Tree::copy_of(rules));
            // The encoder writes JSON; a role that cannot be read back has no rules to give.
            serde_json::from_slice(&bytes).unwrap_or_default()
        });
        Role {
            labels: texts(role.metadata().labels()),
            selectors,
            rules: rules.unwrap_or_default(),
        }
    }
}

/// The rules of those that are selected, selector by selector and in the order of their names, each once.
fn aggregate<'a>(
    selectors: &[Selector],
    others: impl Iterator<Item = &'a Role> + Clone,
) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for selector in selectors {
        for role in others.clone().filter(|role| selector.matches(&role.labels)) {
            for rule in &role.rules {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    rules
}

/// The controller. Its keys are roles; each change of one is looked at by all that are made of others.
pub struct RoleAggregation {
    roles: Informer<Role>,
}

impl RoleAggregation {
    /// The controller, reading from the given informers.
    pub fn new(informers: &Informers) -> Self {
        let roles: Informer<Role> = informers.informer(&Resource::of(ClusterRole::TYPE));
        roles.add_index(AGGREGATED, |role| match role.value.selectors {
            Some(_) => vec![String::new()],
            None => Vec::new(),
        });
        RoleAggregation { roles }
    }
}

/// The index of the roles that are made of others.
const AGGREGATED: &str = "aggregated";

impl Controller for RoleAggregation {
    const NAME: &'static str = "clusterrole-aggregation-controller";

    fn wire(&self, wiring: &mut Wiring<'_>) {
        let roles = self.roles.clone();
        wiring.watch(&self.roles, move |change, queue| {
            queue.add(change.latest().key.clone());
            for role in roles.by_index(AGGREGATED, "") {
                queue.add(role.key.clone());
            }
        });
    }

    async fn reconcile(&self, cx: &Context, key: &Key) -> Result<Next, ReconcileError> {
        let Some(role) = self.roles.get(key) else {
            return Ok(Next::Done);
        };
        let Some(selectors) = &role.value.selectors else {
            return Ok(Next::Done);
        };
        // In the order of their names.
        let all = self.roles.list();
        let others = all.iter().filter(|other| other.key != *key);
        let rules = aggregate(selectors, others.map(|other| &other.value));
        if rules == role.value.rules {
            return Ok(Next::Done);
        }
        let wanted = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": key.name() }, "rules": rules,
        });
        let options = WriteOptions {
            field_manager: Self::NAME.to_owned(),
            force: true,
            ..Default::default()
        };
        let patch = Patch::Apply(wanted);
        let written = cx
            .client
            .patch(self.roles.resource(), key, &patch, &options);
        written.await?;
        Ok(Next::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::codec::json::Strict;

    fn role(json: Value) -> Role {
        let bytes = json.to_string().into_bytes();
        let tree = json::decode(
            api::Schema::builtin(),
            ClusterRole::TYPE,
            bytes,
            &mut Strict::new(),
        );
        Role::project(&tree.expect("a role"))
    }

    #[test]
    fn rules_come_selector_by_selector_and_each_once() {
        let rule =
            |verb: &str| json!({ "verbs": [verb], "apiGroups": [""], "resources": ["pods"] });
        let others = [
            role(
                json!({ "metadata": { "name": "a", "labels": { "x": "1", "y": "1" } }, "rules": [rule("get"), rule("list")] }),
            ),
            role(
                json!({ "metadata": { "name": "b", "labels": { "x": "1" } }, "rules": [rule("watch"), rule("get")] }),
            ),
            role(json!({ "metadata": { "name": "c" }, "rules": [rule("delete")] })),
        ];
        let aggregated = role(json!({ "aggregationRule": { "clusterRoleSelectors": [
            { "matchLabels": { "y": "1" } }, { "matchLabels": { "x": "1" } },
        ] } }));
        let rules = aggregate(&aggregated.selectors.unwrap(), others.iter());
        assert_eq!(rules, [rule("get"), rule("list"), rule("watch")]);
    }
}
