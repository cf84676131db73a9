//! Roles and bindings that an earlier release made get what this one's have more: nothing is taken away, and nothing done where
//! the annotation says `false` (upstream: `k8s.io/component-helpers/auth/rbac/reconciliation`, with extra permissions left).

use serde_json::{Map, Value, json};

use crate::authz::Rule;
use crate::authz::bootstrap::AUTOUPDATE;

/// `stored` with what `wanted` has and it lacks; `None` if it lacks nothing, or people look after it themselves.
pub(super) fn completed(stored: &Value, wanted: &Value) -> Option<Value> {
    if stored["metadata"]["annotations"][AUTOUPDATE.0] == "false" {
        return None;
    }
    let mut new = stored.clone();
    let mut changed = false;
    for field in ["labels", "annotations"] {
        for (key, value) in entries(&wanted["metadata"][field]) {
            if stored["metadata"][field].get(key).is_none() {
                new["metadata"][field][key] = value.clone();
                changed = true;
            }
        }
    }
    let selectors = |role: &Value| items(&role["aggregationRule"]["clusterRoleSelectors"]).to_vec();
    let had = selectors(stored);
    let mut lists = vec![(
        "/aggregationRule/clusterRoleSelectors",
        lacking(selectors(wanted), |selector| had.contains(selector)),
    )];
    if wanted.get("aggregationRule").is_none() {
        // The rules of those that collect others' are written by a controller.
        let own: Vec<Rule> = items(&stored["rules"]).iter().map(rule).collect();
        let covered = |wanted: &Value| {
            let atoms = rule(wanted).atoms();
            atoms
                .iter()
                .all(|atom| own.iter().any(|own| own.covers(atom)))
        };
        lists.push(("/rules", lacking(items(&wanted["rules"]).to_vec(), covered)));
    }
    let had: Vec<Value> = items(&stored["subjects"]).iter().map(subject).collect();
    let there = |wanted: &Value| had.contains(&subject(wanted));
    lists.push((
        "/subjects",
        lacking(items(&wanted["subjects"]).to_vec(), there),
    ));
    for (at, missing) in lists {
        if missing.is_empty() {
            continue;
        }
        changed = true;
        match new.pointer_mut(at).and_then(Value::as_array_mut) {
            Some(list) => list.extend(missing),
            None if at == "/rules" || at == "/subjects" => new[&at[1..]] = missing.into(),
            None => new["aggregationRule"] = json!({ "clusterRoleSelectors": missing }),
        }
    }
    changed.then_some(new)
}

fn lacking(wanted: Vec<Value>, there: impl Fn(&Value) -> bool) -> Vec<Value> {
    wanted.into_iter().filter(|one| !there(one)).collect()
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flat_map(Map::iter)
}

fn rule(rule: &Value) -> Rule {
    let list = |field: &str| {
        let texts = items(&rule[field]).iter().filter_map(Value::as_str);
        texts.map(Into::into).collect()
    };
    Rule {
        verbs: list("verbs"),
        groups: list("apiGroups"),
        resources: list("resources"),
        names: list("resourceNames"),
        urls: list("nonResourceURLs"),
    }
}

/// Whom it means: the group of the API is filled in by defaults.
fn subject(subject: &Value) -> Value {
    json!([subject["kind"], subject["namespace"], subject["name"]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(rules: Value) -> Value {
        json!({ "metadata": { "name": "system:x", "annotations": { AUTOUPDATE.0: "true" } }, "rules": rules })
    }

    #[test]
    fn what_a_role_lacks_is_added_and_what_people_added_stays() {
        let pods = json!({ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"] });
        let nodes = json!({ "verbs": ["get"], "apiGroups": [""], "resources": ["nodes"] });
        let wider = json!({ "verbs": ["*"], "apiGroups": [""], "resources": ["pods"] });
        let own =
            json!({ "verbs": ["watch"], "apiGroups": ["apps"], "resources": ["deployments"] });

        let stored = role(json!([own, pods]));
        assert_eq!(completed(&stored, &role(json!([pods]))), None);
        assert_eq!(completed(&role(json!([wider])), &role(json!([pods]))), None);
        let new = completed(&stored, &role(json!([pods, nodes]))).unwrap();
        assert_eq!(new["rules"], json!([own, pods, nodes]));
        let new = completed(&role(Value::Null), &role(json!([pods]))).unwrap();
        assert_eq!(new["rules"], json!([pods]));

        let mut theirs = role(json!([]));
        theirs["metadata"]["annotations"][AUTOUPDATE.0] = "false".into();
        assert_eq!(completed(&theirs, &role(json!([pods]))), None);
    }

    #[test]
    fn labels_selectors_and_subjects_are_added_too() {
        let group = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:nodes" });
        let user = json!({ "kind": "User", "name": "joe" });
        let stored = json!({ "metadata": { "name": "b" }, "subjects": [user] });
        let wanted =
            json!({ "metadata": { "name": "b", "labels": { "l": "v" } }, "subjects": [group] });
        let new = completed(&stored, &wanted).unwrap();
        assert_eq!(new["subjects"], json!([user, group]));
        assert_eq!(new["metadata"]["labels"], json!({ "l": "v" }));
        assert_eq!(completed(&new, &wanted), None);

        let selector = |to: &str| json!({ "matchLabels": { to: "true" } });
        let collecting = |selectors: Value| json!({ "aggregationRule": { "clusterRoleSelectors": selectors }, "rules": [] });
        let stored = collecting(json!([selector("a")]));
        let mut wanted = collecting(json!([selector("a"), selector("b")]));
        wanted["rules"] = json!([{ "verbs": ["get"], "apiGroups": [""], "resources": ["pods"] }]);
        let new = completed(&stored, &wanted).unwrap();
        assert_eq!(new, collecting(json!([selector("a"), selector("b")])));
    }
}
