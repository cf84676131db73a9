//! As much of `schema/types.txt` as the views need; the whole of it is read by `src/schema/parse.rs`.

/// A message type; its position in the table is its id.
pub struct Message {
    pub name: String,
    pub fields: Vec<Field>,
}

/// A field; its position in the message is its id.
pub struct Field {
    pub name: String,
    pub shape: Shape,
    pub pointer: bool,
}

pub enum Shape {
    Leaf(&'static str),
    Message(String),
    List(Box<Shape>),
    Map(Box<Shape>),
}

const LEAVES: [&str; 14] = [
    "string",
    "bool",
    "int32",
    "int64",
    "double",
    "bytes",
    "quantity",
    "intorstring",
    "time",
    "microtime",
    "duration",
    "raw",
    "fieldsv1",
    "json",
];

pub fn parse(text: &str) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(rest) = line.strip_prefix("type ") {
            let name = rest.split(' ').next().unwrap_or(rest).to_owned();
            messages.push(Message {
                name,
                fields: Vec::new(),
            });
            continue;
        }
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, _number, shape, flags] = columns.as_slice() else {
            panic!("four columns, not: {line}")
        };
        let field = Field {
            name: (*name).to_owned(),
            shape: parse_shape(shape),
            pointer: flags.split(' ').any(|flag| flag == "ptr"),
        };
        messages
            .last_mut()
            .expect("a field stands below its type")
            .fields
            .push(field);
    }
    messages
}

fn parse_shape(text: &str) -> Shape {
    if let Some(element) = text.strip_prefix("[]").or_else(|| text.strip_prefix("[*]")) {
        return Shape::List(Box::new(parse_shape(element)));
    }
    if let Some(value) = text.strip_prefix("{}") {
        return Shape::Map(Box::new(parse_shape(value)));
    }
    match LEAVES.iter().find(|leaf| **leaf == text) {
        Some(leaf) => Shape::Leaf(leaf),
        None => Shape::Message(text.to_owned()),
    }
}
