//! The walk: which message types have rules, and which fields lead to them.

use std::sync::LazyLock;

use super::{RULES, Rule};
use crate::Quantity;
use crate::schema::{FieldId, Scalar, Schema, SchemaRef, Shape, Type, TypeId};
use crate::tree::{Kind, Ref, RefMut, Tree, Value};

static DEFAULTS: LazyLock<Plan> = LazyLock::new(|| Plan::new(Schema::builtin(), RULES));

/// What there is to do in each message type of a schema, by [`TypeId`].
pub(super) struct Plan {
    steps: Vec<Step>,
}

/// What there is to do in one message type.
#[derive(Default)]
struct Step {
    rule: Option<fn(RefMut<'_>)>,
    declared: Vec<(FieldId, Leaf)>,
    /// Fields below which there is something to do.
    children: Vec<Child>,
}

impl Step {
    fn is_idle(&self) -> bool {
        self.rule.is_none() && self.declared.is_empty() && self.children.is_empty()
    }
}

struct Child {
    field: FieldId,
    /// A by-value message that becomes something even when the author left it out.
    grows: bool,
}

/// A default which the schema declares.
#[derive(Clone)]
enum Leaf {
    Bool(bool),
    Int(i64),
    Str(String),
}

impl Leaf {
    fn of(shape: &Shape, by_value: bool, json: &str) -> Option<Leaf> {
        let Shape::Scalar(scalar) = shape else {
            return None;
        };
        let leaf = match scalar {
            Scalar::Bool => Leaf::Bool(json == "true"),
            Scalar::Int32 | Scalar::Int64 => Leaf::Int(json.parse().ok()?),
            // The table's defaults hold no escapes; a test reads them all.
            Scalar::String => Leaf::Str(json.strip_prefix('"')?.strip_suffix('"')?.to_owned()),
            _ => return None,
        };
        (!by_value || !leaf.is_zero()).then_some(leaf)
    }

    fn is_zero(&self) -> bool {
        match self {
            Leaf::Bool(value) => !value,
            Leaf::Int(value) => *value == 0,
            Leaf::Str(text) => text.is_empty(),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Leaf::Bool(value) => Value::Bool(*value),
            Leaf::Int(value) => Value::Int(*value),
            Leaf::Str(text) => Value::Str(text),
        }
    }
}

impl Plan {
    /// The plan that fills in defaults; none where there are no rules for the tree's schema.
    pub(super) fn defaults(tree: &Tree) -> Option<&'static Plan> {
        is_builtin(tree).then(|| &*DEFAULTS)
    }

    fn new(schema: &Schema, rules: &[&[Rule]]) -> Plan {
        let declare = |ty: &Type| -> Vec<(FieldId, Leaf)> {
            let fields = ty.fields.iter().enumerate();
            fields
                .filter_map(|(at, field)| {
                    let json = field.default.as_deref()?;
                    let leaf = Leaf::of(&field.shape, field.is_value(), json)?;
                    Some((FieldId(at as u16), leaf))
                })
                .collect()
        };
        let steps = schema.types().map(|(id, ty)| {
            let mut rules = rules.iter().copied().flatten();
            Step {
                rule: rules.find(|rule: &&Rule| rule.0 == id).map(|rule| rule.1),
                declared: declare(ty),
                children: Vec::new(),
            }
        });
        let mut plan = Plan {
            steps: steps.collect(),
        };
        plan.connect(schema);
        plan.find_growing(schema);
        plan
    }

