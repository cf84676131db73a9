//! OpenAPI 2.0 as protobuf: gnostic's `openapi.v2.Document`.

use super::model::{
    Content, Dialect, Document, Method, Named, Operation, Parameter, PathItem, Schema, words,
};
use super::names::Names;
use super::proto::Proto;
use super::shared::{Shared, What, type_path};
use super::yaml;

/// Writes a document.
pub fn write(document: &Document<'_>, names: &Names) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 20);
    let writer = Writer {
        names,
        shared: Shared::of(document),
    };
    let mut proto = Proto::new(&mut out);
    proto.text(1, "2.0");
    proto.message(2, |info| {
        info.text(1, words::TITLE);
        info.text(2, words::VERSION);
    });
    proto.message(8, |paths| {
        document
            .paths
            .iter()
            .for_each(|item| paths.named(2, &item.path, |p| writer.item(item, p)))
    });
    proto.message(9, |types| {
        document
            .types
            .iter()
            .for_each(|(name, schema)| types.named(1, name, |p| writer.schema(schema, p)));
    });
    proto.message(10, |list| {
        for entry in writer.shared.parameters() {
            list.named(1, &entry.key, |p| match &entry.what {
                What::Plain(parameter) => plain(parameter, p),
                What::Body(named, required) => writer.body(*named, *required, p),
            });
        }
    });
    proto.message(12, |security| security.named(1, words::SECURITY, |_| {}));
    proto.message(13, |definitions| {
        definitions.named(1, words::SECURITY, |item| {
            item.message(2, |key| {
                key.text(1, "apiKey");
                key.text(2, "authorization");
                key.text(3, "header");
                key.text(4, words::SECURITY_DESCRIPTION);
            });
        });
    });
    out
}

struct Writer<'a> {
    names: &'a Names,
    shared: Shared,
}

const fn method_field(method: Method) -> u32 {
    match method {
        Method::Get => 2,
        Method::Put => 3,
        Method::Post => 4,
        Method::Delete => 5,
        Method::Options => 6,
        Method::Head => 7,
        Method::Patch => 8,
    }
}

impl Writer<'_> {
    fn item(&self, item: &PathItem, p: &mut Proto<'_>) {
        for operation in &item.operations {
            p.message(method_field(operation.method), |p| {
                self.operation(operation, p)
            });
        }
        self.parameters(9, &item.parameters, p);
    }

    fn operation(&self, operation: &Operation, p: &mut Proto<'_>) {
        p.element(1, &operation.tag);
        p.text(5, &operation.id);
        operation
            .produces
            .iter()
            .for_each(|media| p.element(6, media));
        operation
            .consumes
            .iter()
            .for_each(|media| p.element(7, media));
        if let Some((named, required)) = operation.body {
            match self.shared.body(named, required) {
                Some(key) => reference(8, key, p),
                None => p.message(8, |item| {
                    item.message(1, |parameter| self.body(named, required, parameter))
                }),
            }
        }
        self.parameters(8, &operation.parameters, p);
        p.message(9, |responses| {
            for (code, content) in &operation.responses {
                self.response(*code, Some(*content), responses);
            }
            self.response(401, None, responses);
        });
        p.element(10, "https");
        if !operation.action.is_empty() {
            p.named(13, "x-kubernetes-action", |any| {
                any.text(2, &yaml::text(operation.action))
            });
        }
        if let Some(kind) = &operation.kind {
            let text = yaml::extension(&super::model::Extension::Kind(kind));
            p.named(13, "x-kubernetes-group-version-kind", |any| {
                any.text(2, &text)
            });
        }
    }

    fn response(&self, code: u16, content: Option<Content>, p: &mut Proto<'_>) {
        p.named(1, &code.to_string(), |value| {
            value.message(1, |response| {
                response.text(1, words::code(code));
                match content {
                    None => {}
                    Some(Content::Text) => response.message(2, |item| {
                        item.message(1, |schema| type_of("string", schema))
                    }),
                    Some(Content::Type(named)) => {
                        response.message(2, |item| {
                            item.message(1, |schema| self.type_reference(named, schema))
                        });
                    }
                }
            });
        });
    }

    fn parameters(&self, field: u32, parameters: &[Parameter], p: &mut Proto<'_>) {
        for parameter in parameters {
            match self.shared.plain(parameter) {
                Some(key) => reference(field, key, p),
                None => p.message(field, |item| item.message(1, |p| plain(parameter, p))),
            }
        }
    }

    fn body(&self, named: Named, required: bool, p: &mut Proto<'_>) {
        p.message(1, |body| {
            body.text(2, "body");
            body.text(3, "body");
            body.flag(4, required);
            body.message(5, |schema| self.type_reference(named, schema));
        });
    }

    fn type_reference(&self, named: Named, p: &mut Proto<'_>) {
        p.text(1, &type_path(Dialect::V2, self.names.get(named)));
    }

    fn schema(&self, schema: &Schema<'_>, p: &mut Proto<'_>) {
        if let Some(named) = schema.reference {
            self.type_reference(named, p);
        }
        p.text(2, schema.format);
        p.text(4, schema.description);
        schema.required.iter().for_each(|name| p.element(19, name));
        schema
            .choices
            .iter()
            .for_each(|value| p.message(20, |any| any.text(2, &yaml::text(value))));
        if let Some(values) = &schema.values {
            p.message(21, |item| item.message(1, |p| self.schema(values, p)));
        }
        if !schema.kind.is_empty() {
            type_of(schema.kind, p);
        }
        if let Some(items) = &schema.items {
            p.message(23, |item| item.message(1, |p| self.schema(items, p)));
        }
        if !schema.properties.is_empty() {
            p.message(25, |properties| {
                schema
                    .properties
                    .iter()
                    .for_each(|(name, field)| properties.named(1, name, |p| self.schema(field, p)));
            });
        }
        for (name, extension) in &schema.extensions {
            p.named(31, name, |any| any.text(2, &yaml::extension(extension)));
        }
    }
}

fn type_of(kind: &str, p: &mut Proto<'_>) {
    p.message(22, |item| item.element(1, kind));
}

fn reference(field: u32, key: &str, p: &mut Proto<'_>) {
    p.message(field, |item| {
        item.message(2, |reference| {
            reference.text(1, &format!("#/parameters/{key}"))
        })
    });
}

fn plain(parameter: &Parameter, p: &mut Proto<'_>) {
    // Parameters of the path and of the query have the same fields under other numbers.
    let (which, kind, unique) = if parameter.in_path {
        (4, 5, 19)
    } else {
        (3, 6, 20)
    };
    p.message(2, |other| {
        other.message(which, |p| {
            p.flag(1, parameter.in_path);
            p.text(2, parameter.place());
            p.text(4, &parameter.name);
            p.text(kind, parameter.kind);
            p.flag(unique, true);
        });
    });
}
