//! The parts of admission policies that have expressions, some of which webhooks have, too.

use std::collections::BTreeSet;

use super::check::{each, required};
use super::format;
use super::policies::{Expressions, Purpose, Wrong};
use crate::admissionregistration::v1::{
    AuditAnnotation, MatchCondition, Mutation, Validation, Variable,
};
use crate::field::{BadValue, Error, ErrorList, Path};
use crate::view::List;

const SPEC: Path<'static> = Path::new("spec");
const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge"];
const PATCH_TYPES: &[&str] = &["ApplyConfiguration", "JSONPatch"];
const MAX_CONDITIONS: usize = 64;
const MAX_ANNOTATION: usize = 5 * 1024;

/// What is checked, and what was there before: its expressions stay valid, whatever is newly found wrong with them.
pub(super) struct Checks<'a> {
    pub(super) expressions: &'a mut dyn Expressions,
    pub(super) known: BTreeSet<&'a str>,
}

impl Checks<'_> {
    pub(super) fn expression(
        &mut self,
        errors: &mut ErrorList,
        path: &Path<'_>,
        (purpose, source, shown): (Purpose<'_>, &str, &str),
    ) {
        let checked = self.expressions.check(purpose, source);
        if let Err(why) = checked
            && !self.known.contains(shown)
        {
            errors.push(match why {
                Wrong::Invalid(why) => Error::invalid(path, shown, why),
                Wrong::Internal(why) => Error::internal(path, why),
            });
        }
    }
}

/// The conditions at `list`.
pub(super) fn match_conditions(
    errors: &mut ErrorList,
    list: &Path<'_>,
    conditions: List<'_, MatchCondition<'_>>,
    checks: &mut Checks<'_>,
) {
    if conditions.len() > MAX_CONDITIONS {
        errors.push(Error::too_many(list, conditions.len(), MAX_CONDITIONS));
    }
    for (at, condition) in conditions.iter().enumerate() {
        let path = list.index(at);
        let (place, source) = (path.child("expression"), condition.expression().trim());
        if required(errors, &place, source) {
            checks.expression(errors, &place, (Purpose::MatchCondition, source, source));
        }
        let (place, name) = (path.child("name"), condition.name());
        if required(errors, &place, name) {
            each(errors, &place, name, format::label_key(name));
            if conditions.iter().take(at).any(|c| c.name() == name) {
                errors.push(Error::duplicate(&place, name));
            }
        }
    }
}

pub(super) fn variables(
    errors: &mut ErrorList,
    variables: List<'_, Variable<'_>>,
    checks: &mut Checks<'_>,
) {
    let list = SPEC.child("variables");
    for (at, variable) in variables.iter().enumerate() {
        let path = list.index(at);
        let (place, name) = (path.child("name"), variable.name());
        if name.trim().is_empty() {
            errors.push(Error::required(&place, "name is not specified"));
        } else if !is_identifier(name) {
            errors.push(Error::invalid(
                &place,
                name,
                "must be a valid CEL identifier",
            ));
        }
        let (place, source) = (path.child("expression"), variable.expression());
        match source.trim() {
            "" => errors.push(Error::required(&place, "expression is not specified")),
            _ => checks.expression(errors, &place, (Purpose::Variable(name), source, source)),
        }
    }
}

const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

fn is_identifier(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let starts = name
        .bytes()
        .next()
        .is_some_and(|b| word(b) && !b.is_ascii_digit());
    starts && name.bytes().all(word) && !RESERVED.contains(&name)
}

pub(super) fn validation(
    errors: &mut ErrorList,
    path: &Path<'_>,
    validation: Validation<'_>,
    checks: &mut Checks<'_>,
) {
    const EMPTY: &str = "must be non-empty if specified";
    let (place, source) = (path.child("expression"), validation.expression());
    match source.trim() {
        "" => errors.push(Error::required(&place, "expression is not specified")),
        _ => checks.expression(errors, &place, (Purpose::Validation, source, source)),
    }
    let (place, source) = (
        path.child("messageExpression"),
        validation.message_expression(),
    );
    match (source, source.trim()) {
        ("", _) => {}
        (_, "") => errors.push(Error::invalid(&place, source, EMPTY)),
        _ => checks.expression(errors, &place, (Purpose::Message, source, source)),
    }
    let (place, message) = (path.child("message"), validation.message());
    match (message, message.trim()) {
        ("", _) => {}
        (_, "") => errors.push(Error::invalid(&place, message, EMPTY)),
        (_, line) if line.contains(['\n', '\r']) => {
            errors.push(Error::invalid(
                &place,
                message,
                "must not contain line breaks",
            ));
        }
        _ => {}
    }
    if let Some(reason) = validation.reason() {
        super::check::supported(errors, &path.child("reason"), reason, REASONS);
    }
}

pub(super) fn annotation(
    errors: &mut ErrorList,
    path: &Path<'_>,
    (policy, annotation): (&str, AuditAnnotation<'_>),
    checks: &mut Checks<'_>,
) {
    let (place, key) = (path.child("key"), annotation.key());
    if policy.is_empty() {
        errors.push(Error::invalid(
            &place,
            key,
            "requires metadata.name be non-empty",
        ));
    } else {
        let whole = format!("{policy}/{key}");
        each(errors, &place, &whole, format::label_key(&whole));
    }
    let (place, given) = (path.child("valueExpression"), annotation.value_expression());
    let source = given.trim();
    if source.is_empty() {
        errors.push(Error::required(&place, "valueExpression is not specified"));
    } else if source.len() > MAX_ANNOTATION {
        let why = format!("must not exceed {MAX_ANNOTATION} bytes in length");
        errors.push(Error::required(&place, why));
    } else {
        checks.expression(errors, &place, (Purpose::AuditAnnotation, source, given));
    }
}

pub(super) fn mutation(
    errors: &mut ErrorList,
    path: &Path<'_>,
    mutation: Mutation<'_>,
    checks: &mut Checks<'_>,
) {
    let place = path.child("patchType");
    if !required(errors, &place, mutation.patch_type()) {
        return;
    }
    let apply = mutation.apply_configuration().map(|c| c.expression());
    let patch = mutation.json_patch().map(|p| p.expression());
    let apply = ("applyConfiguration", Purpose::ApplyConfiguration, apply);
    let patch = ("jsonPatch", Purpose::JsonPatch, patch);
    let (own, other) = match mutation.patch_type() {
        "ApplyConfiguration" => (apply, patch),
        "JSONPatch" => (patch, apply),
        unknown => {
            errors.push(Error::not_supported(&place, unknown, PATCH_TYPES));
            return;
        }
    };
    let kind = mutation.patch_type();
    let place = path.child(own.0);
    match own.2.map(str::trim) {
        None => {
            let why = format!("must be specified when patchType is {kind}");
            errors.push(Error::required(&place, why));
        }
        Some(source) => {
            let place = place.child("expression");
            if required(errors, &place, source) {
                checks.expression(errors, &place, (own.1, source, source));
            }
        }
    }
    if other.2.is_some() {
        let why = format!("must not be specified when patchType is {kind}");
        let shown = BadValue::Str(format!("{{{}}}", other.0));
        errors.push(Error::invalid(&path.child(other.0), shown, why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        assert!(is_identifier("_a1"));
        for name in ["1a", "a-b", "", "namespace", "ä"] {
            assert!(!is_identifier(name), "{name}");
        }
    }
}