    /// Adds the fields that lead to something, until none is missing.
    fn connect(&mut self, schema: &Schema) {
        loop {
            let mut changed = false;
            for (id, ty) in schema.types() {
                for (at, field) in ty.fields.iter().enumerate() {
                    let field_id = FieldId(at as u16);
                    let step = &self.steps[usize::from(id.0)];
                    let known = step.children.iter().any(|child| child.field == field_id);
                    if !known && self.leads_to_something(&field.shape) {
                        self.steps[usize::from(id.0)].children.push(Child {
                            field: field_id,
                            grows: false,
                        });
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    fn leads_to_something(&self, shape: &Shape) -> bool {
        match shape {
            Shape::Scalar(_) => false,
            Shape::Message(id) => !self.steps[usize::from(id.0)].is_idle(),
            Shape::List(inner) => self.leads_to_something(inner),
            Shape::Map(inner) => {
                **inner == Shape::Scalar(Scalar::Quantity) || self.leads_to_something(inner)
            }
        }
    }

    /// Finds the by-value messages that do not stay empty: a pod without `spec` has a restart policy all the same. By-value
    /// messages do not contain themselves, so this ends after as many rounds as they nest.
    fn find_growing(&mut self, schema: &Schema) {
        loop {
            let mut found = Vec::new();
            for (id, ty) in schema.types() {
                for (at, child) in self.steps[usize::from(id.0)].children.iter().enumerate() {
                    let field = ty.field_at(child.field);
                    if let Shape::Message(inner) = field.shape
                        && !field.pointer
                        && !child.grows
                    {
                        let mut empty = Tree::new(inner);
                        self.apply(empty.root_mut());
                        if !empty.root().is_empty() {
                            found.push((id, at));
                        }
                    }
                }
            }
            if found.is_empty() {
                return;
            }
            for (id, at) in found {
                self.steps[usize::from(id.0)].children[at].grows = true;
            }
        }
    }

    /// Runs the rule of a message, then those of what it holds.
    pub(super) fn apply(&self, mut node: RefMut<'_>) {
        let Some(ty) = node.as_ref().type_id() else {
            return;
        };
        let step = &self.steps[usize::from(ty.0)];
        if let Some(rule) = step.rule {
            rule(node.reborrow());
        }
        for (field, leaf) in &step.declared {
            if node.as_ref().field(*field).is_none() {
                node.set(*field, leaf.value());
            }
        }
        for child in &step.children {
            if let Some(field) = node.field(child.field) {
                self.descend(field);
            } else if child.grows {
                self.apply(node.ensure(child.field));
            }
        }
    }

    fn descend(&self, mut node: RefMut<'_>) {
        match node.as_ref().kind() {
            Kind::Message => self.apply(node),
            Kind::List => {
                for at in 0..node.as_ref().len() {
                    if let Some(item) = node.item(at) {
                        self.descend(item);
                    }
                }
            }
            Kind::Map if is_quantities(node.as_ref()) => round_up(&mut node),
            Kind::Map => {
                let keys: Vec<String> = node
                    .as_ref()
                    .entries()
                    .map(|(key, _)| key.to_owned())
                    .collect();
                for key in keys {
                    self.descend(node.entry(&key));
                }
            }
            _ => {}
        }
    }
}

pub(super) fn is_builtin(tree: &Tree) -> bool {
    let builtin = SchemaRef::from(Schema::builtin());
    tree.schema().same(&builtin) && tree.type_id() != TypeId::UNTYPED
}

fn is_quantities(map: Ref<'_>) -> bool {
    map.element_shape() == Some(&Shape::Scalar(Scalar::Quantity))
}

/// Resources are counted in thousandths at the finest.
fn round_up(map: &mut RefMut<'_>) {
    // Canonical text finer than that ends in one of these.
    let finer = |text: &str| text.ends_with(['n', 'u']) || text.contains("e-");
    let fine: Vec<(String, Quantity)> = map
        .as_ref()
        .entries()
        .filter(|(_, value)| value.as_str().is_some_and(finer))
        .filter_map(|(key, value)| Some((key.to_owned(), value.as_quantity()?)))
        .collect();
    for (key, quantity) in fine {
        let rounded = Quantity::new(quantity.milli_value(), -3, quantity.format());
        map.insert(&key, rounded.to_string().as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_of_another_type() {
        let mut types: Vec<TypeId> = RULES.iter().copied().flatten().map(|rule| rule.0).collect();
        let all = types.len();
        types.sort();
        types.dedup();
        assert_eq!(types.len(), all);
    }

    #[test]
    fn every_declared_scalar_default_is_understood() {
        for (_, ty) in Schema::builtin().types() {
            for field in &ty.fields {
                if let (Some(json), Shape::Scalar(_)) = (&field.default, &field.shape) {
                    assert!(!json.contains('\\'), "{} {}", ty.name, field.name);
                    assert!(
                        Leaf::of(&field.shape, false, json).is_some(),
                        "{} {}",
                        ty.name,
                        field.name
                    );
                }
            }
        }
    }
}
