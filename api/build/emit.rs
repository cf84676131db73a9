//! Writes the views as Rust.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;

use crate::names::{constant, method, place, snake};
use crate::table::{Field, Message, Shape};

/// The messages that get views: those of stable versions, which components and rules are written against, and what they hold.
/// Other beta and alpha objects are reached by schema.
fn selected(messages: &[Message]) -> HashSet<&str> {
    let by_name: HashMap<&str, &Message> = messages
        .iter()
        .map(|message| (message.name.as_str(), message))
        .collect();
    let mut selected = HashSet::new();
    let mut open: Vec<&str> = by_name
        .keys()
        .copied()
        .filter(|name| matches!(place(name).1, "v1" | "v2"))
        .collect();
    while let Some(name) = open.pop() {
        if selected.insert(name) {
            open.extend(
                by_name[name]
                    .fields
                    .iter()
                    .filter_map(|field| target(&field.shape)),
            );
        }
    }
    selected
}

/// The message type that a shape ends in.
fn target(shape: &Shape) -> Option<&str> {
    match shape {
        Shape::Leaf(_) => None,
        Shape::Message(name) => Some(name),
        Shape::List(inner) | Shape::Map(inner) => target(inner),
    }
}

/// Messages with their ids.
type Numbered<'a> = Vec<(usize, &'a Message)>;

