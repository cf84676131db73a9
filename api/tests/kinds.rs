//! The table of resources: lookups, and that every kind in it has a schema.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use api::kinds::{Kinds, Verb};
use api::schema::Schema;

#[test]
fn resources_are_found_by_path_and_by_kind() {
    let kinds = Kinds::builtin();
    let pods = kinds.by_resource("", "v1", "pods").unwrap();
    assert_eq!(
        (pods.kind.as_str(), pods.singular.as_str(), pods.namespaced),
        ("Pod", "pod", true)
    );
    assert_eq!(
        (pods.short_names.as_slice(), pods.categories.as_slice()),
        (&["po".to_owned()][..], &["all".to_owned()][..])
    );
    assert_eq!(pods.verbs.iter().count(), 8);
    assert_eq!(pods.api_version(), "v1");
    assert!(std::ptr::eq(pods, kinds.by_kind("", "v1", "Pod").unwrap()));
    assert!(kinds.by_resource("apps", "v1", "pods").is_none());
    assert!(
        !kinds
            .by_resource("", "v1", "namespaces")
            .unwrap()
            .verbs
            .contains(Verb::DeleteCollection)
    );
}

#[test]
fn every_version_and_list_has_its_message_type() {
    let schema = Schema::builtin();
    for r in Kinds::builtin().resources() {
        let kind = schema.ty(r.type_id).kind.as_ref().unwrap();
        assert_eq!(
            (&kind.group, &kind.version, &kind.kind),
            (&r.group, &r.version, &r.kind)
        );
        assert_eq!(
            r.list_type_id.is_some(),
            r.verbs.contains(Verb::List),
            "{}",
            r.name
        );
        assert_eq!(
            r.storage.is_some(),
            r.verbs.contains(Verb::Watch),
            "{}: what can be watched is stored",
            r.name
        );
    }
}

#[test]
fn storage_differs_from_the_path_where_upstreams_does() {
    let prefix = |group, version, name| {
        let storage = Kinds::builtin()
            .by_resource(group, version, name)
            .unwrap()
            .storage
            .clone()
            .unwrap();
        (storage.prefix, storage.group, storage.version)
    };
    let expect = |prefix: &str, group: &str, version: &str| {
        (prefix.to_owned(), group.to_owned(), version.to_owned())
    };
    assert_eq!(prefix("", "v1", "nodes"), expect("minions", "", "v1"));
    assert_eq!(
        prefix("", "v1", "services"),
        expect("services/specs", "", "v1")
    );
    assert_eq!(
        prefix("", "v1", "endpoints"),
        expect("services/endpoints", "", "v1")
    );
    assert_eq!(
        prefix("", "v1", "replicationcontrollers"),
        expect("controllers", "", "v1")
    );
    assert_eq!(
        prefix("networking.k8s.io", "v1", "ingresses"),
        expect("ingress", "networking.k8s.io", "v1")
    );
    assert_eq!(
        prefix("events.k8s.io", "v1", "events"),
        expect("events", "", "v1")
    );
    assert_eq!(
        prefix("autoscaling", "v1", "horizontalpodautoscalers").2,
        "v2"
    );
    assert_eq!(
        prefix("apiextensions.k8s.io", "v1", "customresourcedefinitions").2,
        "v1beta1"
    );
}

#[test]
fn the_preferred_version_comes_first() {
    let kinds = Kinds::builtin();
    assert_eq!(
        kinds
            .preferred("autoscaling", "horizontalpodautoscalers")
            .unwrap()
            .version,
        "v2"
    );
    assert_eq!(kinds.groups()[0].name, "");
    assert_eq!(kinds.group("autoscaling").unwrap().versions, ["v2", "v1"]);
    assert_eq!(kinds.of_version("apps", "v1").count(), 5);
}

#[test]
fn subresources_carry_kinds_of_other_groups() {
    let kinds = Kinds::builtin();
    let kind = |group, resource, sub| {
        let kind = &kinds
            .by_resource(group, "v1", resource)
            .unwrap()
            .subresource(sub)
            .unwrap()
            .kind;
        format!("{}/{}/{}", kind.group, kind.version, kind.kind)
    };
    assert_eq!(kind("apps", "deployments", "scale"), "autoscaling/v1/Scale");
    assert_eq!(kind("", "pods", "eviction"), "policy/v1/Eviction");
    assert_eq!(
        kind("", "serviceaccounts", "token"),
        "authentication.k8s.io/v1/TokenRequest"
    );
    assert_eq!(kind("", "pods", "status"), "/v1/Pod");
}

#[test]
fn tables_have_upstreams_columns() {
    let columns = |group, resource| {
        &Kinds::builtin()
            .by_resource(group, "v1", resource)
            .unwrap()
            .columns
    };
    let shown: Vec<&str> = columns("", "pods")
        .iter()
        .filter(|c| c.priority == 0)
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(shown, ["Name", "Ready", "Status", "Restarts", "Age"]);
    assert_eq!(
        (
            columns("", "pods")[0].kind.as_str(),
            columns("", "pods")[0].format.as_str()
        ),
        ("string", "name")
    );
    for r in Kinds::builtin().resources() {
        assert_eq!(
            r.columns.is_empty(),
            !r.verbs.contains(Verb::List),
            "{}",
            r.name
        );
    }
}

#[test]
fn a_malformed_table_is_refused_with_its_line() {
    let parse = |table: &str| Kinds::parse(table, Schema::builtin()).unwrap_err();
    assert_eq!(parse("# head\nnonsense").line, 2);
    assert_eq!(
        parse("resource /v1/pods Poddy pod namespaced verbs=get").line,
        1
    );
    assert!(
        parse("resource /v1/pods Pod pod everywhere")
            .what
            .contains("everywhere")
    );
    assert!(
        parse("resource /v1/pods Pod pod cluster verbs=fly")
            .what
            .contains("fly")
    );
    assert!(
        parse("sub status /v1/Pod verbs=get")
            .what
            .contains("before any resource")
    );
}
