//! The options of writes: in the query, and in the body of a deletion.

use super::{MAPS, create, encode, map};
use crate::request::{Bad, send};

pub fn cases() -> Vec<Bad> {
    let mut cases = Vec::new();
    let long = "m".repeat(129);
    for query in [
        "dryRun=Foo",
        "dryRun=All&dryRun=Foo",
        "dryRun=all",
        "fieldValidation=strict",
        "fieldValidation=",
        "pretty=x&dryRun=Foo",
        &format!("fieldManager={long}"),
        "fieldManager=a%0Ab",
        "fieldManager=%FF",
        "timeout=abc",
        "force=true&dryRun=Foo",
        "ignoreStoreReadErrorWithClusterBreakingPotential=true",
    ] {
        cases.push(create(&format!("{MAPS}?{query}"), &map()));
        let body = r#"{"metadata":{"name":"a"}}"#;
        cases.push(send("PUT", format!("{MAPS}/a?{query}"), body));
        cases.push(
            send("PATCH", format!("{MAPS}/a?{query}"), "{}").media("application/merge-patch+json"),
        );
    }
    let huge = format!("{MAPS}?fieldManager={}", "m".repeat(60_000));
    cases.push(create(&huge, &map()).named("a field manager of 60,000 bytes"));
    for query in [
        "propagationPolicy=Foo",
        "orphanDependents=foo",
        "gracePeriodSeconds=x",
        "gracePeriodSeconds=-5&dryRun=Foo",
        "orphanDependents=true&propagationPolicy=Orphan",
        "dryRun=Foo",
        "ignoreStoreReadErrorWithClusterBreakingPotential=true",
        "ignoreStoreReadErrorWithClusterBreakingPotential=x",
    ] {
        cases.push(send("DELETE", format!("{MAPS}/a?{query}"), ""));
        cases.push(send(
            "DELETE",
            format!("{MAPS}?labelSelector={}&{query}", encode("none=here")),
            "",
        ));
    }
    for body in [
        "{",
        "[]",
        "x",
        "1",
        r#"{"propagationPolicy":"Foo"}"#,
        r#"{"gracePeriodSeconds":"x"}"#,
        r#"{"gracePeriodSeconds":1.5}"#,
        r#"{"kind":"DeleteOptions","apiVersion":"a/b/c","dryRun":["All"]}"#,
        r#"{"kind":"DeleteOptions","apiVersion":"foo/v1","dryRun":["All"]}"#,
        r#"{"dryRun":"All"}"#,
        r#"{"dryRun":["Foo"]}"#,
        r#"{"orphanDependents":true,"propagationPolicy":"Orphan"}"#,
        r#"{"kind":"Pod","apiVersion":"v1","dryRun":["All"]}"#,
        r#"{"kind":"DeleteOptions","apiVersion":"v2","dryRun":["All"]}"#,
        r#"{"kind":"Foo","apiVersion":"v1","dryRun":["All"]}"#,
        r#"{"orphanDependents":"x"}"#,
        r#"{"ignoreStoreReadErrorWithClusterBreakingPotential":true,"dryRun":["All"]}"#,
        r#"{"preconditions":[]}"#,
    ] {
        cases.push(send("DELETE", format!("{MAPS}/a"), body));
    }
    cases.push(send("DELETE", format!("{MAPS}/nope"), ""));
    cases.push(send("DELETE", format!("{MAPS}/a"), "{}").media("application/cbor"));
    cases.push(send("DELETE", format!("{MAPS}/a"), "{}").media("text/plain"));
    cases
}
