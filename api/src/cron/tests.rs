use jiff::{civil, tz::TimeZone};
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn next(schedule: &str, after: &str) -> String {
    let schedule = Schedule::parse(schedule).expect("a schedule");
    match schedule.next(at(after), &TimeZone::UTC) {
        Some(time) => time.to_string(),
        None => "never".to_owned(),
    }
}

#[test]
fn the_next_time_is_the_first_that_matches_all_fields() {
    for (schedule, after, wanted) in [
        ("* * * * *", "2026-07-09T14:45:00Z", "2026-07-09T14:46:00Z"),
        (
            "* * * * *",
            "2026-07-09T14:45:59.9Z",
            "2026-07-09T14:46:00Z",
        ),
        (
            "0/15 * * * *",
            "2026-07-09T14:45:00Z",
            "2026-07-09T15:00:00Z",
        ),
        (
            "20-35/15 * * * *",
            "2026-07-09T23:46:00Z",
            "2026-07-10T00:20:00Z",
        ),
        ("0 0 1 1 ?", "2026-07-09T14:45:00Z", "2027-01-01T00:00:00Z"),
        (
            "0 0 29 feb ?",
            "2026-07-09T14:45:00Z",
            "2028-02-29T00:00:00Z",
        ),
        ("59 23 31 2 *", "2026-07-09T14:45:00Z", "never"),
        (
            "0 0 * * MON-fri",
            "2026-07-10T12:00:00Z",
            "2026-07-13T00:00:00Z",
        ),
        // Both days given: either will do. One of them `*`: the other counts.
        (
            "0 0 13 * fri",
            "2026-07-09T00:00:00Z",
            "2026-07-10T00:00:00Z",
        ),
        ("0 0 13 * *", "2026-07-09T00:00:00Z", "2026-07-13T00:00:00Z"),
        (
            "0 0 */2 * fri",
            "2026-07-10T00:00:00Z",
            "2026-07-11T00:00:00Z",
        ),
        (
            ",,5 * * * *",
            "2026-07-09T14:45:00Z",
            "2026-07-09T15:05:00Z",
        ),
        (", * * * *", "2026-07-09T14:45:00Z", "never"),
        ("@yearly", "2026-07-09T14:45:00Z", "2027-01-01T00:00:00Z"),
        ("@monthly", "2026-07-09T14:45:00Z", "2026-08-01T00:00:00Z"),
        ("@weekly", "2026-07-09T14:45:00Z", "2026-07-12T00:00:00Z"),
        ("@midnight", "2026-07-09T14:45:00Z", "2026-07-10T00:00:00Z"),
        ("@hourly", "2026-07-09T14:45:00Z", "2026-07-09T15:00:00Z"),
        (
            "@every 1h30m",
            "2026-07-09T14:45:10.5Z",
            "2026-07-09T16:15:10Z",
        ),
        (
            "@every 10ms",
            "2026-07-09T14:45:10Z",
            "2026-07-09T14:45:11Z",
        ),
        (
            "TZ=Asia/Tokyo 0 9 * * *",
            "2026-07-09T14:45:00Z",
            "2026-07-10T00:00:00Z",
        ),
        (
            "CRON_TZ=Asia/Tokyo @daily",
            "2026-07-09T14:45:00Z",
            "2026-07-09T15:00:00Z",
        ),
    ] {
        assert_eq!(next(schedule, after), wanted, "{schedule} after {after}");
    }
}

