//! Content negotiation: what a client accepts and what it sends (upstream: `endpoints/handlers/negotiation`).

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::rendering::Media;
use crate::status::{Reason, Status};

/// What the answer is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Accepted {
    /// The media type.
    pub media: Media,
    /// The kind that objects are turned into.
    pub convert: Option<Convert>,
    /// JSON is to be indented.
    pub pretty: bool,
}

/// A kind of `meta.k8s.io` that any object can be turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convert {
    /// Which.
    pub target: Target,
    /// `v1beta1` instead of `v1`.
    pub beta: bool,
}

/// The kinds that any object can be turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A `Table`.
    Table,
    /// A `PartialObjectMetadata`.
    Metadata,
    /// A `PartialObjectMetadataList`.
    MetadataList,
}

impl Media {
    /// The media type's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Media::Json => "application/json",
            Media::Yaml => "application/yaml",
            Media::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    const ALL: [Media; 3] = [Media::Json, Media::Yaml, Media::Protobuf];
}

impl Convert {
    /// The group and version of the target.
    pub const fn api_version(self) -> &'static str {
        if self.beta {
            "meta.k8s.io/v1beta1"
        } else {
            "meta.k8s.io/v1"
        }
    }
}

/// The media type of the answer.
///
/// # Errors
/// 406, if none that is accepted is served.
pub fn accepted(headers: &HeaderMap, query: &str) -> Result<Accepted, Status> {
    negotiate(headers, query, true)
        .ok_or_else(|| not_acceptable(&Media::ALL.map(Media::as_str).join(", ")))
}

/// The media type of an answer that is no object of the store and has no table.
///
/// # Errors
/// 406, if none that is accepted is served.
pub fn accepted_without_table(headers: &HeaderMap, query: &str) -> Result<Accepted, Status> {
    negotiate(headers, query, false)
        .ok_or_else(|| not_acceptable(&Media::ALL.map(Media::as_str).join(", ")))
}

/// The media type of a watch: YAML cannot be streamed.
///
/// # Errors
/// 406, if none that is accepted is served.
pub fn accepted_stream(headers: &HeaderMap, query: &str) -> Result<Accepted, Status> {
    negotiate(headers, query, true)
        .filter(|accepted| accepted.media != Media::Yaml)
        .ok_or_else(|| {
            not_acceptable(
                "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
            )
        })
}

/// What upstream's router refuses before any handler is asked: a request that accepts no served type in any form.
///
/// # Errors
/// 406, in the router's words.
///
/// `streams` says that the path can also be watched.
pub fn routable(headers: &HeaderMap, streams: bool) -> Result<(), Status> {
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let served = |clause: Clause<'_>| Media::ALL.iter().any(|media| clause.matches(*media));
    match accept.is_empty() || accept.split(',').filter_map(Clause::parse).any(served) {
        true => Ok(()),
        false => {
            let streamed = [
                "application/json;stream=watch",
                "application/vnd.kubernetes.protobuf;stream=watch",
            ];
            let more = if streams { &streamed[..] } else { &[] };
            Err(Status::not_acceptable(
                &[&Media::ALL.map(Media::as_str), more].concat(),
            ))
        }
    }
}

fn not_acceptable(types: &str) -> Status {
    let message = format!("only the following media types are accepted: {types}");
    Status::new(406, Reason::NotAcceptable, message, None)
}

fn negotiate(headers: &HeaderMap, query: &str, tables: bool) -> Option<Accepted> {
    let pretty = crate::status::wants_pretty(headers, query);
    let clauses = clauses(headers);
    if clauses.is_empty() && accept_header(headers).is_empty() {
        return Some(Accepted {
            pretty,
            ..Accepted::default()
        });
    }
    clauses.iter().find_map(|clause| {
        Media::ALL
            .iter()
            .filter(|media| clause.matches(**media))
            .filter_map(|media| clause.accept(*media, pretty))
            .find(|accepted| {
                let target = accepted.convert.map(|convert| convert.target);
                tables || target != Some(Target::Table)
            })
    })
}

