use std::time::Instant;

use super::bootstrap::Policy;
use super::node::{Edges, Kind, NodeSink, Object};
use super::rbac::{PolicyChange, PolicySink, RoleRef, Subject};
use super::*;
use crate::identity::{NODES, SERVICE_ACCOUNTS, UNAUTHENTICATED};

fn cluster() -> Authorizer {
    let authorizer = Authorizer::default();
    Policy::builtin().feed(&mut *authorizer.rbac.write());
    authorizer
}

fn bind(authorizer: &Authorizer, namespace: &str, name: &str, role: RoleRef, subject: Subject) {
    authorizer.rbac.write().apply(PolicyChange::Binding {
        namespace: namespace.into(),
        name: name.into(),
        role,
        subjects: vec![subject],
    });
}

fn view() -> RoleRef {
    RoleRef::ClusterRole("view".into())
}

#[test]
fn the_table_is_whole() {
    let policy = Policy::builtin();
    let cluster = |namespace: &str| namespace.is_empty();
    assert_eq!(
        policy
            .roles
            .iter()
            .filter(|r| cluster(&r.namespace))
            .count(),
        73
    );
    assert_eq!(policy.roles.len(), 80);
    assert_eq!(
        policy
            .bindings
            .iter()
            .filter(|b| cluster(&b.namespace))
            .count(),
        54
    );
    assert_eq!(policy.bindings.len(), 61);
    assert!(policy.collected("admin").len() > policy.collected("view").len());
    assert_eq!(
        Policy::parse("ClusterRole a\n  get core pods")
            .unwrap_err()
            .line,
        2
    );
}

#[test]
fn components_have_their_rights_and_no_others() {
    let authorizer = cluster();
    let scheduler = Identity::user("system:kube-scheduler", []);
    let bob = Identity::user("bob", []);
    let anonymous = Identity::anonymous();
    let get = |path| Attributes {
        verb: "get",
        path,
        ..Attributes::default()
    };
    let table = [
        (
            &scheduler,
            Attributes::resource("list", "", "pods", "", ""),
            true,
        ),
        (
            &scheduler,
            Attributes {
                subresource: "binding",
                ..Attributes::resource("create", "", "pods", "d", "x")
            },
            true,
        ),
        (
            &scheduler,
            Attributes::resource("create", "", "pods", "d", ""),
            false,
        ),
        (
            &scheduler,
            Attributes::resource(
                "get",
                "",
                "configmaps",
                "kube-system",
                "extension-apiserver-authentication",
            ),
            true,
        ),
        (
            &scheduler,
            Attributes::resource("get", "", "configmaps", "kube-system", "other"),
            false,
        ),
        (
            &bob,
            Attributes::resource("list", "", "pods", "d", ""),
            false,
        ),
        (
            &bob,
            Attributes::resource(
                "create",
                "authorization.k8s.io",
                "selfsubjectaccessreviews",
                "",
                "",
            ),
            true,
        ),
        (&bob, get("/api"), true),
        (&bob, get("/metrics"), false),
        (&anonymous, get("/livez"), true),
        (&anonymous, get("/version"), true),
        (&anonymous, get("/api"), false),
        (
            &anonymous,
            Attributes::resource("list", "", "pods", "", ""),
            false,
        ),
    ];
    for (who, what, want) in table {
        assert_eq!(
            authorizer.authorize(who, &what).is_allowed(),
            want,
            "{} {what:?}",
            who.name
        );
    }
    let admin = Identity::user("anybody", [MASTERS]);
    assert!(authorizer.authorize(&admin, &get("/anything")).is_allowed());
    let loner = Identity {
        name: "bob".into(),
        groups: vec![UNAUTHENTICATED.into()],
        ..Identity::default()
    };
    assert!(!authorizer.authorize(&loner, &get("/api")).is_allowed());
}

