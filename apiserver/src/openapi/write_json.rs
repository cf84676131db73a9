//! Documents as JSON, in both versions of OpenAPI.

use api::schema::GroupVersionKind;

use super::json::Json;
use super::model::{
    Content, Dialect, Document, Extension, Named, Operation, Parameter, PathItem, Schema, words,
};
use super::names::Names;
use super::shared::{self, Shared};

/// Writes a document.
pub fn write(document: &Document<'_>, names: &Names) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 << 10);
    let writer = Writer {
        names,
        dialect: document.dialect,
        shared: Shared::of(document),
    };
    Json::object(&mut out, |json| match document.dialect {
        Dialect::V2 => writer.v2(document, json),
        Dialect::V3 => writer.v3(document, json),
    });
    out
}

struct Writer<'a> {
    names: &'a Names,
    dialect: Dialect,
    shared: Shared,
}

fn info(json: &mut Json<'_>) {
    json.field("info", |info| {
        info.text("title", words::TITLE);
        info.text("version", words::VERSION);
    });
}

fn security(json: &mut Json<'_>) {
    json.field(words::SECURITY, |scheme| {
        scheme.text("type", "apiKey");
        scheme.text("description", words::SECURITY_DESCRIPTION);
        scheme.text("name", "authorization");
        scheme.text("in", "header");
    });
}

