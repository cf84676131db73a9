//! OpenAPI 3.0 as protobuf: gnostic's `openapi.v3.Document`.

use super::model::{
    Content, Dialect, Document, Extension, Method, Named, Operation, Parameter, PathItem, Schema,
    words,
};
use super::names::Names;
use super::proto::Proto;
use super::shared::{must_wrap, type_path};
use super::yaml;

/// Writes a document.
pub fn write(document: &Document<'_>, names: &Names) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 << 10);
    let writer = Writer { names };
    let mut proto = Proto::new(&mut out);
    proto.text(1, "3.0.0");
    proto.message(2, |info| {
        info.text(1, words::TITLE);
        info.text(6, words::VERSION);
    });
    proto.message(4, |paths| {
        document
            .paths
            .iter()
            .for_each(|item| paths.named(1, &item.path, |p| writer.item(item, p)))
    });
    proto.message(5, |components| {
        if !document.types.is_empty() {
            components.message(1, |types| {
                document.types.iter().for_each(|(name, schema)| {
                    types.named(1, name, |p| writer.schema_or_reference(schema, p));
                });
            });
        }
        components.message(7, |schemes| {
            schemes.named(1, words::SECURITY, |item| {
                item.message(1, |scheme| {
                    scheme.text(1, "apiKey");
                    scheme.text(2, words::SECURITY_DESCRIPTION);
                    scheme.text(3, "authorization");
                    scheme.text(4, "header");
                });
            });
        });
    });
    out
}

struct Writer<'a> {
    names: &'a Names,
}

const fn method_field(method: Method) -> u32 {
    match method {
        Method::Get => 4,
        Method::Put => 5,
        Method::Post => 6,
        Method::Delete => 7,
        Method::Options => 8,
        Method::Head => 9,
        Method::Patch => 10,
    }
}

impl Writer<'_> {
    fn item(&self, item: &PathItem, p: &mut Proto<'_>) {
        for operation in &item.operations {
            p.message(method_field(operation.method), |p| {
                self.operation(operation, p)
            });
        }
        parameters(13, &item.parameters, p);
    }

    fn operation(&self, operation: &Operation, p: &mut Proto<'_>) {
        p.element(1, &operation.tag);
        p.text(5, &operation.id);
        parameters(6, &operation.parameters, p);
        if let Some((named, required)) = operation.body {
            p.message(7, |body| {
                body.message(1, |body| {
                    body.message(2, |media| {
                        self.media(operation.consumes, Content::Type(named), media)
                    });
                    body.flag(3, required);
                });
            });
        }
        p.message(8, |responses| {
            for (code, content) in &operation.responses {
                self.response(*code, Some((operation.produces, *content)), responses);
            }
            self.response(401, None, responses);
        });
        if !operation.action.is_empty() {
            p.named(13, "x-kubernetes-action", |any| {
                any.text(2, &yaml::text(operation.action))
            });
        }
        if let Some(kind) = &operation.kind {
            let text = yaml::extension(&Extension::Kind(kind));
            p.named(13, "x-kubernetes-group-version-kind", |any| {
                any.text(2, &text)
            });
        }
    }

    fn response(&self, code: u16, content: Option<(&[&str], Content)>, p: &mut Proto<'_>) {
        p.named(2, &code.to_string(), |value| {
            value.message(1, |response| {
                response.text(1, words::code(code));
                if let Some((types, content)) = content {
                    response.message(3, |media| self.media(types, content, media));
                }
            });
        });
    }

    fn media(&self, types: &[&str], content: Content, p: &mut Proto<'_>) {
        let mut types = types.to_vec();
        types.sort_unstable();
        for media in types {
            p.named(1, media, |value| {
                value.message(1, |schema| match content {
                    Content::Text => schema.message(1, |p| p.text(25, "string")),
                    Content::Type(named) => self.reference(named, schema),
                });
            });
        }
    }

    fn reference(&self, named: Named, p: &mut Proto<'_>) {
        p.message(2, |reference| {
            reference.text(1, &type_path(Dialect::V3, self.names.get(named)))
        });
    }

    /// A reference, where nothing stands beside it; else a schema.
    fn schema_or_reference(&self, schema: &Schema<'_>, p: &mut Proto<'_>) {
        match schema.reference.filter(|_| !must_wrap(Dialect::V3, schema)) {
            Some(named) => self.reference(named, p),
            None => p.message(1, |p| self.schema(schema, p)),
        }
    }

    fn schema(&self, schema: &Schema<'_>, p: &mut Proto<'_>) {
        schema.required.iter().for_each(|name| p.element(23, name));
        schema
            .choices
            .iter()
            .for_each(|value| p.message(24, |any| any.text(2, &yaml::text(value))));
        p.text(25, schema.kind);
        if let Some(named) = schema.reference {
            p.message(26, |p| self.reference(named, p));
        }
        schema
            .one_of
            .iter()
            .for_each(|kind| p.message(27, |item| item.message(1, |p| p.text(25, kind))));
        if let Some(items) = &schema.items {
            p.message(30, |item| {
                item.message(1, |p| self.schema_or_reference(items, p))
            });
        }
        if !schema.properties.is_empty() {
            p.message(31, |properties| {
                for (name, field) in &schema.properties {
                    properties.named(1, name, |p| self.schema_or_reference(field, p));
                }
            });
        }
        if let Some(values) = &schema.values {
            p.message(32, |item| {
                item.message(1, |p| self.schema_or_reference(values, p))
            });
        }
        if let Some(default) = schema.default {
            p.message(33, |p| default_value(default, p));
        }
        p.text(34, schema.description);
        p.text(35, schema.format);
        for (name, extension) in &schema.extensions {
            p.named(36, name, |any| any.text(2, &yaml::extension(extension)));
        }
    }
}

/// gnostic knows numbers, booleans and texts; of any other default it says only that there is one.
fn default_value(json: &str, p: &mut Proto<'_>) {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::Number(number)) => p.double(1, number.as_f64().unwrap_or_default()),
        Ok(serde_json::Value::Bool(value)) => p.varint(2, u64::from(value)),
        Ok(serde_json::Value::String(text)) => p.element(3, &text),
        _ => {}
    }
}

fn parameters(field: u32, parameters: &[Parameter], p: &mut Proto<'_>) {
    for parameter in parameters {
        p.message(field, |item| {
            item.message(1, |p| {
                p.text(1, &parameter.name);
                p.text(2, parameter.place());
                p.flag(4, parameter.in_path);
                p.message(10, |schema| {
                    schema.message(1, |p| {
                        p.flag(20, true);
                        p.text(25, parameter.kind);
                    });
                });
            });
        });
    }
}
