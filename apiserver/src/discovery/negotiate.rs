//! Which form of discovery a client wants.

use http::HeaderMap;

use crate::codec::accept::{self, Accepted};
use crate::codec::rendering::Media;
use crate::status::{Reason, Status};

const MEDIA: [Media; 3] = [Media::Json, Media::Yaml, Media::Protobuf];

/// What is to be answered at `/api` and `/apis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything at once, in that media type.
    Aggregated(Media),
    /// The document of that path alone.
    Single,
}

/// The first that the client accepts and the server has. `v2beta1` of the aggregated form is gone, as upstream: it is passed over.
pub fn wanted(headers: &HeaderMap) -> Wanted {
    for clause in accept::clauses(headers) {
        for media in MEDIA.into_iter().filter(|media| clause.matches(*media)) {
            match ["g", "v", "as"].map(|name| clause.parameter(name)) {
                [None, None, None] => return Wanted::Single,
                [
                    Some("apidiscovery.k8s.io"),
                    Some("v2"),
                    Some("APIGroupDiscoveryList"),
                ] => {
                    return Wanted::Aggregated(media);
                }
                _ => {}
            }
        }
    }
    Wanted::Single
}

/// The media type of a single document.
///
/// # Errors
/// 406, if none that is accepted is served. `routed` says whether upstream serves the path by its own router, which looks at
/// media types first and words its refusal differently.
pub fn single(headers: &HeaderMap, query: &str, routed: bool) -> Result<Accepted, Status> {
    let clauses = accept::clauses(headers);
    let known = clauses.is_empty()
        || MEDIA
            .iter()
            .any(|media| clauses.iter().any(|clause| clause.matches(*media)));
    if routed && !known {
        return Err(Status::not_acceptable(&MEDIA.map(Media::as_str)));
    }
    accept::accepted(headers, query)
        .ok()
        .filter(|accepted| accepted.convert.is_none())
        .ok_or_else(|| {
            let types = MEDIA.map(Media::as_str).join(", ");
            let message = format!("only the following media types are accepted: {types}");
            Status::new(406, Reason::NotAcceptable, message, None)
        })
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const BETA: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

    fn headers(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())])
    }

    #[test]
    fn the_aggregated_form_is_answered_where_it_is_asked_for_first() {
        for (accept, want) in [
            (V2.to_owned(), Wanted::Aggregated(Media::Json)),
            (
                format!("{BETA},{V2},application/json"),
                Wanted::Aggregated(Media::Json),
            ),
            (format!("application/json,{V2}"), Wanted::Single),
            (BETA.to_owned(), Wanted::Single),
            (
                V2.replace("json", "vnd.kubernetes.protobuf"),
                Wanted::Aggregated(Media::Protobuf),
            ),
            (V2.replace("json", "yaml"), Wanted::Aggregated(Media::Yaml)),
            (
                format!("{V2};profile=nopeer"),
                Wanted::Aggregated(Media::Json),
            ),
        ] {
            assert_eq!(wanted(&headers(&accept)), want, "{accept}");
        }
        assert_eq!(wanted(&HeaderMap::new()), Wanted::Single);
    }

    #[test]
    fn refusals_are_worded_as_upstreams_two_routers_do() {
        let message = |accept: &str, routed| {
            single(&headers(accept), "", routed)
                .unwrap_err()
                .message()
                .to_owned()
        };
        let only = "only the following media types are accepted: application/json, application/yaml, \
                    application/vnd.kubernetes.protobuf";
        assert_eq!(message(BETA, true), only);
        assert_eq!(message("text/html", false), only);
        assert!(
            message("text/html", true)
                .starts_with("406: Not Acceptable\n\nAvailable representations: ")
        );
    }
}
