//! Who is calling. An [`Identity`] travels with a request as an extension, put there by authentication or by an
//! in-process caller; a header never carries it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The user that stands for everybody without credentials.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of everybody with credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody without.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group that may do everything.
pub const MASTERS: &str = "system:masters";
/// The group of all nodes.
pub const NODES: &str = "system:nodes";
/// What a node's user name begins with.
pub const NODE_PREFIX: &str = "system:node:";
/// What a service account's user name begins with.
pub const SERVICE_ACCOUNT_PREFIX: &str = "system:serviceaccount:";
/// The group of all service accounts.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";

/// A user as authentication knows it (upstream: `user.Info`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user name.
    pub name: String,
    /// What distinguishes users of one name over time; may be empty.
    pub uid: String,
    /// The groups, in the authenticator's order.
    pub groups: Vec<String>,
    /// Further facts for authorizers and audit.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// A user of `groups`; [`AUTHENTICATED`] is added.
    pub fn user<'a>(name: &str, groups: impl IntoIterator<Item = &'a str>) -> Identity {
        let mut identity = Identity {
            name: name.to_owned(),
            groups: groups.into_iter().map(str::to_owned).collect(),
            ..Identity::default()
        };
        identity.add_authenticated();
        identity
    }

    /// The caller without credentials.
    pub fn anonymous() -> Identity {
        Identity {
            name: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..Identity::default()
        }
    }

    /// Adds [`AUTHENTICATED`], unless the identity is of either of the two groups.
    pub fn add_authenticated(&mut self) {
        if !self.in_group(AUTHENTICATED) && !self.in_group(UNAUTHENTICATED) {
            self.groups.push(AUTHENTICATED.to_owned());
        }
    }

    /// Whether the identity is of `group`.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// Whether the identity is the one without credentials.
    pub fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS || self.in_group(UNAUTHENTICATED)
    }

    /// The node that the identity stands for: `system:node:NAME` in `system:nodes`.
    pub fn node(&self) -> Option<&str> {
        let name = self.name.strip_prefix(NODE_PREFIX)?;
        self.in_group(NODES).then_some(name)
    }
}

/// The identity as a request carries it.
pub type SharedIdentity = Arc<Identity>;

/// The user name of a service account.
pub fn service_account_user(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT_PREFIX}{namespace}:{name}")
}

/// The groups of a service account of `namespace`, without [`AUTHENTICATED`].
pub fn service_account_groups(namespace: &str) -> [String; 2] {
    [
        SERVICE_ACCOUNTS.to_owned(),
        format!("{SERVICE_ACCOUNTS}:{namespace}"),
    ]
}

/// Namespace and name of the service account whose user name `user` is.
pub fn split_service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_account_names_split_as_they_are_made() {
        assert_eq!(
            split_service_account(&service_account_user("a", "b")),
            Some(("a", "b"))
        );
        for bad in [
            "",
            "a:b",
            "system:serviceaccount:a",
            "system:serviceaccount::b",
            "system:serviceaccount:a:b:c",
        ] {
            assert_eq!(split_service_account(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_node_needs_name_and_group() {
        assert_eq!(Identity::user("system:node:n1", [NODES]).node(), Some("n1"));
        assert_eq!(Identity::user("system:node:n1", []).node(), None);
        assert_eq!(Identity::user("n1", [NODES]).node(), None);
    }
}
