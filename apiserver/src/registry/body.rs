//! Request bodies: read up to the limit, decoded once into a tree, unknown and duplicate fields told.

use api::codec::{json, protobuf, yaml};
use api::schema::Schema;
use api::{Tree, TypeId};
use axum::body::Body;
use bytes::Bytes;

use super::kind::{Kind, api_version};
use crate::codec::object::set_kind;
use crate::codec::rendering::Media;
use crate::request::{FieldValidation, MAX_BODY_BYTES, RequestContext, Stage, read_body};
use crate::status::Status;

/// Reads a body.
///
/// # Errors
/// 413 beyond the limit; 500, as upstream, if the client breaks it off.
pub async fn read(cx: &RequestContext, body: Body) -> Result<Bytes, Status> {
    cx.time_async(Stage::ReadBody, read_body(body, MAX_BODY_BYTES))
        .await
}

/// What a body is to be: a kind's object, or that of a subresource.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// API group.
    pub group: &'a str,
    /// API version.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Message type.
    pub type_id: TypeId,
    /// The schema that types it.
    pub schema: &'a api::SchemaRef,
}

impl<'a> Expected<'a> {
    /// An object of `kind`.
    pub fn of(kind: &'a Kind) -> Expected<'a> {
        let r = &kind.resource;
        Expected {
            group: &r.group,
            version: &r.version,
            kind: &r.kind,
            type_id: kind.codec.type_id,
            schema: &kind.codec.schema,
        }
    }

    fn api_version(&self) -> String {
        api_version(self.group, self.version)
    }
}

/// Decodes the body of a create or update into an object of `kind`, with kind and apiVersion set.
///
/// # Errors
/// 400 in upstream's words.
pub fn object(
    cx: &RequestContext,
    kind: &Kind,
    media: Media,
    body: Bytes,
    validation: FieldValidation,
) -> Result<Tree, Status> {
    let mut tree = cx.time(Stage::Decode, || {
        decode(cx, Expected::of(kind), media, body, validation)
    })?;
    set_kind(&mut tree, &kind.codec);
    Ok(tree)
}

/// Decodes a body.
///
/// # Errors
/// 400 in upstream's words.
pub fn decode(
    cx: &RequestContext,
    expected: Expected<'_>,
    media: Media,
    body: Bytes,
    validation: FieldValidation,
) -> Result<Tree, Status> {
    let mut strict = json::Strict::new();
    let tree = match media {
        Media::Protobuf => decode_protobuf(expected, body)?,
        Media::Json => decode_json(expected, body.clone(), &body, &mut strict)?,
        Media::Yaml => {
            let json = yaml::to_json(&body, &mut strict)
                .map_err(|e| unrecognized(expected, &e.to_string(), &body))?;
            decode_json(expected, json.into(), &body, &mut strict)?
        }
    };
    report(cx, expected, validation, &strict)?;
    Ok(tree)
}

/// Refuses unknown and duplicate fields, or warns of them.
fn report(
    cx: &RequestContext,
    expected: Expected<'_>,
    validation: FieldValidation,
    strict: &json::Strict,
) -> Result<(), Status> {
    match validation {
        _ if strict.is_empty() => Ok(()),
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            strict
                .errors()
                .iter()
                .for_each(|error| cx.warn(&error.to_string()));
            Ok(())
        }
        FieldValidation::Strict => {
            let all: Vec<String> = strict.errors().iter().map(ToString::to_string).collect();
            Err(unhandled(
                expected,
                expected.kind,
                expected.version,
                &format!("strict decoding error: {}", all.join(", ")),
            ))
        }
    }
}

/// Decodes JSON; `sent` is what the client sent, which may be YAML.
fn decode_json(
    expected: Expected<'_>,
    body: Bytes,
    sent: &[u8],
    strict: &mut json::Strict,
) -> Result<Tree, Status> {
    let meta = json::type_meta(&body).map_err(|e| {
        unrecognized(
            expected,
            &format!("couldn't get version/kind; json parse error: {e}"),
            sent,
        )
    })?;
    check_kind(expected, &meta.api_version, &meta.kind, sent)?;
    json::decode(expected.schema.clone(), expected.type_id, body, strict)
        .map_err(|e| unhandled(expected, expected.kind, expected.version, &e.to_string()))
}

fn decode_protobuf(expected: Expected<'_>, body: Bytes) -> Result<Tree, Status> {
    let unknown = protobuf::unwrap_unknown(&body)
        .map_err(|e| unrecognized(expected, &e.to_string(), &body))?;
    check_kind(expected, &unknown.api_version, &unknown.kind, &body)?;
    protobuf::decode(
        expected.schema.clone(),
        expected.type_id,
        body.slice(unknown.raw),
    )
    .map_err(|e| unhandled(expected, expected.kind, expected.version, &e.to_string()))
}

/// Refuses a body that says that it is something else. What it does not say is taken as expected.
fn check_kind(
    expected: Expected<'_>,
    given_version: &str,
    given_kind: &str,
    body: &[u8],
) -> Result<(), Status> {
    let kind = if given_kind.is_empty() {
        expected.kind
    } else {
        given_kind
    };
    let own = expected.api_version();
    let full = if given_version.is_empty() {
        own.as_str()
    } else {
        given_version
    };
    if full.matches('/').count() > 1 {
        let why = format!("unexpected GroupVersion string: {full}");
        return Err(unrecognized(expected, &why, body));
    }
    let (group, version) = full.split_once('/').unwrap_or(("", full));
    if (group, version, kind) == (expected.group, expected.version, expected.kind) {
        return Ok(());
    }
    let schema = Schema::builtin();
    if schema.type_of_kind(group, version, kind).is_none() {
        let why = format!(
            "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
            api::field::quote(kind),
            api::field::quote(full)
        );
        return Err(unhandled(expected, kind, version, &why));
    }
    if (group, kind) == (expected.group, expected.kind) {
        return Err(Status::bad_request(format!(
            "the API version in the data ({full}) does not match the expected API version ({own})"
        )));
    }
    let internal = match expected.group {
        "" => "core",
        group => group.split('.').next().unwrap_or_default(),
    };
    let why = format!(
        "converting ({version}.{kind}) to ({internal}.{}): unknown conversion",
        expected.kind
    );
    Err(unhandled(expected, kind, version, &why))
}

fn unhandled(expected: Expected<'_>, kind: &str, version: &str, why: &str) -> Status {
    let version = api::field::quote(version);
    Status::bad_request(format!(
        "{kind} in version {version} cannot be handled as a {}: {why}",
        expected.kind
    ))
}

fn unrecognized(expected: Expected<'_>, why: &str, body: &[u8]) -> Status {
    let summary = summarize(body);
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {why} ({summary})",
        expected.kind
    ))
}

/// The beginning of a body, for people.
fn summarize(body: &[u8]) -> String {
    const MAX: usize = 30;
    let start = &body[..body.len().min(MAX)];
    let more = if body.len() > MAX { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(start).into_owned() + more,
        Some(_) => {
            start
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                + more
        }
    }
}