impl Writer<'_> {
    fn v2(&self, document: &Document<'_>, json: &mut Json<'_>) {
        json.text("swagger", "2.0");
        info(json);
        self.paths(document, json);
        json.field("definitions", |types| self.types(document, types));
        json.field("parameters", |list| {
            for parameter in self.shared.parameters() {
                list.field(&parameter.key, |json| match &parameter.what {
                    shared::What::Body(named, required) => {
                        self.body_parameter(*named, *required, json)
                    }
                    shared::What::Plain(plain) => self.plain_parameter(plain, json),
                });
            }
        });
        json.field("securityDefinitions", security);
        json.list("security", |list| {
            list.push(|json| json.list(words::SECURITY, |_| {}))
        });
    }

    fn v3(&self, document: &Document<'_>, json: &mut Json<'_>) {
        json.text("openapi", "3.0.0");
        info(json);
        self.paths(document, json);
        json.field("components", |components| {
            if !document.types.is_empty() {
                components.field("schemas", |types| self.types(document, types));
            }
            components.field("securitySchemes", security);
        });
    }

    fn paths(&self, document: &Document<'_>, json: &mut Json<'_>) {
        json.field("paths", |paths| {
            for item in &document.paths {
                paths.field(&item.path, |json| self.item(item, json));
            }
        });
    }

    fn types(&self, document: &Document<'_>, json: &mut Json<'_>) {
        for (name, schema) in &document.types {
            json.field(name, |json| self.schema(schema, json));
        }
    }

    fn item(&self, item: &PathItem, json: &mut Json<'_>) {
        for operation in &item.operations {
            json.field(operation.method.as_str(), |json| {
                self.operation(operation, json)
            });
        }
        if !item.parameters.is_empty() {
            json.list("parameters", |list| self.parameters(&item.parameters, list));
        }
    }

    fn operation(&self, operation: &Operation, json: &mut Json<'_>) {
        let v2 = self.dialect == Dialect::V2;
        if v2 {
            json.texts("consumes", operation.consumes);
            json.texts("produces", operation.produces);
            json.texts("schemes", ["https"]);
        }
        json.texts("tags", [&operation.tag]);
        json.text("operationId", &operation.id);
        if v2 && (operation.body.is_some() || !operation.parameters.is_empty()) {
            json.list("parameters", |list| {
                if let Some((named, required)) = operation.body {
                    match self.shared.body(named, required) {
                        Some(key) => self.reference(key, list),
                        None => list.push(|json| self.body_parameter(named, required, json)),
                    }
                }
                self.parameters(&operation.parameters, list);
            });
        } else if !operation.parameters.is_empty() {
            json.list("parameters", |list| {
                self.parameters(&operation.parameters, list)
            });
        }
        if let Some((named, required)) = operation.body.filter(|_| !v2) {
            json.field("requestBody", |body| {
                body.field("content", |content| {
                    self.media(operation.consumes, Content::Type(named), content)
                });
                body.flag("required", required);
            });
        }
        json.field("responses", |responses| {
            for (code, content) in &operation.responses {
                responses.field(&code.to_string(), |json| {
                    json.text("description", words::code(*code));
                    match self.dialect {
                        Dialect::V2 => json.field("schema", |json| self.content(*content, json)),
                        Dialect::V3 => {
                            json.field("content", |json| {
                                self.media(operation.produces, *content, json)
                            });
                        }
                    }
                });
            }
            responses.field("401", |json| json.text("description", words::code(401)));
        });
        json.text("x-kubernetes-action", operation.action);
        if let Some(kind) = &operation.kind {
            json.field("x-kubernetes-group-version-kind", |json| {
                group_version_kind(kind, json)
            });
        }
    }

    fn media(&self, types: &[&str], content: Content, json: &mut Json<'_>) {
        let mut types = types.to_vec();
        types.sort_unstable();
        for media in types {
            json.field(media, |json| {
                json.field("schema", |json| self.content(content, json))
            });
        }
    }

    fn content(&self, content: Content, json: &mut Json<'_>) {
        match content {
            Content::Text => json.text("type", "string"),
            Content::Type(named) => self.type_reference(named, json),
        }
    }

    fn reference(&self, key: &str, list: &mut Json<'_>) {
        list.push(|json| json.text("$ref", &format!("#/parameters/{key}")));
    }

    fn parameters(&self, parameters: &[Parameter], list: &mut Json<'_>) {
        for parameter in parameters {
            match self.shared.plain(parameter) {
                Some(key) if self.dialect == Dialect::V2 => self.reference(key, list),
                _ => list.push(|json| self.plain_parameter(parameter, json)),
            }
        }
    }

    fn plain_parameter(&self, parameter: &Parameter, json: &mut Json<'_>) {
        json.text("name", &parameter.name);
        json.text("in", parameter.place());
        json.flag("required", parameter.in_path);
        let typed = |json: &mut Json<'_>| {
            json.text("type", parameter.kind);
            json.flag("uniqueItems", true);
        };
        match self.dialect {
            Dialect::V2 => typed(json),
            Dialect::V3 => json.field("schema", typed),
        }
    }

    fn body_parameter(&self, named: Named, required: bool, json: &mut Json<'_>) {
        json.text("name", "body");
        json.text("in", "body");
        json.flag("required", required);
        json.field("schema", |json| self.type_reference(named, json));
    }

    fn type_reference(&self, named: Named, json: &mut Json<'_>) {
        json.text(
            "$ref",
            &shared::type_path(self.dialect, self.names.get(named)),
        );
    }

    fn schema(&self, schema: &Schema<'_>, json: &mut Json<'_>) {
        json.text("description", schema.description);
        json.text("type", schema.kind);
        json.text("format", schema.format);
        if let Some(named) = schema.reference {
            match shared::must_wrap(self.dialect, schema) {
                true => json.list("allOf", |list| {
                    list.push(|json| self.type_reference(named, json))
                }),
                false => self.type_reference(named, json),
            }
        }
        if !schema.one_of.is_empty() {
            json.list("oneOf", |list| {
                schema
                    .one_of
                    .iter()
                    .for_each(|kind| list.push(|json| json.text("type", kind)))
            });
        }
        json.texts("required", &schema.required);
        if !schema.properties.is_empty() {
            json.field("properties", |json| {
                for (name, property) in &schema.properties {
                    json.field(name, |json| self.schema(property, json));
                }
            });
        }
        if let Some(items) = &schema.items {
            json.field("items", |json| self.schema(items, json));
        }
        if let Some(values) = &schema.values {
            json.field("additionalProperties", |json| self.schema(values, json));
        }
        if let Some(default) = schema.default {
            json.raw("default", default);
        }
        json.texts("enum", schema.choices);
        for (name, extension) in &schema.extensions {
            write_extension(name, extension, json);
        }
    }
}

fn group_version_kind(kind: &GroupVersionKind, json: &mut Json<'_>) {
    json.any_text("group", &kind.group);
    json.any_text("kind", &kind.kind);
    json.any_text("version", &kind.version);
}

fn write_extension(name: &str, extension: &Extension<'_>, json: &mut Json<'_>) {
    match extension {
        Extension::Text(text) => json.text(name, text),
        Extension::Texts(texts) => json.texts(name, texts),
        Extension::Kind(kind) => json.field(name, |json| group_version_kind(kind, json)),
        Extension::Kinds(kinds) => {
            json.list(name, |list| {
                kinds
                    .iter()
                    .for_each(|kind| list.push(|json| group_version_kind(kind, json)))
            });
        }
        Extension::Union(union) => json.list(name, |list| {
            list.push(|json| {
                json.text("discriminator", union.discriminator);
                json.field("fields-to-discriminateBy", |json| {
                    union
                        .fields
                        .iter()
                        .for_each(|(field, value)| json.text(field, value));
                });
            });
        }),
    }
}
