//! What an access review asks about, and whether it is asked rightly.

use api::authorization::v1::{
    FieldSelectorAttributes, LabelSelectorAttributes, NonResourceAttributes, ResourceAttributes,
};
use api::field::{Error, ErrorList, Path};
use api::selector::field::FieldSelector;
use api::selector::label::LabelSelector;

use crate::authz::Attributes;

/// What is asked about. Parts that do not parse narrow nothing: the question gets broader, and the answer says so.
pub(super) struct Asked<'a> {
    resource: Option<ResourceAttributes<'a>>,
    path: Option<NonResourceAttributes<'a>>,
    field_selector: String,
    problems: Vec<&'static str>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(
        resource: Option<ResourceAttributes<'a>>,
        path: Option<NonResourceAttributes<'a>>,
    ) -> Asked<'a> {
        let mut asked = Asked {
            resource,
            path,
            field_selector: String::new(),
            problems: Vec::new(),
        };
        if let Some(selector) = resource.and_then(|r| r.field_selector()) {
            asked.read_fields(selector);
        }
        if let Some(selector) = resource.and_then(|r| r.label_selector()) {
            asked.read_labels(selector);
        }
        asked
    }

    fn read_fields(&mut self, selector: FieldSelectorAttributes<'a>) {
        let mut failed = false;
        let mut terms: Vec<String> = Vec::new();
        if !selector.raw_selector().is_empty() {
            match selector.raw_selector().parse::<FieldSelector>() {
                Ok(_) => terms.push(selector.raw_selector().to_owned()),
                Err(_) => failed = true,
            }
        }
        for requirement in selector.requirements().iter() {
            let mut values = requirement.values().iter();
            match (requirement.operator(), values.next(), values.next()) {
                ("In", Some(value), None) => {
                    terms.push(format!("{}={}", requirement.key(), escape(value)))
                }
                ("NotIn", Some(value), None) => {
                    terms.push(format!("{}!={}", requirement.key(), escape(value)))
                }
                _ => failed = true,
            }
        }
        if failed {
            self.problems.push(match terms.is_empty() {
                true => "spec.resourceAttributes.fieldSelector ignored due to parse error",
                false => {
                    "spec.resourceAttributes.fieldSelector partially ignored due to parse error"
                }
            });
        }
        self.field_selector = terms.join(",");
    }

    /// No authorizer here looks at labels: only whether they parse is told.
    fn read_labels(&mut self, selector: LabelSelectorAttributes<'a>) {
        let raw = selector.raw_selector();
        let (mut failed, mut some) = (
            !raw.is_empty() && raw.parse::<LabelSelector>().is_err(),
            false,
        );
        for requirement in selector.requirements().iter() {
            match requirement.operator() {
                "In" | "NotIn" | "Exists" | "DoesNotExist" => some = true,
                _ => failed = true,
            }
        }
        if failed {
            self.problems.push(match some {
                true => {
                    "spec.resourceAttributes.labelSelector partially ignored due to parse error"
                }
                false => "spec.resourceAttributes.labelSelector ignored due to parse error",
            });
        }
    }

    /// As the authorizer is asked.
    pub(super) fn attributes(&self) -> Attributes<'_> {
        if let Some(r) = self.resource {
            return Attributes {
                version: if r.version().is_empty() {
                    "*"
                } else {
                    r.version()
                },
                subresource: r.subresource(),
                field_selector: &self.field_selector,
                ..Attributes::resource(r.verb(), r.group(), r.resource(), r.namespace(), r.name())
            };
        }
        let path = self.path.map(|p| (p.path(), p.verb())).unwrap_or_default();
        Attributes {
            path: path.0,
            verb: path.1,
            ..Attributes::default()
        }
    }

    /// What could not be taken into account.
    pub(super) fn problems(&self) -> Option<String> {
        (!self.problems.is_empty()).then(|| self.problems.join("; "))
    }
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace(',', "\\,")
        .replace('=', "\\=")
}

/// Validates the selectors of a question.
pub(super) fn validate(resource: Option<ResourceAttributes<'_>>, errors: &mut ErrorList) {
    let Some(resource) = resource else { return };
    let spec = Path::new("spec");
    let path = spec.child("resourceAttributes");
    if let Some(selector) = resource.field_selector() {
        let path = path.child("fieldSelector");
        let list = selector.requirements();
        either(&path, selector.raw_selector(), list.is_empty(), errors);
        for (index, requirement) in list.iter().enumerate() {
            let requirements = path.child("requirements");
            let path = requirements.index(index);
            if requirement.key().is_empty() {
                errors.push(Error::required(&path.child("key"), "must be specified"));
            }
            operator(
                &path,
                requirement.operator(),
                requirement.values().is_empty(),
                errors,
            );
        }
    }
    if let Some(selector) = resource.label_selector() {
        let path = path.child("labelSelector");
        let list = selector.requirements();
        either(&path, selector.raw_selector(), list.is_empty(), errors);
        for (index, requirement) in list.iter().enumerate() {
            let requirements = path.child("requirements");
            let path = requirements.index(index);
            operator(
                &path,
                requirement.operator(),
                requirement.values().is_empty(),
                errors,
            );
            for why in api::names::label_key(requirement.key()) {
                errors.push(Error::invalid(&path.child("key"), requirement.key(), why));
            }
            for (index, value) in requirement.values().iter().enumerate() {
                for why in api::names::label_value(value) {
                    errors.push(Error::invalid(
                        &path.child("values").index(index),
                        value,
                        why,
                    ));
                }
            }
        }
    }
}

fn either(path: &Path<'_>, raw: &str, no_requirements: bool, errors: &mut ErrorList) {
    match (raw.is_empty(), no_requirements) {
        (false, false) => {
            let why = "may not specified at the same time as requirements";
            errors.push(Error::invalid(&path.child("rawSelector"), raw, why));
        }
        (true, true) => {
            let why = format!("when {path} is specified, requirements or rawSelector is required");
            errors.push(Error::required(&path.child("requirements"), why));
        }
        _ => {}
    }
}

/// Operators that are not known are let pass, for clients newer than this server.
fn operator(path: &Path<'_>, operator: &str, no_values: bool, errors: &mut ErrorList) {
    match (operator, no_values) {
        ("In" | "NotIn", true) => {
            errors.push(Error::required(
                &path.child("values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            ));
        }
        ("Exists" | "DoesNotExist", false) => {
            let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(Error::forbidden(&path.child("values"), why));
        }
        _ => {}
    }
}
