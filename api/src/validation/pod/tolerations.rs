//! Tolerations, and the taints that they are for.

use super::super::check::each;
use super::super::format;
use crate::core::v1::Toleration;
use crate::field::{Error, ErrorList, Path};
use crate::view::List;

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// The effect of a taint, or of those that a toleration is for.
pub(crate) fn taint_effect(errors: &mut ErrorList, path: &Path<'_>, effect: &str) {
    if !EFFECTS.contains(&effect) {
        errors.push(Error::not_supported(path, effect, EFFECTS));
    }
}

/// All tolerations of a pod, or of a RuntimeClass for its pods.
pub(crate) fn check(
    errors: &mut ErrorList,
    path: &Path<'_>,
    tolerations: List<'_, Toleration<'_>>,
) {
    for (at, toleration) in tolerations.iter().enumerate() {
        let place = path.index(at);
        let (key, operator, value) = (toleration.key(), toleration.operator(), toleration.value());
        let operator_path = place.child("operator");
        if !key.is_empty() {
            each(errors, &place.child("key"), key, format::label_key(key));
        } else if operator != "Exists" {
            errors.push(Error::invalid(
                &operator_path,
                operator,
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            ));
        }
        if toleration.toleration_seconds().is_some() && toleration.effect() != "NoExecute" {
            errors.push(Error::invalid(
                &place.child("effect"),
                toleration.effect(),
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            ));
        }
        match operator {
            "Equal" | "" => {
                let messages = format::label_value(value);
                if !messages.is_empty() {
                    errors.push(Error::invalid(&operator_path, value, messages.join(";")));
                }
            }
            "Exists" if !value.is_empty() => errors.push(Error::invalid(
                &operator_path,
                value,
                "value must be empty when `operator` is 'Exists'",
            )),
            "Exists" => {}
            "Lt" | "Gt" => errors.push(Error::not_supported(
                &operator_path,
                operator,
                &["Equal", "Exists", "Lt", "Gt"],
            )),
            _ => errors.push(Error::not_supported(
                &operator_path,
                operator,
                &["Equal", "Exists"],
            )),
        }
        if !toleration.effect().is_empty() {
            taint_effect(errors, &place.child("effect"), toleration.effect());
        }
    }
}
