//! Impersonation: a request made in another's name (headers `Impersonate-User`, `-Group`, `-Uid`, `-Extra-…`).
//!
//! Since v1.37 upstream knows it in modes (KEP-5284): the caller may impersonate a kind of user for one verb
//! (`impersonate-on:MODE:VERB`, together with `impersonate:MODE` on the user), or, as ever, anybody in everything
//! (`impersonate`). The narrow modes are tried first; the first refusal is the one that is told.

use api::field::quote;
use http::HeaderMap;

use crate::authz::{Attributes, Authorizer};
use crate::identity::{
    ANONYMOUS, Identity, NODE_PREFIX, NODES, UNAUTHENTICATED, service_account_groups,
    split_service_account,
};
use crate::status::Status;

const GROUP: &str = "authentication.k8s.io";
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// Whom the headers ask to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted(Identity);

impl Wanted {
    /// Reads the headers; `None` if no impersonation is asked for.
    pub fn read(headers: &HeaderMap) -> Result<Option<Wanted>, Status> {
        let first = |name| {
            headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let mut wanted = Identity {
            name: first("impersonate-user"),
            uid: first("impersonate-uid"),
            ..Identity::default()
        };
        wanted.groups = headers
            .get_all("impersonate-group")
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            .collect();
        for (name, value) in headers {
            if let Some(key) = name.as_str().strip_prefix(EXTRA_PREFIX) {
                let key = crate::request::unescape_path(key).unwrap_or_else(|| key.to_owned());
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                wanted.extra.entry(key).or_default().push(value);
            }
        }
        if !wanted.name.is_empty() {
            return Ok(Some(Wanted(wanted)));
        }
        if wanted == Identity::default() {
            return Ok(None);
        }
        Err(Status::bad_request(format!(
            "requested {} without impersonating a user name",
            show(&wanted)
        )))
    }

    /// Takes the headers out, so that nothing behind can act on them.
    pub fn clear(headers: &mut HeaderMap) {
        let names: Vec<_> = headers
            .keys()
            .filter(|n| n.as_str().starts_with("impersonate-"))
            .cloned()
            .collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// The identity, printed as Go prints the structure: upstream's message shows it so.
fn show(wanted: &Identity) -> String {
    let list = |values: &[String]| {
        values
            .iter()
            .map(|v| quote(v))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let groups = match wanted.groups.as_slice() {
        [] => "[]string(nil)".to_owned(),
        groups => format!("[]string{{{}}}", list(groups)),
    };
    let extra = match wanted.extra.is_empty() {
        true => "map[string][]string(nil)".to_owned(),
        false => {
            let entries = wanted
                .extra
                .iter()
                .map(|(k, v)| format!("{}:[]string{{{}}}", quote(k), list(v)));
            format!(
                "map[string][]string{{{}}}",
                entries.collect::<Vec<_>>().join(", ")
            )
        }
    };
    format!(
        "&user.DefaultInfo{{Name:{}, UID:{}, Groups:{groups}, Extra:{extra}}}",
        quote(&wanted.name),
        quote(&wanted.uid)
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
    Legacy,
}

impl Mode {
    const ALL: [Mode; 5] = [
        Mode::AssociatedNode,
        Mode::ArbitraryNode,
        Mode::ServiceAccount,
        Mode::UserInfo,
        Mode::Legacy,
    ];

    const fn name(self) -> &'static str {
        match self {
            Mode::AssociatedNode => "associated-node",
            Mode::ArbitraryNode => "arbitrary-node",
            Mode::ServiceAccount => "serviceaccount",
            Mode::UserInfo => "user-info",
            Mode::Legacy => "",
        }
    }

    fn applies(self, wanted: &Identity, requestor: &Identity) -> bool {
        let only_name =
            wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let node = node_name(&wanted.name);
        let account = split_service_account(&wanted.name).is_some();
        match self {
            Mode::AssociatedNode => {
                let own = requestor
                    .extra
                    .get("authentication.kubernetes.io/node-name")
                    .map(Vec::as_slice);
                let is_account = split_service_account(&requestor.name).is_some();
                only_name
                    && is_account
                    && matches!((own, node), (Some([own]), Some(node)) if own == node)
            }
            Mode::ArbitraryNode => only_name && node.is_some(),
            Mode::ServiceAccount => only_name && account,
            Mode::UserInfo => node.is_none() && !account,
            Mode::Legacy => true,
        }
    }
}

fn node_name(user: &str) -> Option<&str> {
    user.strip_prefix(NODE_PREFIX).filter(|n| !n.is_empty())
}

/// The identity that `requestor` comes to have for the request described by `attributes`, if it may.
pub fn impersonate(
    authorizer: &Authorizer,
    requestor: &Identity,
    wanted: &Wanted,
    attributes: &Attributes<'_>,
) -> Result<Identity, Status> {
    let mut first_refusal = None;
    for mode in Mode::ALL
        .into_iter()
        .filter(|m| m.applies(&wanted.0, requestor))
    {
        match attempt(authorizer, requestor, &wanted.0, attributes, mode) {
            Ok(identity) => return Ok(identity),
            Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
        }
    }
    // The last mode applies to everybody.
    Err(first_refusal.unwrap_or_else(|| Status::internal("all impersonation modes failed")))
}

fn attempt(
    authorizer: &Authorizer,
    requestor: &Identity,
    wanted: &Identity,
    attributes: &Attributes<'_>,
    mode: Mode,
) -> Result<Identity, Status> {
    let legacy = mode == Mode::Legacy;
    let verb = if legacy {
        "impersonate".to_owned()
    } else {
        format!("impersonate:{}", mode.name())
    };
    if !legacy {
        let on = format!("impersonate-on:{}:{}", mode.name(), attributes.verb);
        authorizer.require(
            requestor,
            &Attributes {
                verb: &on,
                ..*attributes
            },
        )?;
    }
    let mut actual = wanted.clone();
    let may = |group, resource, subresource, namespace, name| {
        let what = Attributes {
            subresource,
            ..Attributes::resource(&verb, group, resource, namespace, name)
        };
        authorizer.require(requestor, &what)
    };
    // Users and groups are of the core group in the legacy mode alone.
    let group = if legacy { "" } else { GROUP };
    if let Some((namespace, name)) = split_service_account(&wanted.name) {
        if wanted.groups.is_empty() {
            actual.groups = service_account_groups(namespace).to_vec();
        }
        may(group, "serviceaccounts", "", namespace, name)?;
    } else if let Some(node) = node_name(&wanted.name).filter(|_| !legacy) {
        actual.groups = vec![NODES.to_owned()];
        // Whoever may be the node that it runs on may be so on every node.
        may(
            group,
            "nodes",
            "",
            "",
            if mode == Mode::AssociatedNode {
                "*"
            } else {
                node
            },
        )?;
    } else {
        may(group, "users", "", "", &wanted.name)?;
    }
    if !wanted.uid.is_empty() {
        may(GROUP, "uids", "", "", &wanted.uid)?;
    }
    for name in &wanted.groups {
        may(group, "groups", "", "", name)?;
    }
    for (key, values) in &wanted.extra {
        for value in values {
            may(GROUP, "userextras", key, "", value)?;
        }
    }
    if actual.name != ANONYMOUS {
        actual.add_authenticated();
    } else if !actual.in_group(UNAUTHENTICATED) {
        actual.groups.push(UNAUTHENTICATED.to_owned());
    }
    Ok(actual)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::Rule;
    use crate::authz::rbac::{PolicyChange, PolicySink, RoleRef, Subject};
    use crate::identity::MASTERS;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()))
            .collect()
    }

    fn wanted(pairs: &[(&'static str, &'static str)]) -> Wanted {
        Wanted::read(&headers(pairs)).unwrap().unwrap()
    }

    const VERSION: Attributes<'static> = Attributes {
        verb: "get",
        path: "/version",
        ..Attributes {
            is_resource: false,
            verb: "",
            group: "",
            version: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
            path: "",
            field_selector: "",
        }
    };

