//! Heads that are too large or not HTTP. The text of such an answer is the HTTP library's own, so only its code is compared.

use super::MAPS;
use crate::request::{Bad, get, raw};

const LIBRARY: &str = "the sentence is the HTTP library's own";

pub fn cases() -> Vec<Bad> {
    let head = |line: &str| format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n");
    let with = |header: &str| {
        format!("GET {MAPS}/nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n")
    };
    let post = |headers: &str, body: &str| {
        format!(
            "POST {MAPS}?dryRun=All HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\r\n\r\n{body}"
        )
    };
    let mut cases: Vec<Bad> = [
        head(&format!("GET {MAPS}")),
        head(&format!("GET {MAPS}/nope HTTP/3.0")),
        head(&format!("GET {MAPS}/nope HTTP/x")),
        head("GET  HTTP/1.1"),
        head("GET"),
        head("GE\u{1}T / HTTP/1.1"),
        head("GET nope HTTP/1.1"),
        with("a b: c"),
        with(": c"),
        with("novalue"),
        with("a: b\0c"),
        with("Content-Length: -1"),
        with("Content-Length: 1e3"),
        with("Content-Length: 99999999999999999999"),
        with("Content-Length: 1\r\nContent-Length: 2"),
        with("Transfer-Encoding: gzip"),
        with("Transfer-Encoding: chunked, gzip"),
        format!("GET {MAPS}/nope HTTP/1.1\r\nConnection: close\r\n\r\n"),
        post("Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n"),
        post(
            "Transfer-Encoding: chunked",
            "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        ),
        post("Transfer-Encoding: chunked", "1\r\n{\r\n0\r\n\r\n"),
        post("Content-Length: 1", "{"),
    ]
    .map(raw)
    .into_iter()
    .collect();
    cases.push(raw(with(&format!("a: {}", "x".repeat(2 << 20)))).named("a header of 2 MiB"));
    cases.push(raw(with(&format!("a: {}", "x".repeat(800 << 10)))).named("a header of 800 KiB"));
    cases.push(
        raw(format!(
            "GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "x".repeat(2 << 20)
        ))
        .named("a path of 2 MiB"),
    );
    let many: String = (0..120_000).map(|n| format!("h{n}: x\r\n")).collect();
    cases.push(raw(with(many.trim_end())).named("120,000 headers"));
    let mut cases: Vec<Bad> = cases
        .into_iter()
        .map(|case| {
            // What hyper does not understand it answers itself.
            let malformed = ["HTTP/3.0", "Transfer-Encoding: gzip", "chunked, gzip"];
            match malformed.iter().any(|text| case.what.contains(text)) {
                true => case.ours(400, "hyper has one code for all that it does not speak"),
                false => case.words_differ(LIBRARY),
            }
        })
        .collect();
    for path in [
        "/api/v1/namespaces/%ZZ/pods",
        "/%",
        "/api/v1/../v1/foos",
        "/api/v1/./foos",
        "/api/v1/foos?limit=%ZZ",
        "/api/v1/foos;x=y",
        "/api/v1/namespaces/default/configmaps?limit=%ZZ",
        "/api/v1/namespaces/default/configmaps?a;limit=x",
    ] {
        cases.push(raw(format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )));
    }
    cases.push(raw(head("OPTIONS * HTTP/1.1")));
    cases.push(raw(head("GET http://other/api/v1/foos HTTP/1.1")));
    cases.push(raw(head("CONNECT x:1 HTTP/1.1")));
    cases.push(raw(head("get / HTTP/1.1")));
    cases.push(raw(head("GET /api/v1/foos HTTP/1.0")));
    for (name, value) in [
        ("range", "bytes=x"),
        ("expect", "foo"),
        ("if-none-match", "x"),
        ("upgrade", "h2c"),
        ("origin", "x"),
    ] {
        cases.push(get("/api/v1/foos").with(name, value));
    }
    cases
}