fn accept_header(headers: &HeaderMap) -> &str {
    headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// What a client accepts, the best first.
pub fn clauses(headers: &HeaderMap) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept_header(headers)
        .split(',')
        .filter_map(Clause::parse)
        .collect();
    clauses.sort_by(|a, b| {
        b.order()
            .partial_cmp(&a.order())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    clauses
}

/// One media range of an `Accept` header.
pub struct Clause<'a> {
    main: &'a str,
    sub: &'a str,
    quality: f64,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Clause<'a>> {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next()?;
        let (main, sub) = match kind.split_once('/') {
            Some((main, sub)) => (main.trim(), sub.trim()),
            None if kind == "*" => ("*", "*"),
            None => return None,
        };
        let mut clause = Clause {
            main,
            sub,
            quality: 1.0,
            parameters: Vec::new(),
        };
        for parameter in parts {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match key.trim() {
                "q" => {
                    let quality = value.trim().parse().ok();
                    // `nan` and `inf` are numbers to the parser, and in no order.
                    clause.quality = quality.filter(|q: &f64| q.is_finite()).unwrap_or(1.0);
                }
                key => clause.parameters.push((key, value.trim())),
            }
        }
        Some(clause)
    }

    /// The better one first; at equal quality the more specific.
    fn order(&self) -> (f64, bool, bool) {
        (self.quality, self.main != "*", self.sub != "*")
    }

    /// Whether the media type is in the range.
    pub fn matches(&self, media: Media) -> bool {
        self.matches_type(media.as_str())
    }

    /// Whether a media type is in the range.
    pub fn matches_type(&self, media: &str) -> bool {
        let (main, sub) = media.split_once('/').unwrap_or_default();
        (self.main == main || self.main == "*" && self.sub == "*")
            && (self.sub == sub || self.sub == "*")
    }

    /// A parameter other than the quality.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }

    fn accept(&self, media: Media, mut pretty: bool) -> Option<Accepted> {
        let (mut kind, mut group, mut version) = (None, None, None);
        for &(key, value) in &self.parameters {
            match key {
                "as" => kind = Some(value),
                "g" => group = Some(value),
                "v" => version = Some(value),
                "stream" if !value.is_empty() && (value != "watch" || media == Media::Yaml) => {
                    return None;
                }
                "sv" if !value.is_empty() && value != "v1" => return None,
                "pretty" => pretty |= value == "1",
                _ => {}
            }
        }
        let convert = match (kind, group, version) {
            (None, None, None) => None,
            (kind, group, version) => {
                let beta = match (group, version) {
                    (Some("meta.k8s.io"), Some("v1")) => false,
                    (Some("meta.k8s.io"), Some("v1beta1")) => true,
                    _ => return None,
                };
                let target = match kind {
                    Some("Table") if media != Media::Protobuf => Target::Table,
                    Some("PartialObjectMetadata") => Target::Metadata,
                    Some("PartialObjectMetadataList") => Target::MetadataList,
                    _ => return None,
                };
                Some(Convert { target, beta })
            }
        };
        Some(Accepted {
            media,
            convert,
            pretty,
        })
    }
}

/// The media type of a request's body; JSON if none is named.
///
/// # Errors
/// 415, if it is none that is understood.
pub fn sent(headers: &HeaderMap) -> Result<Media, Status> {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        _ if !well_formed(value) => Err(unsupported(&[
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
        ])),
        "" | "application/json" => Ok(Media::Json),
        "application/yaml" => Ok(Media::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Media::Protobuf),
        _ => Err(unsupported(&[
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
        ])),
    }
}

/// Whether a media type's parameters are `name=value`; a semicolon at the end is nothing.
fn well_formed(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let named = parts
        .next()
        .is_some_and(|kind| !kind.is_empty() || value.is_empty());
    let parameters: Vec<_> = parts.collect();
    let last = parameters.len().saturating_sub(1);
    named
        && parameters.iter().enumerate().all(|(at, parameter)| {
            (parameter.is_empty() && at == last)
                || parameter
                    .split_once('=')
                    .is_some_and(|(name, value)| !name.is_empty() && !value.is_empty())
        })
}

