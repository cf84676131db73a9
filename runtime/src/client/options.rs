//! Options of requests, and how they stand in a query.

use serde_json::{Map, Value, json};

/// What a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// `app=web,tier!=db`; empty for all.
    pub labels: String,
    /// `spec.nodeName=n1`; empty for all.
    pub fields: String,
    /// Items a page at most; 0 for one unlimited page.
    pub limit: u32,
    /// Where the page begins, from the page before.
    pub continue_token: String,
    /// Empty for the newest state, `0` for any that the server has at hand.
    pub resource_version: String,
}

/// What a watch shows, and from when on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// See [`ListOptions::labels`].
    pub labels: String,
    /// See [`ListOptions::fields`].
    pub fields: String,
    /// Events after this revision; empty together with `initial` for everything that is.
    pub resource_version: String,
    /// Stream what is there first, ended by a bookmark (`sendInitialEvents`, KEP-3157).
    pub initial: bool,
    /// The server ends the watch after so many seconds; 0 leaves it to the server.
    pub timeout_seconds: u32,
}

/// How a write is checked and recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Who owns the fields, in managedFields; empty for the client's own.
    pub field_manager: String,
    /// Validate and admit, but store nothing.
    pub dry_run: bool,
    /// Take fields over that others own (apply only).
    pub force: bool,
}

/// A change to an object.
#[derive(Debug, Clone)]
pub enum Patch {
    /// RFC 6902: a list of operations.
    Json(Value),
    /// RFC 7386: values replace, nulls remove.
    Merge(Value),
    /// Merges lists by their keys; built-in kinds only.
    Strategic(Value),
    /// Server-side apply of what the field manager wants; `apiVersion` and `kind` must be set.
    Apply(Value),
}

impl Patch {
    pub(super) fn media_type(&self) -> &'static str {
        match self {
            Patch::Json(_) => "application/json-patch+json",
            Patch::Merge(_) => "application/merge-patch+json",
            Patch::Strategic(_) => "application/strategic-merge-patch+json",
            // JSON is YAML.
            Patch::Apply(_) => "application/apply-patch+yaml",
        }
    }

    pub(super) fn body(&self) -> &Value {
        match self {
            Patch::Json(v) | Patch::Merge(v) | Patch::Strategic(v) | Patch::Apply(v) => v,
        }
    }
}

/// What happens to an object's dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted afterwards.
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay, without this owner.
    Orphan,
}

impl Propagation {
    fn as_str(self) -> &'static str {
        match self {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        }
    }
}

/// How an object is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds that a pod gets to end; `None` for its own wish.
    pub grace_period_seconds: Option<i64>,
    /// What happens to dependents; `None` for the kind's default.
    pub propagation: Option<Propagation>,
    /// Only if it is still this one.
    pub uid: Option<String>,
    /// Only if it is still at this revision.
    pub resource_version: Option<String>,
    /// Check, but delete nothing.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Only if the object still has this uid: never a successor of the same name.
    pub fn of_uid(uid: &str) -> Self {
        DeleteOptions {
            uid: Some(uid.to_owned()),
            ..Default::default()
        }
    }

    pub(super) fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("apiVersion".into(), json!("v1"));
        body.insert("kind".into(), json!("DeleteOptions"));
        if let Some(seconds) = self.grace_period_seconds {
            body.insert("gracePeriodSeconds".into(), json!(seconds));
        }
        if let Some(propagation) = self.propagation {
            body.insert("propagationPolicy".into(), json!(propagation.as_str()));
        }
        let mut preconditions = Map::new();
        if let Some(uid) = &self.uid {
            preconditions.insert("uid".into(), json!(uid));
        }
        if let Some(version) = &self.resource_version {
            preconditions.insert("resourceVersion".into(), json!(version));
        }
        if !preconditions.is_empty() {
            body.insert("preconditions".into(), Value::Object(preconditions));
        }
        if self.dry_run {
            body.insert("dryRun".into(), json!(["All"]));
        }
        Value::Object(body)
    }
}

/// A query string in the making.
#[derive(Debug, Default)]
pub(super) struct Query(String);

impl Query {
    /// Adds `name=value`, escaped, unless the value is empty.
    pub(super) fn set(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.push(if self.0.is_empty() { '?' } else { '&' });
            self.0.push_str(name);
            self.0.push('=');
            escape(value, &mut self.0);
        }
        self
    }

    pub(super) fn flag(self, name: &str, set: bool) -> Self {
        self.set(name, if set { "true" } else { "" })
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn escape(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

impl ListOptions {
    pub(super) fn query(&self) -> String {
        let limit = if self.limit == 0 {
            String::new()
        } else {
            self.limit.to_string()
        };
        Query::default()
            .set("labelSelector", &self.labels)
            .set("fieldSelector", &self.fields)
            .set("limit", &limit)
            .set("continue", &self.continue_token)
            .set("resourceVersion", &self.resource_version)
            .into_string()
    }
}

impl WatchOptions {
    pub(super) fn query(&self) -> String {
        let timeout = if self.timeout_seconds == 0 {
            String::new()
        } else {
            self.timeout_seconds.to_string()
        };
        Query::default()
            .set("watch", "true")
            .set("allowWatchBookmarks", "true")
            .set("labelSelector", &self.labels)
            .set("fieldSelector", &self.fields)
            .set("resourceVersion", &self.resource_version)
            .flag("sendInitialEvents", self.initial)
            .set(
                "resourceVersionMatch",
                if self.initial { "NotOlderThan" } else { "" },
            )
            .set("timeoutSeconds", &timeout)
            .into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped_and_leave_out_what_is_not_set() {
        let options = ListOptions {
            labels: "a in (b,ü)".into(),
            limit: 5,
            ..Default::default()
        };
        assert_eq!(
            options.query(),
            "?labelSelector=a%20in%20%28b%2C%C3%BC%29&limit=5"
        );
        assert_eq!(ListOptions::default().query(), "");
    }

    #[test]
    fn deletion_names_its_preconditions() {
        let body = DeleteOptions {
            propagation: Some(Propagation::Foreground),
            grace_period_seconds: Some(0),
            ..DeleteOptions::of_uid("u")
        }
        .body();
        assert_eq!(body["preconditions"], json!({"uid": "u"}));
        assert_eq!(body["gracePeriodSeconds"], 0);
        assert_eq!(body["propagationPolicy"], "Foreground");
        assert!(body.get("dryRun").is_none());
    }
}
