//! Small checks of one value, which the kinds share.

use super::format::{self, Messages};
use crate::codec::json;
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::meta::v1::{LabelSelector, LabelSelectorRequirement};
use crate::schema::{FieldId, Scalar, Shape};
use crate::tree::{Kind, Ref, Tree};
use crate::view::{List, MapRef, View};
use crate::{IntOrString, Quantity};

pub(super) const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
pub(super) const POSITIVE: &str = "must be greater than zero";
pub(super) const IMMUTABLE: &str = "field is immutable";

/// An error for each message.
pub(super) fn each(errors: &mut ErrorList, path: &Path<'_>, value: &str, messages: Messages) {
    for message in messages {
        errors.push(Error::invalid(path, value, message));
    }
}

/// A missing text.
pub(super) fn required(errors: &mut ErrorList, path: &Path<'_>, value: &str) -> bool {
    let absent = value.is_empty();
    if absent {
        errors.push(Error::required(path, ""));
    }
    !absent
}

/// A number below zero.
pub(super) fn not_negative(errors: &mut ErrorList, path: &Path<'_>, value: impl Into<i64>) {
    let value = value.into();
    if value < 0 {
        errors.push(Error::invalid(path, value, NOT_NEGATIVE));
    }
}

/// A number that is not above zero.
pub(super) fn positive(errors: &mut ErrorList, path: &Path<'_>, value: impl Into<i64>) {
    let value = value.into();
    if value <= 0 {
        errors.push(Error::invalid(path, value, POSITIVE));
    }
}

/// A number out of bounds.
pub(super) fn in_range(
    errors: &mut ErrorList,
    path: &Path<'_>,
    value: impl Into<i64>,
    low: i64,
    high: i64,
) {
    let value = value.into();
    if !(low..=high).contains(&value) {
        errors.push(Error::invalid(path, value, format::range(low, high)));
    }
}

/// A user's or group's number.
pub(super) fn id(errors: &mut ErrorList, path: &Path<'_>, value: Option<i64>) {
    if let Some(value) = value {
        in_range(errors, path, value, 0, i64::from(i32::MAX));
    }
}

/// A port's number.
pub(super) fn port(errors: &mut ErrorList, path: &Path<'_>, value: i32) {
    in_range(errors, path, value, 1, 65_535);
}

/// A port's number or name.
pub(super) fn port_or_name(errors: &mut ErrorList, path: &Path<'_>, value: &IntOrString) {
    match value {
        IntOrString::Int(value) => port(errors, path, *value),
        IntOrString::String(name) => each(errors, path, name, format::port_name(name)),
    }
}

/// A value that is none of those allowed; absent is an error of its own.
pub(super) fn one_of(errors: &mut ErrorList, path: &Path<'_>, value: &str, allowed: &[&str]) {
    if required(errors, path, value) {
        supported(errors, path, value, allowed);
    }
}

/// A value that is none of those allowed.
pub(super) fn supported(errors: &mut ErrorList, path: &Path<'_>, value: &str, allowed: &[&str]) {
    if !allowed.contains(&value) {
        errors.push(Error::not_supported(path, value, allowed));
    }
}

/// A value of a type of its own, as upstream's enumerations are, that is none of those allowed.
pub(super) fn enumerated(errors: &mut ErrorList, path: &Path<'_>, value: &str, allowed: &[&str]) {
    if !allowed.contains(&value) {
        errors.push(Error::not_supported(path, quoted(value), allowed));
    }
}

/// A DNS label that must be there.
pub(super) fn label_name(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if required(errors, path, name) {
        each(errors, path, name, format::dns_label(name));
    }
}

/// A text that must be there, and of which a path can be made.
pub(super) fn path_segment(errors: &mut ErrorList, path: &Path<'_>, text: &str) {
    if required(errors, path, text) {
        each(errors, path, text, format::path_segment(text, false));
    }
}

/// A path that begins with a domain: `example.com/name`.
pub(super) fn domain_prefixed_path(errors: &mut ErrorList, path: &Path<'_>, text: &str) {
    if !required(errors, path, text) {
        return;
    }
    match text.split_once('/') {
        Some((host, rest)) if !host.is_empty() && !rest.is_empty() => {
            each(errors, path, host, format::dns_subdomain(host));
            let allowed =
                |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
            if !rest.bytes().all(allowed) {
                let detail = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
                errors.push(Error::invalid(path, rest, detail));
            }
        }
        _ => {
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.push(Error::invalid(path, text, detail));
        }
    }
}

/// The keys and values of labels.
pub(super) fn labels(errors: &mut ErrorList, path: &Path<'_>, labels: MapRef<'_, str>) {
    for (key, value) in labels {
        each(errors, path, key, format::label_key(key));
        each(errors, path, value, format::label_value(value));
    }
}

/// A label selector, if there is one.
pub(super) fn selector(
    errors: &mut ErrorList,
    path: &Path<'_>,
    selector: Option<LabelSelector<'_>>,
) {
    if let Some(selector) = selector {
        selector_with(errors, path, selector, true);
    }
}

/// A label selector. `strict`: the values of its requirements must be well-formed, which those of old objects may not be.
pub(super) fn selector_with(
    errors: &mut ErrorList,
    path: &Path<'_>,
    selector: LabelSelector<'_>,
    strict: bool,
) {
    labels(errors, &path.child("matchLabels"), selector.match_labels());
    let list = path.child("matchExpressions");
    for (at, requirement) in selector.match_expressions().iter().enumerate() {
        selector_requirement(errors, &list.index(at), requirement, strict);
    }
}