/// 415: the body is in none of these media types.
pub fn unsupported(types: &[&str]) -> Status {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {}",
        types.join(", ")
    );
    Status::new(415, Reason::UnsupportedMediaType, message, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, http::HeaderValue::from_static(accept))])
    }

    fn of(accept: &'static str) -> Result<Accepted, (u16, String)> {
        accepted(&headers(accept), "").map_err(|s| (s.code(), s.message().to_owned()))
    }

    const JSON: Accepted = Accepted {
        media: Media::Json,
        convert: None,
        pretty: false,
    };

    #[test]
    fn the_best_clause_that_is_served_is_taken() {
        let table = Some(Convert {
            target: Target::Table,
            beta: false,
        });
        for (accept, want) in [
            ("*/*", JSON),
            ("application/*", JSON),
            (
                "text/html, application/yaml",
                Accepted {
                    media: Media::Yaml,
                    ..JSON
                },
            ),
            (
                "application/json;q=0.5,application/vnd.kubernetes.protobuf",
                Accepted {
                    media: Media::Protobuf,
                    ..JSON
                },
            ),
            (
                "*/*, application/vnd.kubernetes.protobuf",
                Accepted {
                    media: Media::Protobuf,
                    ..JSON
                },
            ),
            (
                "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
                Accepted {
                    convert: table,
                    ..JSON
                },
            ),
            (
                "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io, application/json",
                JSON,
            ),
            (
                "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                Accepted {
                    media: Media::Protobuf,
                    convert: Some(Convert {
                        target: Target::MetadataList,
                        beta: false,
                    }),
                    pretty: false,
                },
            ),
            (
                "application/json;pretty=1",
                Accepted {
                    pretty: true,
                    ..JSON
                },
            ),
        ] {
            assert_eq!(of(accept), Ok(want), "{accept}");
        }
    }

    #[test]
    fn qualities_that_are_no_numbers_count_as_none() {
        let mut text = "application/yaml;q=nan, application/json;q=0.5, ".repeat(30);
        text.push_str("application/vnd.kubernetes.protobuf;q=inf");
        let headers = HeaderMap::from_iter([(ACCEPT, text.parse().unwrap())]);
        assert!(clauses(&headers).iter().all(|c| c.quality.is_finite()));
        let best = accepted(&headers, "").unwrap();
        assert_eq!(best.media, Media::Yaml);
    }

    #[test]
    fn what_is_not_served_is_refused_with_upstreams_words() {
        let message = "only the following media types are accepted: application/json, application/yaml, \
                       application/vnd.kubernetes.protobuf";
        for accept in [
            "application/json;as=Foo;v=v1;g=meta.k8s.io",
            "application/json;as=Table",
        ] {
            assert_eq!(of(accept), Err((406, message.to_owned())), "{accept}");
        }
        let cbor = routable(&headers("application/cbor"), false).unwrap_err();
        assert!(cbor.message().starts_with("406: Not Acceptable"));
        assert_eq!(routable(&HeaderMap::new(), true), Ok(()));
        let yaml = accepted_stream(&headers("application/yaml"), "").unwrap_err();
        assert_eq!(
            yaml.message(),
            "only the following media types are accepted: application/json;stream=watch, \
             application/vnd.kubernetes.protobuf;stream=watch"
        );
        assert_eq!(
            accepted_stream(&headers("application/json;stream=watch"), "").unwrap(),
            JSON
        );
    }

    #[test]
    fn bodies_in_unknown_formats_are_refused() {
        let sent_as = |value| {
            sent(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                http::HeaderValue::from_static(value),
            )]))
        };
        assert_eq!(sent(&HeaderMap::new()), Ok(Media::Json));
        assert_eq!(sent_as("application/yaml; charset=utf-8"), Ok(Media::Yaml));
        assert_eq!(sent_as("application/cbor").unwrap_err().code(), 415);
        assert_eq!(
            sent_as("text/plain").unwrap_err().reason(),
            Reason::UnsupportedMediaType
        );
    }
}
