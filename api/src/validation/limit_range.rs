//! LimitRanges.

use std::collections::BTreeSet;

use super::check::{each, quoted};
use super::format;
use super::pod;
use crate::Quantity;
use crate::core::v1::{LimitRange, LimitRangeItem};
use crate::field::{Error, ErrorList, Path};
use crate::view::MapRef;

const TYPES: [&str; 3] = ["Pod", "Container", "PersistentVolumeClaim"];
/// Beyond this a number of units has no thousandths that fit.
const MAX_MILLI: i64 = i64::MAX / 1000;

pub(super) fn limit_range(errors: &mut ErrorList, range: LimitRange<'_>) {
    let path = Path::new("spec");
    let list = path.child("limits");
    let mut taken = BTreeSet::new();
    for (at, item) in range.spec().limits().iter().enumerate() {
        let place = list.index(at);
        type_name(errors, &place.child("type"), item.type_());
        if !taken.insert(item.type_()) {
            errors.push(Error::duplicate(&place.child("type"), quoted(item.type_())));
        }
        limit(errors, &place, item);
    }
}

fn type_name(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    let messages = format::label_key(name);
    if messages.is_empty() && !name.contains('/') && !TYPES.contains(&name) {
        let why = "must be a standard limit type or fully qualified";
        errors.push(Error::invalid(path, quoted(name), why));
    }
    each(errors, path, name, messages);
}

/// The maps of an item that mean something, by the names of their fields.
struct Bounds<'a> {
    min: MapRef<'a, Quantity>,
    max: MapRef<'a, Quantity>,
    default: Option<MapRef<'a, Quantity>>,
    default_request: Option<MapRef<'a, Quantity>>,
    ratio: MapRef<'a, Quantity>,
}

fn limit(errors: &mut ErrorList, path: &Path<'_>, item: LimitRangeItem<'_>) {
    let of_pods = item.type_() == "Pod";
    let bounds = Bounds {
        min: item.min(),
        max: item.max(),
        default: Some(item.default()).filter(|_| !of_pods),
        default_request: Some(item.default_request()).filter(|_| !of_pods),
        ratio: item.max_limit_request_ratio(),
    };
    if of_pods {
        for (field, given) in [
            ("default", item.default()),
            ("defaultRequest", item.default_request()),
        ] {
            if !given.is_empty() {
                let why = "may not be specified when `type` is 'Pod'";
                errors.push(Error::forbidden(&path.child(field), why));
            }
        }
    }
    let mut names = BTreeSet::new();
    for (field, map) in [
        ("max", Some(bounds.max)),
        ("min", Some(bounds.min)),
        ("default", bounds.default),
        ("defaultRequest", bounds.default_request),
        ("maxLimitRequestRatio", Some(bounds.ratio)),
    ] {
        let place = path.child(field);
        for name in map.into_iter().flat_map(MapRef::keys) {
            let check = match item.type_() {
                "Pod" | "Container" => pod::container_resource_name,
                _ => pod::resource_name,
            };
            check(errors, &place.key(name), name);
            names.insert(name);
        }
    }
    if item.type_() == "PersistentVolumeClaim"
        && !bounds.min.contains_key("storage")
        && !bounds.max.contains_key("storage")
    {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        errors.push(Error::required(&path.child("limits"), why));
    }
    for name in names {
        consistent(errors, path, &bounds, name);
    }
}

/// Whether what is said of one resource fits together.
fn consistent(errors: &mut ErrorList, path: &Path<'_>, bounds: &Bounds<'_>, name: &str) {
    let get = |map: Option<MapRef<'_, Quantity>>| map.and_then(|map| map.get(name));
    let (min, max) = (bounds.min.get(name), bounds.max.get(name));
    let (limit, request) = (get(bounds.default), get(bounds.default_request));
    let mut order = |less: Option<Quantity>,
                     more: Option<Quantity>,
                     field: &str,
                     shown: Option<Quantity>,
                     words: (&str, &str)| {
        if let (Some(less), Some(more), Some(shown)) = (less, more, shown)
            && less > more
        {
            let place = path.child(field);
            let shown = quoted(&shown.to_string());
            let (of_less, of_more) = words;
            let why = format!("{of_less} value {less} is greater than {of_more} value {more}");
            errors.push(Error::invalid(&place.key(name), shown, why));
        }
    };
    order(min, max, "min", min, ("min", "max"));
    order(
        min,
        request,
        "defaultRequest",
        request,
        ("min", "default request"),
    );
    order(
        request,
        max,
        "defaultRequest",
        request,
        ("default request", "max"),
    );
    order(
        request,
        limit,
        "defaultRequest",
        request,
        ("default request", "default limit"),
    );
    order(min, limit, "default", min, ("min", "default"));
    order(limit, max, "default", max, ("default", "max"));
    if let Some(found) = bounds.ratio.get(name) {
        ratio(
            errors,
            &path.child("maxLimitRequestRatio").key(name),
            found,
            min.zip(max),
        );
    }
    // Of these there is no more than there is: nothing may be asked for below its limit.
    if let (Some(limit), Some(request)) = (limit, request)
        && !pod::overcommits(name)
        && limit != request
    {
        let place = path.child("defaultRequest");
        let why =
            format!("default value {limit} must equal to defaultRequest value {request} in {name}");
        errors.push(Error::invalid(
            &place.key(name),
            quoted(&request.to_string()),
            why,
        ));
    }
}

fn ratio(
    errors: &mut ErrorList,
    path: &Path<'_>,
    ratio: Quantity,
    bounds: Option<(Quantity, Quantity)>,
) {
    let shown = || quoted(&ratio.to_string());
    if ratio < Quantity::from_units(1, ratio.format()) {
        errors.push(Error::invalid(
            path,
            shown(),
            format!("ratio {ratio} is less than 1"),
        ));
    }
    let Some((min, max)) = bounds else { return };
    let fits = [ratio, min, max].iter().all(|q| q.value() < MAX_MILLI);
    let (most, widest) = match fits {
        true => (
            ratio.milli_value() as f64 / 1000.0,
            max.milli_value() as f64 / min.milli_value() as f64,
        ),
        false => (
            ratio.value() as f64,
            max.value() as f64 / min.value() as f64,
        ),
    };
    if most > widest {
        let why = format!("ratio {ratio} is greater than max/min = {widest:.6}");
        errors.push(Error::invalid(path, shown(), why));
    }
}