    /// The answers of kube-apiserver v1.37.1 to the same requests.
    #[test]
    fn refusals_are_upstreams() {
        let status = Wanted::read(&headers(&[("impersonate-group", "foo")])).unwrap_err();
        assert_eq!(
            status.message(),
            "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"foo\"}, Extra:map[string][]string(nil)} \
             without impersonating a user name"
        );
        let (authorizer, bob) = (Authorizer::default(), Identity::user("bob", []));
        let refusal = |user| {
            impersonate(
                &authorizer,
                &bob,
                &wanted(&[("impersonate-user", user)]),
                &VERSION,
            )
            .unwrap_err()
        };
        assert_eq!(
            refusal("joe").message(),
            "forbidden: User \"bob\" cannot impersonate-on:user-info:get path \"/version\""
        );
        assert_eq!(
            refusal("system:serviceaccount:a:b").message(),
            "forbidden: User \"bob\" cannot impersonate-on:serviceaccount:get path \"/version\""
        );
    }

    #[test]
    fn whoever_may_everything_may_be_anybody() {
        let (authorizer, admin) = (Authorizer::default(), Identity::user("admin", [MASTERS]));
        let be = |pairs: &[_]| impersonate(&authorizer, &admin, &wanted(pairs), &VERSION).unwrap();
        let joe = be(&[
            ("impersonate-user", "joe"),
            ("impersonate-uid", "7"),
            ("impersonate-extra-foo%2fbar", "x"),
        ]);
        assert_eq!((joe.name.as_str(), joe.uid.as_str()), ("joe", "7"));
        assert_eq!(joe.groups, ["system:authenticated"]);
        assert_eq!(joe.extra["foo/bar"], ["x"]);
        let robot = be(&[("impersonate-user", "system:serviceaccount:a:b")]);
        assert_eq!(
            robot.groups,
            [
                "system:serviceaccounts",
                "system:serviceaccounts:a",
                "system:authenticated"
            ]
        );
        assert_eq!(
            be(&[("impersonate-user", "system:node:n")]).groups,
            ["system:nodes", "system:authenticated"]
        );
        assert_eq!(
            be(&[("impersonate-user", ANONYMOUS)]).groups,
            ["system:unauthenticated"]
        );
    }