#[test]
fn clocks_that_are_put_forward_or_back() {
    let new_york = |fields: &str| format!("TZ=America/New_York {fields}");
    // 2026-03-08 has no 2:30 there, 2026-11-01 has 1:30 twice.
    for (fields, after, wanted) in [
        ("30 2 * * *", "2026-03-07T12:00:00Z", "2026-03-09T06:30:00Z"),
        ("0 * * * *", "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z"),
        ("30 1 * * *", "2026-11-01T00:00:00Z", "2026-11-01T05:30:00Z"),
        ("30 1 * * *", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
        ("30 1 * * *", "2026-11-01T06:30:00Z", "2026-11-02T06:30:00Z"),
        ("0 2 * * *", "2026-11-01T05:30:00Z", "2026-11-01T07:00:00Z"),
    ] {
        assert_eq!(
            next(&new_york(fields), after),
            wanted,
            "{fields} after {after}"
        );
    }
    // A day without midnight.
    let sao_paulo = |fields: &str| format!("TZ=America/Sao_Paulo {fields}");
    assert_eq!(
        next(&sao_paulo("0 0 * * *"), "2018-11-03T12:00:00Z"),
        "2018-11-05T02:00:00Z"
    );
    assert_eq!(
        next(&sao_paulo("0 5 4 11 *"), "2018-11-03T12:00:00Z"),
        "2018-11-04T07:00:00Z"
    );
}

#[test]
fn what_is_no_schedule_is_refused_in_upstreams_words() {
    for (text, wanted) in [
        ("", "empty spec string"),
        (
            "TZ=0",
            "invalid schedule format: runtime error: slice bounds out of range [:-1]",
        ),
        (
            "TZ=No/Where * * * * *",
            "provided bad location No/Where: unknown time zone No/Where",
        ),
        (
            "TZ=utc * * * * *",
            "provided bad location utc: unknown time zone utc",
        ),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("@sometimes", "unrecognized descriptor: @sometimes"),
        (
            "@every soon",
            "failed to parse duration @every soon: time: invalid duration \"soon\"",
        ),
        (
            "5x * * * *",
            "failed to parse int from 5x: strconv.Atoi: parsing \"5x\": invalid syntax",
        ),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        (
            "5-3 * * * *",
            "beginning of range (5) beyond end of range (3): 5-3",
        ),
        (
            "*/0 * * * *",
            "step of range should be a positive number: */0",
        ),
        ("*/-1 * * * *", "negative number (-1) not allowed: -1"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        (
            "99999999999999999999 * * * *",
            "failed to parse int from 99999999999999999999: strconv.Atoi: parsing \"99999999999999999999\": value out of range",
        ),
    ] {
        let error = Schedule::parse(text).expect_err(text);
        assert_eq!(error.to_string(), wanted, "{text:?}");
    }
}

#[test]
fn zones_are_known_by_their_exact_names() {
    for name in [
        "",
        "UTC",
        "Europe/Berlin",
        "America/Argentina/Buenos_Aires",
        "Etc/GMT+5",
    ] {
        assert!(zone(name).is_ok(), "{name}");
    }
    for name in ["europe/berlin", "Berlin", "../UTC", "/UTC"] {
        assert!(zone(name).is_err(), "{name}");
    }
}

/// One field: a few values, ranges and steps, and the values that it stands for, read the slow way.
fn field(first: i8, last: i8) -> impl Strategy<Value = (String, Vec<i8>)> {
    let part =
        (first..=last, first..=last, 1..=7_i8, 0..5_u8).prop_map(move |(a, b, step, form)| {
            let (low, high) = (a.min(b), a.max(b));
            let by = |from: i8, to: i8, step: i8| {
                (from..=to).filter(|v| (v - from) % step == 0).collect()
            };
            match form {
                0 => (format!("{a}"), vec![a]),
                1 => (format!("{low}-{high}"), by(low, high, 1)),
                2 => (format!("{low}-{high}/{step}"), by(low, high, step)),
                3 => (format!("{a}/{step}"), by(a, last, step)),
                _ => (format!("*/{}", step + 1), by(first, last, step + 1)),
            }
        });
    let star = (first..=last).collect::<Vec<_>>();
    prop_oneof![
        Just(("*".to_owned(), star)),
        prop::collection::vec(part, 1..4).prop_map(|parts: Vec<(String, Vec<i8>)>| {
            let texts: Vec<String> = parts.iter().map(|part| part.0.clone()).collect();
            (
                texts.join(","),
                parts.into_iter().flat_map(|part| part.1).collect(),
            )
        })
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Against a model that tries one minute after the other.
    #[test]
    fn the_next_time_is_the_one_found_minute_by_minute(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 31), weekday in field(0, 6),
        start in 0..1_440_i64 * 365,
        zone_name in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
    ) {
        let text = format!("TZ={zone_name} {} {} {} * {}", minute.0, hour.0, day.0, weekday.0);
        let schedule = Schedule::parse(&text).expect("made to fit");
        let start = at("2026-01-01T00:00:00Z") + SignedDuration::from_mins(start) + SignedDuration::from_secs(17);
        let zone = zone(zone_name).expect("known");
        let matches = |time: Timestamp| {
            let local = zone.to_datetime(time);
            let (by_day, by_week) = (
                day.1.contains(&local.day()),
                weekday.1.contains(&local.weekday().to_sunday_zero_offset()),
            );
            let on_day = if day.0 == "*" || weekday.0 == "*" { by_day && by_week } else { by_day || by_week };
            on_day && hour.1.contains(&local.hour()) && minute.1.contains(&local.minute())
        };
        let first = at("2026-01-01T00:00:00Z");
        let minutes = (start.as_second() - first.as_second()) / 60 + 1;
        let model = (minutes..minutes + 1_440 * 70)
            .map(|minute| first + SignedDuration::from_mins(minute))
            .find(|time| matches(*time));
        let found = schedule.next(start, &TimeZone::UTC);
        // The model looks two months ahead.
        match model {
            Some(_) => prop_assert_eq!(found, model),
            None => prop_assert!(found.is_none_or(|t| t > first + SignedDuration::from_mins(minutes + 1_440 * 70 - 1))),
        }
    }
}

#[test]
fn a_schedule_without_a_zone_is_read_where_the_reader_is() {
    let schedule = Schedule::parse("0 9 * * *").expect("a schedule");
    let tokyo = zone("Asia/Tokyo").expect("known");
    let after = at("2026-07-09T14:45:00Z");
    let wanted = civil::date(2026, 7, 10).at(9, 0, 0, 0);
    let found = schedule.next(after, &tokyo).expect("soon");
    assert_eq!(tokyo.to_datetime(found), wanted);
    assert_eq!(
        schedule.clone().in_zone(tokyo).next(after, &TimeZone::UTC),
        Some(found)
    );
}