fn selector_requirement(
    errors: &mut ErrorList,
    path: &Path<'_>,
    requirement: LabelSelectorRequirement<'_>,
    strict: bool,
) {
    let values = requirement.values();
    operator(errors, path, requirement.operator(), values.len(), false);
    each(
        errors,
        &path.child("key"),
        requirement.key(),
        format::label_key(requirement.key()),
    );
    if strict {
        label_values(errors, &path.child("values"), values);
    }
}

/// The values of a requirement.
pub(super) fn label_values(errors: &mut ErrorList, path: &Path<'_>, values: List<'_, str>) {
    for (at, value) in values.iter().enumerate() {
        each(errors, &path.index(at), value, format::label_value(value));
    }
}

/// Whether a requirement's operator goes with its number of values.
pub(super) fn operator(
    errors: &mut ErrorList,
    path: &Path<'_>,
    operator: &str,
    values: usize,
    compares: bool,
) {
    match operator {
        "In" | "NotIn" if values == 0 => errors.push(Error::required(
            &path.child("values"),
            "must be specified when `operator` is 'In' or 'NotIn'",
        )),
        "In" | "NotIn" => {}
        "Exists" | "DoesNotExist" if values > 0 => errors.push(Error::forbidden(
            &path.child("values"),
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        )),
        "Exists" | "DoesNotExist" => {}
        "Gt" | "Lt" if compares && values != 1 => errors.push(Error::required(
            &path.child("values"),
            "must be specified single value when `operator` is 'Lt' or 'Gt'",
        )),
        "Gt" | "Lt" if compares => {}
        other => errors.push(Error::invalid(
            &path.child("operator"),
            other,
            "not a valid selector operator",
        )),
    }
}

/// Whether a selector, which is valid, selects these labels.
pub(super) fn selects(selector: LabelSelector<'_>, labels: MapRef<'_, str>) -> bool {
    selector
        .match_labels()
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions().iter().all(|requirement| {
            let value = labels.get(requirement.key());
            match requirement.operator() {
                "In" => value.is_some_and(|value| requirement.values().contains(value)),
                "NotIn" => !value.is_some_and(|value| requirement.values().contains(value)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// A quantity below zero.
pub(super) fn quantity(errors: &mut ErrorList, path: &Path<'_>, quantity: Quantity) {
    if quantity.signum() < 0 {
        errors.push(Error::invalid(path, quantity.to_string(), NOT_NEGATIVE));
    }
}

/// An address.
pub(super) fn ip(errors: &mut ErrorList, path: &Path<'_>, value: &str, known: List<'_, str>) {
    if !known.contains(value) {
        each(errors, path, value, format::ip(value));
    }
}

/// Whether two values are the same to upstream: absent and empty are.
pub(crate) fn same(a: Option<Ref<'_>>, b: Option<Ref<'_>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same(b),
        (None, None) => true,
        (Some(one), None) | (None, Some(one)) => one.is_zero() && one.type_id().is_none(),
    }
}

/// A value that may not change.
pub(super) fn immutable<'a>(
    errors: &mut ErrorList,
    path: &Path<'_>,
    new: impl View<'a>,
    old: impl View<'a>,
) {
    if !same(new.node(), old.node()) {
        errors.push(Error::invalid(path, shown(new.node()), IMMUTABLE));
    }
}

/// A text that may not change.
pub(super) fn immutable_text(errors: &mut ErrorList, path: &Path<'_>, new: &str, old: &str) {
    if new != old {
        errors.push(Error::invalid(path, new, IMMUTABLE));
    }
}

/// A value in JSON.
pub(super) fn shown(node: Option<Ref<'_>>) -> BadValue {
    let Some(node) = node else {
        return BadValue::Json("null".to_owned());
    };
    let mut out = Vec::new();
    json::encode_value(node, &mut out);
    BadValue::Json(String::from_utf8_lossy(&out).into_owned())
}

/// A text as JSON shows it, for values that upstream holds by pointer or by a type of their own.
pub(super) fn quoted(text: &str) -> BadValue {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    BadValue::Json(out)
}

/// A message as upstream shows its internal types: every field, by its Go name.
pub(super) fn internal(node: Option<Ref<'_>>) -> BadValue {
    let mut out = String::new();
    match node {
        Some(node) => write_internal(node, &mut out),
        None => out.push_str("null"),
    }
    BadValue::Json(out)
}

fn write_internal(node: Ref<'_>, out: &mut String) {
    if node.kind() == Kind::List {
        out.push('[');
        for (at, item) in node.items().enumerate() {
            if at > 0 {
                out.push(',');
            }
            write_internal(item, out);
        }
        out.push(']');
        return;
    }
    let Some(ty) = node.ty() else {
        let mut text = Vec::new();
        json::encode_value(node, &mut text);
        out.push_str(&String::from_utf8_lossy(&text));
        return;
    };
    out.push('{');
    for (at, field) in ty.fields.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let name = match field.name.as_str() {
            "apiGroup" => "APIGroup".to_owned(),
            "apiGroups" => "APIGroups".to_owned(),
            "apiVersion" => "APIVersion".to_owned(),
            "uid" => "UID".to_owned(),
            "seLinuxOptions" => "SELinuxOptions".to_owned(),
            name => {
                let (first, rest) = name.split_at(name.len().min(1));
                first.to_uppercase() + rest
            }
        };
        out.push_str(&format!("\"{name}\":"));
        match node.field(FieldId(at as u16)) {
            Some(value) => write_internal(value, out),
            None if !field.is_value() => out.push_str("null"),
            None => out.push_str(match &field.shape {
                Shape::Scalar(Scalar::String) => "\"\"",
                Shape::Scalar(Scalar::Bool) => "false",
                Shape::Scalar(Scalar::Int32 | Scalar::Int64) => "0",
                Shape::Message(ty) => {
                    write_internal(Tree::new(*ty).root(), out);
                    continue;
                }
                _ => "null",
            }),
        }
    }
    out.push('}');
}