    #[test]
    fn the_legacy_verb_is_checked_for_every_part() {
        let (authorizer, bob) = (Authorizer::default(), Identity::user("bob", []));
        let rules = vec![Rule::resources(&["impersonate"], &[""], &["users"])];
        let mut rbac = authorizer.rbac.write();
        rbac.apply(PolicyChange::Role {
            namespace: String::new(),
            name: "r".into(),
            rules,
        });
        rbac.apply(PolicyChange::Binding {
            namespace: String::new(),
            name: "b".into(),
            role: RoleRef::ClusterRole("r".into()),
            subjects: vec![Subject::User("bob".into())],
        });
        drop(rbac);
        let be = |pairs: &[_]| impersonate(&authorizer, &bob, &wanted(pairs), &VERSION);
        assert!(be(&[("impersonate-user", "joe")]).is_ok());
        assert!(be(&[("impersonate-user", "joe"), ("impersonate-group", MASTERS)]).is_err());
        assert!(be(&[("impersonate-user", "joe"), ("impersonate-uid", "7")]).is_err());
        assert!(be(&[("impersonate-user", "joe"), ("impersonate-extra-a", "b")]).is_err());
    }

    #[test]
    fn the_headers_are_taken_out() {
        let mut headers = headers(&[
            ("impersonate-user", "joe"),
            ("impersonate-extra-a", "b"),
            ("accept", "c"),
        ]);
        Wanted::clear(&mut headers);
        assert_eq!(headers.len(), 1);
    }
}
