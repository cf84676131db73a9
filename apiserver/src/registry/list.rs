//! list: the objects of a resource, in order, as of one revision.

use std::sync::Arc;

use api::codec::json;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use store::Revision;

use super::commit::read_error;
use super::respond::body;
use super::selection::Selection;
use super::{Api, Call, Kind};
use crate::codec::accept::{Accepted, Convert, Target, accepted};
use crate::codec::list::{Items, ListMeta, ListWriter};
use crate::codec::rendering::Shape;
use crate::request::{ListOptions, ResourceVersionMatch, Stage};
use crate::status::{Reason, Status};
use crate::view::{Collection, Object, Snapshot};

/// Answers the selected objects.
pub async fn list(api: &Api, call: &Call<'_>) -> Result<Response<Body>, Status> {
    let accepted = accepted(call.headers, call.raw_query)?;
    let options = ListOptions::parse(&call.cx.query, false)?;
    let kind = call.kind;
    let selection = Selection::parse(kind, &options.label_selector, &options.field_selector, "")?;
    let shape = shape(kind, accepted)?;
    let page = find(api, call, &options, &selection).await?;
    let writer = ListWriter {
        cache: Arc::clone(&api.cache),
        kind: Arc::clone(&kind.codec),
        items: page.items,
        meta: page.meta,
        accepted,
        shape,
        table: api.table(call.cx, kind, accepted)?,
    };
    let content = call.cx.time(Stage::Encode, || writer.into_body())?;
    Ok(body(StatusCode::OK, accepted.media.as_str(), content))
}

fn shape(kind: &Kind, accepted: Accepted) -> Result<Shape, Status> {
    match accepted.convert {
        None
        | Some(Convert {
            target: Target::Table,
            ..
        }) => Ok(Shape::Whole),
        Some(Convert {
            target: Target::MetadataList,
            beta,
        }) => Ok(Shape::Metadata { beta }),
        Some(Convert {
            target: Target::Metadata,
            ..
        }) => Err(Status::new(
            406,
            Reason::NotAcceptable,
            format!(
                "you requested PartialObjectMetadata, but the requested object is a list ({})",
                kind.go_type("List")
            ),
            None,
        )),
    }
}

/// What a list found.
pub struct Page {
    /// The objects.
    pub items: Items,
    /// The list's metadata.
    pub meta: ListMeta,
}

/// Finds the objects of a list.
pub async fn find(
    api: &Api,
    call: &Call<'_>,
    options: &ListOptions,
    selection: &Selection,
) -> Result<Page, Status> {
    let kind = call.kind;
    let collection = kind
        .collection
        .as_ref()
        .ok_or_else(Status::method_not_allowed)?;
    let namespace = selection.namespace(call.namespace());
    // The key that all objects of the list begin with, and that continue tokens leave out.
    let root = if namespace.is_empty() {
        String::new()
    } else {
        format!("{namespace}/")
    };
    let continued = match options.continue_token.as_str() {
        "" => None,
        token => Some(Token::decode(token)?),
    };
    let start = Start::of(options, continued.as_ref())?;
    let (snapshot, revision) = snapshot(api, call, collection, start, continued.as_ref()).await?;
    let from = continued
        .as_ref()
        .map_or_else(|| root.clone(), |token| format!("{root}{}", token.start));
    let limit = match (usize::try_from(options.limit), start) {
        // Upstream's cache pays no heed to a limit here.
        (_, Start::Any) | (Ok(0) | Err(_), _) => usize::MAX,
        (Ok(limit), _) => limit,
    };
    if limit == usize::MAX && selection.is_everything() && continued.is_none() {
        let meta = ListMeta {
            resource_version: revision.to_string(),
            ..ListMeta::default()
        };
        return Ok(Page {
            items: Items::range(snapshot, &root),
            meta,
        });
    }
    let (objects, more) = pick(kind, &snapshot, selection, &root, &from, limit);
    let mut meta = ListMeta {
        resource_version: revision.to_string(),
        ..ListMeta::default()
    };
    if let Some(last) = objects.last().filter(|_| more) {
        let next = format!("{}\0", last.key());
        meta.continue_token = Token::encode(&next[root.len()..], revision);
        if selection.is_everything() {
            meta.remaining = i64::try_from(snapshot.count_from(&next, &root)).ok();
        }
        collection.pin(&snapshot);
    }
    Ok(Page {
        items: Items::Picked(objects.into_iter()),
        meta,
    })
}

