//! watch: what happens to the selected objects, as it happens.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Response, StatusCode};
use store::Revision;

use super::commit::read_error;
use super::respond::{body, shape};
use super::selection::Selection;
use super::{Api, Call};
use crate::codec::accept::{accepted, accepted_stream};
use crate::codec::list::Items;
use crate::codec::rendering::Media;
use crate::codec::watch::{FrameWriter, Initial, WatchBody};
use crate::request::{ListOptions, Stage};
use crate::status::Status;

/// How long a watch lasts at least if it does not say: upstream's `--min-request-timeout`. Up to as much is added, so that
/// watchers do not all come back at once.
const MIN_TIMEOUT: Duration = Duration::from_secs(1800);
/// Longer than any connection: what a client asks for may be beyond what a clock can say.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Answers a stream of events.
pub async fn watch(api: &Api, call: &Call<'_>) -> Result<Response<Body>, Status> {
    // As upstream: what is not acceptable at all is refused with the whole list of types.
    accepted(call.headers, call.raw_query)?;
    let options = ListOptions::parse(&call.cx.query, true)?;
    let kind = call.kind;
    let selection = Selection::parse(
        kind,
        &options.label_selector,
        &options.field_selector,
        call.name(),
    )?;
    let accepted = accepted_stream(call.headers, call.raw_query)?;
    let collection = kind
        .collection
        .as_ref()
        .ok_or_else(Status::method_not_allowed)?;
    let revision = Revision(i64::try_from(options.revision()?).unwrap_or(i64::MAX));
    let latest = options.resource_version.is_empty();
    let unset = revision == Revision::ZERO;
    let initial = options.send_initial_events.unwrap_or(unset);

    let reach = async {
        match (options.send_initial_events, unset) {
            (_, true) if latest => api.view.fresh().await,
            (_, true) => Ok(api.view.applied()),
            (Some(true), false) => api.view.reach(revision).await,
            (_, false) => Ok(api.view.applied()),
        }
    };
    let reached = call
        .cx
        .time_async(Stage::View, reach)
        .await
        .map_err(|e| read_error(&e, kind.qualified(), "watch"))?;
    let namespace = selection.namespace(call.namespace()).to_owned();
    let scope = selection.scope(kind, call.namespace());
    let (from, initial) = match initial {
        false if unset => (reached, None),
        false => (revision, None),
        true => {
            let snapshot = collection.snapshot();
            let revision = reached.max(snapshot.revision());
            let prefix = if namespace.is_empty() {
                String::new()
            } else {
                format!("{namespace}/")
            };
            let items = match selection.posting(kind, &snapshot) {
                None => Items::range(snapshot, &prefix),
                Some(term) => {
                    let keys = snapshot.with_term(&term, &prefix);
                    let objects: Vec<_> = keys
                        .iter()
                        .take_while(|key| key.starts_with(&prefix))
                        .filter_map(|key| snapshot.get(key).cloned())
                        .collect();
                    Items::Picked(objects.into_iter())
                }
            };
            let bookmark =
                options.send_initial_events == Some(true) && options.allow_watch_bookmarks;
            (
                revision,
                Some(Initial {
                    items,
                    revision,
                    bookmark,
                }),
            )
        }
    };
    let frames = FrameWriter {
        cache: Arc::clone(&api.cache),
        kind: Arc::clone(&kind.codec),
        media: accepted.media,
        shape: shape(kind, accepted)?,
        table: api.table(call.cx, kind, accepted)?,
    };
    // From here on the request is a stream: it must not hold up others that wait to be served.
    call.cx.leave_seat();
    let stream = WatchBody::new(
        Arc::clone(&api.view),
        frames,
        Arc::new(selection),
        initial,
        collection.watch(scope, from),
        options.allow_watch_bookmarks,
        timeout(api, &options),
        call.cx.draining.clone().cancelled_owned(),
    );
    let content_type = match accepted.media {
        Media::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        _ => Media::Json.as_str(),
    };
    Ok(body(StatusCode::OK, content_type, Body::new(stream)))
}

fn timeout(api: &Api, options: &ListOptions) -> Duration {
    match options.timeout_seconds.map(u64::try_from) {
        Some(Ok(seconds)) if seconds > 0 => Duration::from_secs(seconds).min(MAX_TIMEOUT),
        _ => {
            let mut random = [0u8; 4];
            api.env.random.fill(&mut random);
            let share = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
            MIN_TIMEOUT.mul_f64(1.0 + share)
        }
    }
}
