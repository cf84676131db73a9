//! What both writers need to agree on: references, and the parameters that OpenAPI 2.0 says once for all operations.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

use super::model::{Dialect, Document, Leaf, Named, Parameter, Schema};

/// Where a type's schema stands.
pub fn type_path(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::V2 => format!("#/definitions/{name}"),
        Dialect::V3 => format!("#/components/schemas/{name}"),
    }
}

/// In OpenAPI 3.0 nothing may stand beside a reference: it is wrapped where something must.
pub fn must_wrap(dialect: Dialect, schema: &Schema<'_>) -> bool {
    let beside =
        !schema.description.is_empty() || schema.default.is_some() || !schema.extensions.is_empty();
    dialect == Dialect::V3 && beside
}

/// The parameters that stand in a document of their own right: those that do not name a kind.
#[derive(Debug, Default)]
pub struct Shared {
    all: Vec<Entry>,
    plain: BTreeMap<Parameter, String>,
    bodies: BTreeMap<(Named, bool), String>,
}

/// One of them.
#[derive(Debug)]
pub struct Entry {
    /// Its name in the document.
    pub key: String,
    /// What it is.
    pub what: What,
}

/// A parameter, or a body: OpenAPI 2.0 has bodies among the parameters.
#[derive(Debug)]
pub enum What {
    /// A parameter.
    Plain(Parameter),
    /// A body of that type, and whether it is required.
    Body(Named, bool),
}

impl Shared {
    /// Those of a document; none in OpenAPI 3.0.
    pub fn of(document: &Document<'_>) -> Shared {
        let mut shared = Shared::default();
        if document.dialect == Dialect::V3 {
            return shared;
        }
        for item in &document.paths {
            item.parameters
                .iter()
                .for_each(|parameter| shared.add_plain(parameter));
            for operation in &item.operations {
                operation
                    .parameters
                    .iter()
                    .for_each(|parameter| shared.add_plain(parameter));
                if let Some((named, required)) = operation.body {
                    shared.add_body(named, required);
                }
            }
        }
        shared.all.sort_by(|a, b| a.key.cmp(&b.key));
        shared
    }

    fn add_plain(&mut self, parameter: &Parameter) {
        // Older kubectl look for the last two in the operations themselves.
        if matches!(
            parameter.name.as_str(),
            "name" | "fieldValidation" | "dryRun"
        ) || self.plain.contains_key(parameter)
        {
            return;
        }
        let key = format!(
            "{}-{}",
            parameter.name,
            hash(&[parameter.place(), parameter.kind])
        );
        self.plain.insert(parameter.clone(), key.clone());
        self.all.push(Entry {
            key,
            what: What::Plain(parameter.clone()),
        });
    }

    fn add_body(&mut self, named: Named, required: bool) {
        // A patch, or the options of a delete, which alone may be left out: any other body names a kind.
        let is_generic = named == Named::Leaf(Leaf::Patch) || !required;
        if !is_generic || self.bodies.contains_key(&(named, required)) {
            return;
        }
        let key = format!(
            "body-{}",
            hash(&[if required { "required" } else { "optional" }])
        );
        self.bodies.insert((named, required), key.clone());
        self.all.push(Entry {
            key,
            what: What::Body(named, required),
        });
    }

    /// All of them, sorted by name.
    pub fn parameters(&self) -> &[Entry] {
        &self.all
    }

    /// The name of a shared parameter.
    pub fn plain(&self, parameter: &Parameter) -> Option<&str> {
        self.plain.get(parameter).map(String::as_str)
    }

    /// The name of a shared body.
    pub fn body(&self, named: Named, required: bool) -> Option<&str> {
        self.bodies.get(&(named, required)).map(String::as_str)
    }
}

/// Eight characters that tell parameters of one name apart, in the form of upstream's.
fn hash(parts: &[&str]) -> String {
    // FNV-1, 64 bits.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.join(" ").bytes() {
        hash = hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
    }
    URL_SAFE.encode(&hash.to_be_bytes()[..6])
}