/// The first `limit` of the selected objects from `from` on, and whether more come after.
fn pick(
    kind: &Kind,
    snapshot: &Snapshot,
    selection: &Selection,
    root: &str,
    from: &str,
    limit: usize,
) -> (Vec<Arc<Object>>, bool) {
    let mut found: Vec<Arc<Object>> = Vec::new();
    // Whether that was one too many.
    let take = |object: &Arc<Object>| {
        if !selection.matches(object) {
            return false;
        }
        if found.len() == limit {
            return true;
        }
        found.push(Arc::clone(object));
        false
    };
    let single = selection
        .name()
        .filter(|_| !root.is_empty() || !kind.resource.namespaced);
    let more = if let Some(name) = single {
        let key = format!("{root}{name}");
        snapshot
            .get(&key)
            .filter(|_| *key >= *from)
            .is_some_and(take)
    } else if let Some(term) = selection.posting(kind, snapshot) {
        let keys = snapshot.with_term(&term, from);
        keys.iter()
            .take_while(|key| key.starts_with(root))
            .filter_map(|key| snapshot.get(key))
            .any(take)
    } else {
        snapshot
            .from(from)
            .take_while(|object| object.key().starts_with(root))
            .any(take)
    };
    (found, more)
}

/// At which revision a list starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Whatever is at hand.
    Any,
    /// The latest.
    Latest,
    /// That revision, or a later one.
    NotOlderThan(Revision),
    /// Exactly that revision.
    Exact(Revision),
}

impl Start {
    fn of(options: &ListOptions, continued: Option<&Token>) -> Result<Start, Status> {
        let revision = Revision(i64::try_from(options.revision()?).unwrap_or(i64::MAX));
        if let Some(token) = continued {
            if revision > Revision::ZERO {
                return Err(Status::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            // A negative revision: the list is known to be inconsistent.
            return Ok(if token.revision > 0 {
                Start::Exact(Revision(token.revision))
            } else {
                Start::Latest
            });
        }
        Ok(
            match (
                options.resource_version.as_str(),
                options.resource_version_match,
            ) {
                ("", _) => Start::Latest,
                ("0", _) => Start::Any,
                (_, Some(ResourceVersionMatch::Exact)) => Start::Exact(revision),
                (_, Some(ResourceVersionMatch::NotOlderThan)) => Start::NotOlderThan(revision),
                (_, None) if options.limit > 0 => Start::Exact(revision),
                (_, None) => Start::NotOlderThan(revision),
            },
        )
    }
}

async fn snapshot(
    api: &Api,
    call: &Call<'_>,
    collection: &Collection,
    start: Start,
    continued: Option<&Token>,
) -> Result<(Arc<Snapshot>, Revision), Status> {
    let reached = call
        .cx
        .time_async(Stage::View, async {
            match start {
                Start::Any => Ok(api.view.applied()),
                Start::Latest => api.view.fresh().await,
                Start::NotOlderThan(revision) | Start::Exact(revision) => {
                    api.view.reach(revision).await
                }
            }
        })
        .await
        .map_err(|e| read_error(&e, call.kind.qualified(), "list"))?;
    if let Start::Exact(revision) = start {
        let known = match revision < api.view.compacted() {
            true => None,
            false => collection.at(revision).ok(),
        };
        return match known {
            Some(snapshot) => Ok((snapshot, revision)),
            None if continued.is_some() => Err(expired_continue(continued)),
            None => {
                let message =
                    format!("The resourceVersion for the provided list is too old.: {revision}");
                Err(Status::expired(
                    message.split(':').next().unwrap_or_default(),
                ))
            }
        };
    }
    let snapshot = collection.snapshot();
    let revision = reached.max(snapshot.revision());
    Ok((snapshot, revision))
}

/// 410: the pages after this one cannot be of one revision; with a token for those who go on nevertheless.
fn expired_continue(continued: Option<&Token>) -> Status {
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list \
                   without the continue parameter, or use the continue token in this response to retrieve the remainder of \
                   the results. Continuing with the provided token results in an inconsistent list - objects that were \
                   created, modified, or deleted between the time the first chunk was returned and now may show up in the \
                   list.";
    let status = Status::expired(message);
    match continued {
        Some(token) => status.with_continue(Token::encode(&token.start, Revision(-1))),
        None => status,
    }
}

/// Where a list goes on: opaque to clients, upstream's form.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    #[serde(rename = "v", default)]
    version: String,
    #[serde(rename = "rv", default)]
    revision: i64,
    #[serde(default)]
    start: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

/// Where a reader of base64 stops: at a byte that is none of its digits, or at the last four when they are too few.
fn first_wrong_byte(text: &str) -> usize {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.bytes()
        .position(|byte| !digit(byte))
        .unwrap_or(text.len() / 4 * 4)
}

/// What is wrong with a token that is JSON, in the words of upstream's decoder.
fn mistyped(bytes: &[u8]) -> Option<String> {
    let name = |value: &serde_json::Value| match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::Object(_) => "object",
    };
    let token: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let Some(fields) = token.as_object() else {
        let name = name(&token);
        return Some(format!(
            "json: cannot unmarshal {name} into Go value of type storage.continueToken"
        ));
    };
    [("v", "string"), ("rv", "int64"), ("start", "string")]
        .into_iter()
        .find_map(|(field, wanted)| {
            let value = fields.get(field)?;
            let fits = match wanted {
                "string" => value.is_string(),
                _ => value.is_i64(),
            };
            (!fits).then(|| {
                let name = name(value);
                format!("json: cannot unmarshal {name} into Go struct field continueToken.{field} of type {wanted}")
            })
        })
}

impl Token {
    fn encode(start: &str, revision: Revision) -> String {
        // Upstream leaves the slash between the list's root and the rest to the rest.
        let start = format!("/{start}");
        let token = Token {
            version: TOKEN_VERSION.to_owned(),
            revision: revision.0,
            start,
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }

    fn decode(text: &str) -> Result<Token, Status> {
        let invalid = |why: String| {
            Status::bad_request(format!(
                "invalid continue token: continue key is not valid{why}"
            ))
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| {
            let at = first_wrong_byte(text);
            invalid(format!(": illegal base64 data at input byte {at}"))
        })?;
        if let Some(why) = mistyped(&bytes) {
            return Err(invalid(format!(": {why}")));
        }
        json::decode_untyped(bytes.clone(), &mut json::Strict::new())
            .map_err(|error| invalid(format!(": {error}")))?;
        let mut token: Token =
            serde_json::from_slice(&bytes).map_err(|error| invalid(format!(": {error}")))?;
        if token.version != TOKEN_VERSION {
            return Err(invalid(format!(
                ": server does not recognize this encoded version {}",
                token.version
            )));
        }
        if token.revision == 0 {
            return Err(invalid(
                ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)".to_owned(),
            ));
        }
        if token.start.is_empty() {
            return Err(invalid(
                ": encoded start key empty (version meta.k8s.io/v1)".to_owned(),
            ));
        }
        if let Some(start) = token.start.strip_prefix('/') {
            token.start = start.to_owned();
        }
        // Nothing above the list's own root can be reached.
        let climbs = token
            .start
            .split('/')
            .any(|part| matches!(part, "" | "." | ".."));
        if climbs {
            return Err(invalid(format!(": {}", token.start)));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_upstreams() {
        let token = Token::encode("web\0", Revision(42));
        let json = URL_SAFE_NO_PAD.decode(&token).unwrap();
        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"v":"meta.k8s.io/v1","rv":42,"start":"/web\u0000"}"#
        );
        let token = Token::decode(&token).unwrap();
        assert_eq!((token.revision, token.start.as_str()), (42, "web\0"));
    }