#[test]
fn bindings_grant_in_their_namespace_and_are_explained() {
    let authorizer = cluster();
    let bob = Identity::user("bob", []);
    let (here, there) = (
        Attributes::resource("list", "", "pods", "here", ""),
        Attributes::resource("list", "", "pods", "there", ""),
    );
    bind(
        &authorizer,
        "here",
        "bob-views",
        view(),
        Subject::User("bob".into()),
    );
    assert_eq!(
        authorizer.authorize(&bob, &here),
        Decision::Allow("RBAC: allowed by RoleBinding \"bob-views/here\" of ClusterRole \"view\" to User \"bob\"".into())
    );
    assert!(!authorizer.authorize(&bob, &there).is_allowed());

    // A binding that changes its subjects, and one that goes.
    bind(
        &authorizer,
        "here",
        "bob-views",
        view(),
        Subject::User("eve".into()),
    );
    assert!(!authorizer.authorize(&bob, &here).is_allowed());
    let gone = PolicyChange::BindingGone {
        namespace: "here".into(),
        name: "bob-views".into(),
    };
    authorizer.rbac.write().apply(gone);
    assert!(
        !authorizer
            .authorize(&Identity::user("eve", []), &here)
            .is_allowed()
    );
}

#[test]
fn a_service_account_of_the_bindings_own_namespace_needs_no_namespace() {
    let authorizer = cluster();
    let account = Subject::ServiceAccount {
        namespace: String::new(),
        name: "robot".into(),
    };
    bind(&authorizer, "here", "robot", view(), account.clone());
    bind(&authorizer, "", "nobody", view(), account);
    let robot = Identity::user("system:serviceaccount:here:robot", [SERVICE_ACCOUNTS]);
    let allowed =
        |ns| authorizer.authorize(&robot, &Attributes::resource("list", "", "pods", ns, ""));
    assert_eq!(
        allowed("here").reason(),
        "RBAC: allowed by RoleBinding \"robot/here\" of ClusterRole \"view\" to ServiceAccount \"robot/here\""
    );
    assert!(!allowed("there").is_allowed());
}

#[test]
fn a_role_that_appears_later_grants_then() {
    let authorizer = Authorizer::default();
    let bob = Identity::user("bob", []);
    let what = Attributes::resource("get", "", "pods", "d", "x");
    bind(
        &authorizer,
        "d",
        "b",
        RoleRef::Role("r".into()),
        Subject::User("bob".into()),
    );
    assert!(!authorizer.authorize(&bob, &what).is_allowed());
    let rules = vec![Rule::resources(&["get"], &[""], &["pods"])];
    authorizer.rbac.write().apply(PolicyChange::Role {
        namespace: "d".into(),
        name: "r".into(),
        rules,
    });
    assert!(authorizer.authorize(&bob, &what).is_allowed());
    authorizer.rbac.write().apply(PolicyChange::RoleGone {
        namespace: "d".into(),
        name: "r".into(),
    });
    assert!(!authorizer.authorize(&bob, &what).is_allowed());
}

#[test]
fn nobody_grants_what_they_lack() {
    let authorizer = cluster();
    let bob = Identity::user("bob", []);
    bind(
        &authorizer,
        "d",
        "admin",
        RoleRef::ClusterRole("admin".into()),
        Subject::User("bob".into()),
    );
    let pods = |verbs: &[&str]| vec![Rule::resources(verbs, &[""], &["pods"])];
    assert_eq!(
        authorizer.may_write_role(&bob, "d", "r", &pods(&["get", "list"])),
        Ok(())
    );
    let error = authorizer
        .may_write_role(
            &bob,
            "d",
            "r",
            &[Rule::resources(&["get", "list"], &[""], &["pods", "nodes"])],
        )
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "user \"bob\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
         {APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\"]}"
    );
    assert!(
        authorizer
            .may_write_role(&bob, "other", "r", &pods(&["get"]))
            .is_err()
    );
    assert_eq!(authorizer.may_bind(&bob, "d", &view()), Ok(Some(())));
    assert!(
        authorizer
            .may_bind(&bob, "d", &RoleRef::ClusterRole("cluster-admin".into()))
            .is_err()
    );
    assert_eq!(
        authorizer.may_bind(&bob, "d", &RoleRef::Role("absent".into())),
        Ok(None)
    );
    // `escalate` and `bind` lift the check.
    let rules = vec![Rule::resources(
        &["escalate", "bind"],
        &["rbac.authorization.k8s.io"],
        &["*"],
    )];
    authorizer.rbac.write().apply(PolicyChange::Role {
        namespace: String::new(),
        name: "e".into(),
        rules,
    });
    bind(
        &authorizer,
        "",
        "e",
        RoleRef::ClusterRole("e".into()),
        Subject::User("bob".into()),
    );
    assert!(
        authorizer
            .may_write_role(&bob, "", "r", &[Rule::resources(&["*"], &["*"], &["*"])])
            .is_ok()
    );
    assert!(
        authorizer
            .may_bind(&bob, "", &RoleRef::ClusterRole("cluster-admin".into()))
            .is_ok()
    );
}