pub fn views(messages: &[Message]) -> String {
    let selected = selected(messages);
    let mut modules: BTreeMap<&str, BTreeMap<&str, Numbered<'_>>> = BTreeMap::new();
    for (id, message) in messages.iter().enumerate() {
        let (group, version, _) = place(&message.name);
        if selected.contains(message.name.as_str()) {
            modules
                .entry(group)
                .or_default()
                .entry(version)
                .or_default()
                .push((id, message));
        }
    }
    let mut out = String::new();
    for (group, versions) in modules {
        line(&mut out, &format!("/// Views of the `{group}` group."));
        line(&mut out, &format!("pub mod {group} {{"));
        for (version, messages) in versions {
            line(
                &mut out,
                &format!(
                    "/// Views of `{group}` in version `{version}`: generated from `schema/types.txt`."
                ),
            );
            line(
                &mut out,
                "#[allow(missing_docs, clippy::all, rustdoc::all)]",
            );
            line(&mut out, &format!("pub mod {version} {{"));
            line(
                &mut out,
                "use crate::schema::{FieldId, TypeId};\nuse crate::tree::{Ref, RefMut, Tree};\nuse crate::view as v;",
            );
            for (id, message) in messages {
                emit(&mut out, id, message);
            }
            line(&mut out, "}");
        }
        line(&mut out, "}");
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn emit(out: &mut String, id: usize, message: &Message) {
    let (_, _, ty) = place(&message.name);
    let mut constants = String::new();
    let mut getters = Methods::default();
    let mut setters = Methods::default();
    for (index, field) in message.fields.iter().enumerate() {
        let name = snake(&field.name);
        let _ = writeln!(
            constants,
            "pub const {}: FieldId = FieldId({index});",
            constant(&name)
        );
        getter(&mut getters, field, &name, index);
        mutators(&mut setters, field, &name, index);
    }
    let _ = writeln!(
        out,
        "/// `{full}`.\n\
         #[derive(Clone, Copy)]\n\
         pub struct {ty}<'a>(Option<Ref<'a>>);\n\
         impl {ty}<'_> {{ pub const TYPE: TypeId = TypeId({id});\n{constants}}}\n\
         impl<'a> {ty}<'a> {{\n\
         /// The root of a tree of this type.\n\
         #[inline] pub fn of(tree: &'a Tree) -> Self {{ {ty}(v::root(tree, Self::TYPE)) }}\n{getters}}}\n\
         v::view!({ty}, {ty}Mut);\n\
         /// `{full}`, to be changed.\n\
         pub struct {ty}Mut<'a>(RefMut<'a>);\n\
         impl<'a> {ty}Mut<'a> {{\n\
         /// The root of a tree of this type.\n\
         #[inline] pub fn of(tree: &'a mut Tree) -> Self {{ {ty}Mut(v::root_mut(tree, {ty}::TYPE)) }}\n{setters}}}",
        full = message.name,
        getters = getters.text,
        setters = setters.text,
    );
}

/// Methods of one type; two of one name are an error in the table or in the naming.
#[derive(Default)]
struct Methods {
    text: String,
    names: HashSet<String>,
}

impl Methods {
    fn add(&mut self, doc: &str, name: &str, rest: &str) {
        assert!(self.names.insert(name.to_owned()), "two methods {name}");
        if !doc.is_empty() {
            let _ = writeln!(self.text, "/// {doc}");
        }
        let _ = writeln!(self.text, "#[inline] pub fn {name}{rest}");
    }
}

fn getter(out: &mut Methods, field: &Field, name: &str, index: usize) {
    let element = element(&field.shape);
    let view = view(&field.shape, "'a");
    let optional = field.pointer
        || matches!(
            field.shape,
            Shape::Leaf("time" | "microtime" | "raw" | "fieldsv1" | "json")
        );
    let (result, reader) = if optional {
        (format!("Option<{view}>"), "optional")
    } else {
        (view, "value")
    };
    out.add(
        &format!("`{}`.", field.name),
        &method(name),
        &format!("(self) -> {result} {{ v::{reader}::<{element}>(self.0, FieldId({index})) }}"),
    );
    out.add(
        "",
        &format!("has_{name}"),
        &format!("(self) -> bool {{ v::has(self.0, FieldId({index})) }}"),
    );
}

fn mutators(out: &mut Methods, field: &Field, name: &str, index: usize) {
    let element_type = element(&field.shape);
    let parameter = view(&field.shape, "'_");
    let id = format!("FieldId({index})");
    out.add(
        &format!("Sets `{}`.", field.name),
        &format!("set_{name}"),
        &format!("(&mut self, value: {parameter}) {{ v::set::<{element_type}>(&mut self.0, {id}, value) }}"),
    );
    out.add(
        "",
        &format!("remove_{name}"),
        &format!("(&mut self) -> bool {{ v::remove(&mut self.0, {id}) }}"),
    );
    match &field.shape {
        Shape::Leaf(_) => out.add(
            &format!("Sets `{}` if it is absent: tells whether it was.", field.name),
            &format!("default_{name}"),
            &format!("(&mut self, value: {parameter}) -> bool {{ v::default::<{element_type}>(&mut self.0, {id}, value) }}"),
        ),
        Shape::Message(target) => out.add(
            &format!("`{}`, made where it is absent.", field.name),
            &format!("{name}_mut"),
            &format!("(&mut self) -> {0}<'_> {{ {0}::from(v::child_mut(&mut self.0, {id})) }}", mutable(target)),
        ),
        Shape::Map(value) => out.add(
            &format!("`{}`, made where it is absent.", field.name),
            &format!("{name}_mut"),
            &format!("(&mut self) -> v::MapMut<'_, {0}> {{ v::map_mut::<{0}>(&mut self.0, {id}) }}", element(value)),
        ),
        Shape::List(inner) => {
            let inner_element = element(inner);
            match &**inner {
                Shape::Message(target) => {
                    let target = mutable(target);
                    out.add(
                        &format!("An element of `{}`, by its place; panics beyond the end.", field.name),
                        &format!("{name}_mut"),
                        &format!("(&mut self, at: usize) -> {target}<'_> {{ {target}::from(v::element_mut(&mut self.0, {id}, at)) }}"),
                    );
                    out.add(
                        &format!("Appends an empty element to `{}`.", field.name),
                        &format!("push_{name}"),
                        &format!("(&mut self) -> {target}<'_> {{ {target}::from(v::push_mut(&mut self.0, {id})) }}"),
                    );
                }
                _ => out.add(
                    &format!("Appends to `{}`.", field.name),
                    &format!("push_{name}"),
                    &format!("(&mut self, value: {}) {{ v::push::<{inner_element}>(&mut self.0, {id}, value) }}", view(inner, "'_")),
                ),
            }
            out.add(
                &format!("Keeps the elements of `{}` for which `keep` holds.", field.name),
                &format!("retain_{name}"),
                &format!(
                    "(&mut self, keep: impl FnMut({}) -> bool) {{ v::retain::<{inner_element}>(&mut self.0, {id}, keep) }}",
                    view(inner, "'_"),
                ),
            );
        }
    }
}

fn path(message: &str) -> String {
    let (group, version, ty) = place(message);
    format!("crate::{group}::{version}::{ty}")
}

fn mutable(message: &str) -> String {
    format!("{}Mut", path(message))
}

/// The marker by which the functions of `view` know what a field holds.
fn element(shape: &Shape) -> String {
    match shape {
        Shape::Leaf(leaf) => match *leaf {
            "string" => "str",
            "int32" => "i32",
            "int64" => "i64",
            "double" => "f64",
            "bytes" => "[u8]",
            "quantity" => "crate::Quantity",
            "intorstring" => "crate::IntOrString",
            "time" => "crate::Time",
            "microtime" => "crate::MicroTime",
            "duration" => "crate::Duration",
            "raw" | "fieldsv1" => "v::Raw",
            "json" => "v::Json",
            other => other,
        }
        .to_owned(),
        _ => view(shape, "'_"),
    }
}

/// What a getter answers and a setter takes.
fn view(shape: &Shape, lifetime: &str) -> String {
    match shape {
        Shape::Leaf("string") => format!("&{lifetime} str"),
        Shape::Leaf("bytes" | "raw" | "fieldsv1") => format!("&{lifetime} [u8]"),
        Shape::Leaf("json") => format!("Ref<{lifetime}>"),
        Shape::Leaf(_) => element(shape),
        Shape::Message(name) => format!("{}<{lifetime}>", path(name)),
        Shape::List(inner) => format!("v::List<{lifetime}, {}>", parameter(inner, lifetime)),
        Shape::Map(inner) => format!("v::MapRef<{lifetime}, {}>", parameter(inner, lifetime)),
    }
}

/// A marker inside of a list or map.
fn parameter(shape: &Shape, lifetime: &str) -> String {
    match shape {
        Shape::Leaf(_) => element(shape),
        _ => view(shape, lifetime),
    }
}