    #[test]
    fn forged_tokens_are_refused() {
        let refused = |json: &str| {
            Token::decode(&URL_SAFE_NO_PAD.encode(json))
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert!(
            refused(r#"{"v":"meta.k8s.io/v1","rv":1,"start":"../secrets/x"}"#)
                .ends_with("not valid: ../secrets/x")
        );
        assert!(
            refused(r#"{"v":"meta.k8s.io/v1","rv":0,"start":"a"}"#)
                .contains("incorrect encoded start resourceVersion")
        );
        assert!(
            refused(r#"{"v":"v0","rv":1,"start":"a"}"#)
                .ends_with("server does not recognize this encoded version v0")
        );
        assert_eq!(Token::decode("%%%").unwrap_err().code(), 400);
    }

    #[test]
    fn the_revision_that_a_list_starts_at() {
        let of = |query: &str| {
            let options = ListOptions::parse(&crate::request::Query::parse(query), false).unwrap();
            Start::of(&options, None).unwrap()
        };
        assert_eq!(of(""), Start::Latest);
        assert_eq!(of("resourceVersion=0&limit=5"), Start::Any);
        assert_eq!(of("resourceVersion=7"), Start::NotOlderThan(Revision(7)));
        assert_eq!(of("resourceVersion=7&limit=5"), Start::Exact(Revision(7)));
        assert_eq!(
            of("resourceVersion=7&limit=5&resourceVersionMatch=NotOlderThan"),
            Start::NotOlderThan(Revision(7))
        );
        assert_eq!(
            of("resourceVersion=7&resourceVersionMatch=Exact"),
            Start::Exact(Revision(7))
        );
    }
}