#[test]
fn rules_reviews_list_cluster_and_namespace() {
    let authorizer = cluster();
    bind(&authorizer, "d", "b", view(), Subject::User("bob".into()));
    let (rules, incomplete) = authorizer.rules_for(&Identity::user("bob", []), "d");
    assert!(
        rules
            .iter()
            .any(|r| r.allows(&Attributes::resource("list", "", "pods", "d", "")))
    );
    assert!(rules.iter().any(|r| !r.urls.is_empty()));
    assert_eq!(incomplete, None);
    let node = Identity::user("system:node:n1", [NODES]);
    assert_eq!(
        authorizer.rules_for(&node, "d").1,
        Some("node authorizer does not support user rule resolution")
    );
}

fn object(kind: Kind, name: &str) -> Object {
    let namespace = if kind == Kind::PersistentVolume {
        ""
    } else {
        "d"
    };
    (kind, namespace.into(), name.into())
}

#[test]
fn a_node_reads_what_its_pods_name_and_nothing_else() {
    let authorizer = cluster();
    let set = |object: Object, edges| authorizer.nodes.write().set_edges(object, edges);
    set(
        object(Kind::Pod, "p"),
        Edges {
            node: Some("n1".into()),
            names: vec![
                object(Kind::Secret, "s"),
                object(Kind::ConfigMap, "c"),
                object(Kind::ServiceAccount, "sa"),
                object(Kind::PersistentVolumeClaim, "pvc"),
            ],
            follows: None,
        },
    );
    let volume = Edges {
        node: None,
        names: vec![object(Kind::Secret, "driver")],
        follows: Some(object(Kind::PersistentVolumeClaim, "pvc")),
    };
    set(object(Kind::PersistentVolume, "pv"), volume);
    set(
        object(Kind::Pod, "q"),
        Edges {
            node: Some("n2".into()),
            names: vec![object(Kind::Secret, "t")],
            follows: None,
        },
    );

    let (n1, n2) = (
        Identity::user("system:node:n1", [NODES]),
        Identity::user("system:node:n2", [NODES]),
    );
    let get = |resource, name| Attributes::resource("get", "", resource, "d", name);
    let selecting = |selector| Attributes {
        field_selector: selector,
        ..Attributes::resource("list", "", "pods", "", "")
    };
    let token = |name| Attributes {
        subresource: "token",
        ..Attributes::resource("create", "", "serviceaccounts", "d", name)
    };
    let table = [
        (&n1, get("secrets", "s"), true),
        (&n2, get("secrets", "s"), false),
        (&n1, get("secrets", "t"), false),
        (
            &n1,
            Attributes::resource("list", "", "secrets", "d", ""),
            false,
        ),
        (
            &n1,
            Attributes::resource("watch", "", "secrets", "d", "s"),
            true,
        ),
        (
            &n1,
            Attributes::resource("delete", "", "secrets", "d", "s"),
            false,
        ),
        (&n1, get("configmaps", "c"), true),
        (&n1, get("persistentvolumeclaims", "pvc"), true),
        (
            &n1,
            Attributes::resource("get", "", "persistentvolumes", "", "pv"),
            true,
        ),
        (
            &n2,
            Attributes::resource("get", "", "persistentvolumes", "", "pv"),
            false,
        ),
        (&n1, get("secrets", "driver"), true),
        (&n2, get("secrets", "driver"), false),
        (&n1, token("sa"), true),
        (&n2, token("sa"), false),
        (&n1, get("pods", "p"), true),
        (&n2, get("pods", "p"), false),
        (&n1, selecting("spec.nodeName=n1"), true),
        (&n1, selecting("spec.nodeName=n2"), false),
        (&n1, selecting("spec.nodeName!=n1"), false),
        (&n1, selecting(""), false),
        (
            &n1,
            Attributes::resource("get", "", "nodes", "", "n1"),
            true,
        ),
        (
            &n1,
            Attributes::resource("get", "", "nodes", "", "n2"),
            false,
        ),
        (
            &n1,
            Attributes::resource(
                "update",
                "coordination.k8s.io",
                "leases",
                "kube-node-lease",
                "n1",
            ),
            true,
        ),
        (
            &n1,
            Attributes::resource(
                "update",
                "coordination.k8s.io",
                "leases",
                "kube-node-lease",
                "n2",
            ),
            false,
        ),
        (
            &n1,
            Attributes::resource(
                "update",
                "coordination.k8s.io",
                "leases",
                "kube-system",
                "n1",
            ),
            false,
        ),
        (
            &n1,
            Attributes::resource("list", "", "services", "", ""),
            true,
        ),
        (
            &n1,
            Attributes::resource("create", "", "events", "d", ""),
            true,
        ),
        (
            &n1,
            Attributes::resource("create", "apps", "deployments", "d", ""),
            false,
        ),
    ];
    for (who, what, want) in table {
        assert_eq!(
            authorizer.authorize(who, &what).is_allowed(),
            want,
            "{} {what:?}",
            who.name
        );
    }
    let refusal = authorizer.require(&n2, &get("secrets", "s")).unwrap_err();
    assert_eq!(
        refusal.message(),
        "secrets \"s\" is forbidden: User \"system:node:n2\" cannot get resource \"secrets\" in API group \"\" in the \
         namespace \"d\": node: no relationship found between node 'n2' and this object"
    );
    // The pod goes, and its rights with it.
    set(object(Kind::Pod, "p"), Edges::default());
    assert!(!authorizer.authorize(&n1, &get("secrets", "s")).is_allowed());
    assert!(
        !authorizer
            .authorize(&n1, &get("secrets", "driver"))
            .is_allowed()
    );
}

/// The budget is 5 µs for identity and authorization together, in a release build. A debug build on a loaded machine takes
/// many times as long: what is asserted is that a decision does not walk all bindings.
#[test]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn a_decision_does_not_walk_all_bindings() {
    let authorizer = cluster();
    let robot = Identity::user(
        "system:serviceaccount:kube-system:replicaset-controller",
        [SERVICE_ACCOUNTS],
    );
    let what = Attributes::resource("create", "", "pods", "d", "");
    let time = |rounds: u32| {
        let start = Instant::now();
        for _ in 0..rounds {
            assert!(authorizer.authorize(&robot, &what).is_allowed());
        }
        start.elapsed() / rounds
    };
    let few = (0..5).map(|_| time(2_000)).min().unwrap();
    for i in 0..20_000 {
        bind(
            &authorizer,
            "",
            &format!("b{i}"),
            view(),
            Subject::User(format!("u{i}")),
        );
    }
    let many = (0..5).map(|_| time(2_000)).min().unwrap();
    println!("a decision: {few:?} with the built-in bindings, {many:?} with 20,000 more");
    assert!(many < few * 5, "{few:?} grew to {many:?}");
}
