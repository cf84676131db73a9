//! Conditions in a status: the shape that Deployments, ReplicaSets, Namespaces and Nodes share.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::rfc3339;

/// What a condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `Available`, `Ready` …
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// Since when it has this status.
    pub last_transition: Option<Timestamp>,
    /// When it was last confirmed; of Deployments only.
    pub last_update: Option<Timestamp>,
}

impl Condition {
    /// A condition that begins now.
    pub fn new(
        r#type: &str,
        status: &str,
        reason: &str,
        message: impl Into<String>,
        now: Timestamp,
    ) -> Self {
        Condition {
            r#type: r#type.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.into(),
            last_transition: Some(now),
            last_update: None,
        }
    }

    /// As it stands in a status.
    pub fn json(&self) -> Value {
        let mut value = Map::new();
        value.insert("type".into(), json!(self.r#type));
        value.insert("status".into(), json!(self.status));
        let times = [
            ("lastUpdateTime", self.last_update),
            ("lastTransitionTime", self.last_transition),
        ];
        for (name, time) in times {
            if let Some(time) = time {
                value.insert(name.into(), json!(rfc3339(time)));
            }
        }
        for (name, text) in [("reason", &self.reason), ("message", &self.message)] {
            if !text.is_empty() {
                value.insert(name.into(), json!(text));
            }
        }
        Value::Object(value)
    }
}

/// The condition of a type.
pub fn find<'a>(conditions: &'a [Condition], r#type: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.r#type == r#type)
}

/// Takes a condition out.
pub fn remove(conditions: &mut Vec<Condition>, r#type: &str) {
    conditions.retain(|c| c.r#type != r#type);
}

/// Puts a condition in, unless one of the same type, status and reason is there. The time of transition is kept where the
/// status does not change.
pub fn set(conditions: &mut Vec<Condition>, mut condition: Condition) {
    if let Some(current) = find(conditions, &condition.r#type)
        && current.status == condition.status
    {
        if current.reason == condition.reason {
            return;
        }
        condition.last_transition = current.last_transition;
    }
    remove(conditions, &condition.r#type);
    conditions.push(condition);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(status: &str, reason: &str, second: i64) -> Condition {
        Condition::new(
            "Ready",
            status,
            reason,
            "",
            Timestamp::from_second(second).expect("in range"),
        )
    }

    #[test]
    fn the_same_status_and_reason_change_nothing_and_a_new_reason_keeps_the_transition() {
        let mut all = vec![condition("True", "A", 1)];
        set(&mut all, condition("True", "A", 2));
        assert_eq!(all, [condition("True", "A", 1)]);
        set(&mut all, condition("True", "B", 3));
        assert_eq!(all, [condition("True", "B", 1)]);
        set(&mut all, condition("False", "B", 4));
        assert_eq!(all, [condition("False", "B", 4)]);
    }
}
