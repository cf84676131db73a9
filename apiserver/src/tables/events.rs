//! Events, in both of their groups.

use api::core::v1::{EventSource, ObjectReference};
use api::{MicroTime, Time, Tree};
use serde_json::Value;

use super::age::Now;
use super::cells;
use super::text::or;

/// What both groups know of an event.
struct Event<'a> {
    name: &'a str,
    kind: &'a str,
    reason: &'a str,
    object: ObjectReference<'a>,
    source: EventSource<'a>,
    controller: &'a str,
    instance: &'a str,
    message: &'a str,
    first: Option<Time>,
    last: Option<Time>,
    time: Option<MicroTime>,
    count: i32,
    series: Option<(i32, Option<MicroTime>)>,
}

pub fn core_event(object: &Tree, now: Now) -> Vec<Value> {
    let event = api::core::v1::Event::of(object);
    cells_of(
        &Event {
            name: event.metadata().name(),
            kind: event.type_(),
            reason: event.reason(),
            object: event.involved_object(),
            source: event.source(),
            controller: event.reporting_component(),
            instance: event.reporting_instance(),
            message: event.message(),
            first: event.first_timestamp(),
            last: event.last_timestamp(),
            time: event.event_time(),
            count: event.count(),
            series: event
                .series()
                .map(|series| (series.count(), series.last_observed_time())),
        },
        now,
    )
}

pub fn event(object: &Tree, now: Now) -> Vec<Value> {
    let event = api::events::v1::Event::of(object);
    cells_of(
        &Event {
            name: event.metadata().name(),
            kind: event.type_(),
            reason: event.reason(),
            object: event.regarding(),
            source: event.deprecated_source(),
            controller: event.reporting_controller(),
            instance: event.reporting_instance(),
            message: event.note(),
            first: event.deprecated_first_timestamp(),
            last: event.deprecated_last_timestamp(),
            time: event.event_time(),
            count: event.deprecated_count(),
            series: event
                .series()
                .map(|series| (series.count(), series.last_observed_time())),
        },
        now,
    )
}

fn cells_of(event: &Event<'_>, now: Now) -> Vec<Value> {
    let first = match event.first {
        None => now.since_micros(event.time),
        first => now.since(first),
    };
    // An event of the newer form that happened once has no count.
    let once = if event.count == 0 { 1 } else { event.count };
    let (last, count) = match (event.series, event.last) {
        (Some((count, last)), _) => (now.since_micros(last), count),

        (None, None) => (first.clone(), once),
        (None, last) => (now.since(last), once),
    };
    let kind = event.object.kind().to_lowercase();
    let object = match event.object.name() {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = or(event.source.component(), event.controller);
    let source = match or(event.source.host(), event.instance) {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    };
    cells![
        last,
        event.kind,
        event.reason,
        object,
        event.object.field_path(),
        source,
        event.message.trim(),
        first,
        count,
        event.name,
    ]
}
