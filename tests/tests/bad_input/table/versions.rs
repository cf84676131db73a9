//! Resource versions, continue tokens, limits and the options of lists and watches.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::MAPS;
use crate::request::{Bad, get, send};

pub fn cases() -> Vec<Bad> {
    let mut cases = Vec::new();
    for query in [
        "resourceVersion=abc",
        "resourceVersion=-1",
        "resourceVersion=1.5",
        "resourceVersion=18446744073709551616",
        "resourceVersion=0x1",
        "resourceVersion=%20",
        "resourceVersionMatch=Foo",
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=NotOlderThan",
        "resourceVersion=0&resourceVersionMatch=Exact",
        "resourceVersion=1&resourceVersionMatch=Foo",
        "resourceVersion=abc&resourceVersionMatch=Exact",
        "limit=x",
        "limit=1.5",
        "limit=9223372036854775808",
        "limit=",
        "continue=x",
        "continue=x&resourceVersion=1",
        "continue=x&resourceVersionMatch=Exact",
        "timeoutSeconds=x",
        "timeoutSeconds=1e3",
        "watch=foo&resourceVersion=x",
        "allowWatchBookmarks=foo",
        "sendInitialEvents=foo",
        "sendInitialEvents=true",
        "sendInitialEvents=false",
        "watch=1&sendInitialEvents=true",
        "watch=1&sendInitialEvents=true&resourceVersionMatch=Exact",
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=abc",
        "watch=1&resourceVersionMatch=NotOlderThan",
        "watch=1&resourceVersion=abc",
        "watch=1&resourceVersion=-5",
        "watch=1&continue=x&resourceVersion=x",
        "watch=1&timeoutSeconds=x",
        "watch=1&limit=x",
        "resourceVersion=1&resourceVersion=abc",
        "timeout=abc",
        "timeout=5",
        "timeout=5x",
        "pretty=foo&limit=x",
    ] {
        cases.push(get(format!("{MAPS}?{query}")));
    }
    let token = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    for value in [
        json!({}),
        json!({ "v": "foo" }),
        json!({ "v": "meta.k8s.io/v1", "rv": 0, "start": "a" }),
        json!({ "v": "meta.k8s.io/v1", "rv": 1, "start": "" }),
        json!({ "v": "meta.k8s.io/v1", "rv": 5, "start": "../../secrets/a" }),
        json!({ "v": "meta.k8s.io/v1", "rv": "x", "start": "a" }),
        json!([]),
    ] {
        cases.push(
            get(format!("{MAPS}?limit=1&continue={}", token(value.clone())))
                .named(format!("a continue token of {value}")),
        );
    }
    for query in [
        "resourceVersion=abc",
        "resourceVersion=-1",
        "export=true",
        "exact=true&export=1",
        "timeout=-1x",
    ] {
        cases.push(get(format!("{MAPS}/a?{query}")));
    }
    // A revision that the server has not reached: waited for, then refused.
    cases.push(get(format!("{MAPS}/a?resourceVersion=99999999")).words_differ("revisions differ"));
    cases.push(get(format!("{MAPS}?resourceVersion=99999999")).words_differ("revisions differ"));
    for version in ["1", "abc", "-1", "0x", "18446744073709551616"] {
        let body = json!({ "metadata": { "name": "a", "resourceVersion": version } });
        cases.push(send("PUT", format!("{MAPS}/a"), body.to_string()));
        let body = json!({ "metadata": { "resourceVersion": version } });
        cases.push(
            send("PATCH", format!("{MAPS}/a"), body.to_string())
                .media("application/merge-patch+json"),
        );
    }
    for conditions in [
        json!({ "uid": "x" }),
        json!({ "resourceVersion": "1" }),
        json!({ "resourceVersion": "abc" }),
        json!({ "uid": 1 }),
        json!("x"),
    ] {
        let body = json!({ "preconditions": conditions, "dryRun": ["All"] });
        cases.push(
            send("DELETE", format!("{MAPS}/a"), body.to_string())
                .words_differ("UIDs and revisions differ"),
        );
    }
    cases
}
