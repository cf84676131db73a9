//! The parameters of operations: the fields of upstream's option types.

use api::Schema;
use api::schema::{Scalar, Shape};

use super::model::Parameter;

/// The query parameters that an option type stands for, sorted by name. Fields that are no scalars travel in bodies only.
pub fn of_options(schema: &Schema, ty: &str) -> Vec<Parameter> {
    let Some(id) = schema.type_by_name(ty) else {
        return Vec::new();
    };
    let fields = schema
        .ty(id)
        .fields
        .iter()
        .filter(|f| !matches!(f.name.as_str(), "kind" | "apiVersion"));
    let mut found: Vec<Parameter> = fields
        .filter_map(|f| kind(&f.shape).map(|kind| query(&f.name, kind)))
        .collect();
    found.sort();
    found
}

fn kind(shape: &Shape) -> Option<&'static str> {
    match shape {
        Shape::Scalar(Scalar::String) => Some("string"),
        Shape::Scalar(Scalar::Bool) => Some("boolean"),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64) => Some("integer"),
        // Repeated: `command=ls&command=-l`.
        Shape::List(element) => kind(element),
        _ => None,
    }
}

/// A query parameter.
pub fn query(name: &str, kind: &'static str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        in_path: false,
        kind,
    }
}

/// A parameter of the path.
pub fn in_path(name: &str) -> Parameter {
    Parameter {
        name: name.to_owned(),
        in_path: true,
        kind: "string",
    }
}

/// What is shared by all operations of a path is said once, at the path.
pub fn hoist<'a>(
    lists: impl Iterator<Item = &'a mut Vec<Parameter>>,
    of_path: &mut Vec<Parameter>,
) {
    let mut lists: Vec<&mut Vec<Parameter>> = lists.collect();
    let Some((first, rest)) = lists.split_first() else {
        return;
    };
    let shared: Vec<Parameter> = first
        .iter()
        .filter(|p| rest.iter().all(|list| list.contains(p)))
        .cloned()
        .collect();
    for list in &mut lists {
        list.retain(|p| !shared.contains(p));
    }
    of_path.extend(shared);
    of_path.sort_by(|a, b| (&a.name, !a.in_path).cmp(&(&b.name, !b.in_path)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[Parameter]) -> Vec<&str> {
        list.iter().map(|p| p.name.as_str()).collect()
    }

    #[test]
    fn option_types_become_parameters() {
        let update = of_options(Schema::builtin(), "meta/v1.UpdateOptions");
        assert_eq!(
            names(&update),
            ["dryRun", "fieldManager", "fieldValidation"]
        );
        let exec = of_options(Schema::builtin(), "core/v1.PodExecOptions");
        assert_eq!(
            names(&exec),
            ["command", "container", "stderr", "stdin", "stdout", "tty"]
        );
        assert_eq!(exec[0].kind, "string");
    }

    #[test]
    fn what_all_operations_share_moves_to_the_path() {
        let (pretty, force) = (query("pretty", "string"), query("force", "boolean"));
        let (mut a, mut b) = (vec![pretty.clone(), force.clone()], vec![pretty.clone()]);
        let mut path = vec![in_path("name")];
        hoist([&mut a, &mut b].into_iter(), &mut path);
        assert_eq!(
            (names(&a), names(&b), names(&path)),
            (vec!["force"], vec![], vec!["name", "pretty"])
        );
    }
}
