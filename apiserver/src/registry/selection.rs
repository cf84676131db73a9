//! Which objects a list, a watch or a deletecollection is about: label and field selectors, bound to a kind.

use api::selector::{field::FieldSelector, label};

use super::{Kind, fields};
use crate::status::Status;
use crate::view::{Object, Scope, Snapshot, field_term, label_term};

/// Label and field selectors of one request.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    labels: label::LabelSelector,
    fields: Vec<(Place, String, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Name,
    Namespace,
    Field(usize),
}

impl Selection {
    /// Parses the selectors of a request for `kind`. `name` is the one in a (deprecated) watch path.
    ///
    /// # Errors
    /// 400 in upstream's words.
    pub fn parse(
        kind: &Kind,
        labels: &str,
        selector: &str,
        name: &str,
    ) -> Result<Selection, Status> {
        let labels: label::LabelSelector = labels
            .parse()
            .map_err(|e: label::ParseError| Status::bad_request(e.to_string()))?;
        let parsed: FieldSelector = selector
            .parse()
            .map_err(|e: api::selector::field::ParseError| Status::bad_request(e.to_string()))?;
        let mut fields = Vec::with_capacity(parsed.terms().len());
        // A term of nothing at all selects everything.
        let empty =
            |term: &&api::selector::field::Term| term.field.is_empty() && term.value.is_empty();
        for term in parsed.terms().iter().filter(|term| !empty(term)) {
            fields.push((place(kind, &term.field)?, term.value.clone(), term.equal));
        }
        if !name.is_empty() {
            match parsed.required("metadata.name") {
                None if parsed.is_empty() => fields.push((Place::Name, name.to_owned(), true)),
                Some(selected) if selected == name => {}
                _ => {
                    return Err(Status::bad_request(
                        "fieldSelector metadata.name doesn't match requested name",
                    ));
                }
            }
        }
        Ok(Selection { labels, fields })
    }

    /// Whether everything is selected.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Object) -> bool {
        let projection = object.projection();
        self.fields.iter().all(|(place, value, equal)| {
            let actual = match place {
                Place::Name => object.name(),
                Place::Namespace => object.namespace(),
                Place::Field(index) => projection.field(*index),
            };
            (actual == value) == *equal
        }) && self.labels.matches(|key| projection.label(key))
    }

    fn required(&self, place: Place) -> Option<&str> {
        self.fields
            .iter()
            .find(|(p, _, equal)| *p == place && *equal)
            .map(|(_, value, _)| value.as_str())
    }

    /// The one namespace that can hold what is selected.
    pub fn namespace<'a>(&'a self, requested: &'a str) -> &'a str {
        match requested {
            "" => self.required(Place::Namespace).unwrap_or_default(),
            namespace => namespace,
        }
    }

    /// The one name that can be selected.
    pub fn name(&self) -> Option<&str> {
        self.required(Place::Name)
    }

    /// The narrowest index of a watch.
    pub fn scope(&self, kind: &Kind, requested: &str) -> Scope {
        let namespace = self.namespace(requested);
        match self.name() {
            Some(name) if !kind.resource.namespaced => return Scope::Object(name.into()),
            Some(name) if !namespace.is_empty() => {
                return Scope::Object(kind.key(namespace, name).into());
            }
            _ => {}
        }
        let indexed = kind
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| field.indexed);
        for (index, _) in indexed {
            if let Some(value) = self.required(Place::Field(index)) {
                return Scope::Field(index, value.into());
            }
        }
        if namespace.is_empty() {
            Scope::All
        } else {
            Scope::Namespace(namespace.into())
        }
    }

    /// The posting that holds all that is selected, and the fewest others; none if all objects must be looked at.
    pub fn posting(&self, kind: &Kind, snapshot: &Snapshot) -> Option<String> {
        if !snapshot.is_indexed() {
            return None;
        }
        let labels = self.labels.requirements().iter().filter_map(|r| {
            self.labels
                .required(r.key())
                .map(|value| label_term(r.key(), value))
        });
        let fields = self
            .fields
            .iter()
            .filter_map(|(place, value, equal)| match place {
                Place::Field(index)
                    if *equal && kind.fields.get(*index).is_some_and(|f| f.indexed) =>
                {
                    Some(field_term(*index, value))
                }
                _ => None,
            });
        labels
            .chain(fields)
            .min_by_key(|term| snapshot.count_term(term))
    }
}

fn place(kind: &Kind, label: &str) -> Result<Place, Status> {
    match label {
        "metadata.name" => return Ok(Place::Name),
        "metadata.namespace" => return Ok(Place::Namespace),
        // What clients of the first days call it.
        "spec.host" if kind.is("", "pods") => return Ok(Place::Field(0)),
        _ => {}
    }
    let resource = &kind.resource;
    kind.fields
        .iter()
        .position(|field| field.label == label)
        .map(Place::Field)
        .ok_or_else(|| {
            Status::bad_request(fields::unsupported(
                &resource.group,
                &resource.name,
                &resource.kind,
                &resource.version,
                label,
            ))
        })
}
