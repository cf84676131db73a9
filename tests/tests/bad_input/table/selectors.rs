//! Label and field selectors.

use super::{MAPS, PODS, encode};
use crate::request::{Bad, get, send};

pub fn cases() -> Vec<Bad> {
    let mut cases = Vec::new();
    let long = "x".repeat(64);
    for selector in [
        "a in (",
        "a in ()",
        "a in (b",
        "a in b",
        "a in (b c)",
        "a in (,",
        "a notin",
        "a notin (b",
        "a=b=c",
        "a==",
        "a!=",
        "!",
        "!!a",
        "!a=b",
        "a>x",
        "a<",
        "a>1.5",
        "in",
        ",",
        "a,,b",
        "a=b,",
        ",a",
        "-a=b",
        "(a)",
        "=b",
        "==",
        "a b",
        "a=-b",
        "a/b/c=d",
        "a=b c",
        "ä=b",
        "a=ä",
        "exists(a)",
        "a=\"b\"",
        "a in (b),,",
        "a=b;c=d",
        "{}",
        "a~b",
        &format!("{long}=b"),
        &format!("a={long}"),
        &format!("a in (b,{long})"),
    ] {
        cases.push(
            get(format!("{MAPS}?labelSelector={}", encode(selector)))
                .named(format!("labelSelector {selector}")),
        );
    }
    for selector in [
        "x",
        "metadata.name",
        "metadata.name=a=b",
        "=",
        "=b",
        "metadata.name>a",
        "metadata.name in (a)",
        "data.x=1",
        "metadata.name==a,foo!=b",
        r"metadata.name=\x",
        r"metadata.name=a\",
        ",",
        "metadata.name=a,",
        "metadata.labels=a",
        "Metadata.Name=a",
        "metadata.name!a",
    ] {
        cases.push(
            get(format!("{MAPS}?fieldSelector={}&limit=1", encode(selector)))
                .named(format!("fieldSelector {selector}")),
        );
    }
    for selector in [
        "spec.foo=1",
        "status.phase>1",
        "spec.nodeName",
        "metadata.uid=1",
        "spec.containers=1",
    ] {
        cases.push(get(format!("{PODS}?fieldSelector={}", encode(selector))));
    }
    for (path, selector) in [
        ("/api/v1/nodes", "spec.podCIDR=1"),
        ("/api/v1/events", "foo=1"),
        ("/apis/events.k8s.io/v1/events", "involvedObject=1"),
        ("/apis/batch/v1/jobs", "status.foo=1"),
        ("/api/v1/secrets", "data=1"),
        ("/apis/apps/v1/deployments", "spec.replicas=1"),
        ("/api/v1/namespaces", "status.x=1"),
        ("/api/v1/replicationcontrollers", "spec.x=1"),
        ("/api/v1/services", "spec.x=1"),
        ("/apis/apps/v1/replicasets", "spec.x=1"),
        (
            "/apis/certificates.k8s.io/v1/certificatesigningrequests",
            "spec.x=1",
        ),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "x=1"),
    ] {
        cases.push(get(format!("{path}?fieldSelector={}", encode(selector))));
    }
    for kind in ["labelSelector=a%20b", "fieldSelector=x%3D1"] {
        cases.push(get(format!("{MAPS}?watch=1&{kind}")));
        cases.push(send("DELETE", format!("{MAPS}?{kind}"), ""));
        cases.push(get(format!("{MAPS}/a?watch=1&{kind}")));
    }
    // As long as the head of a request may be in HTTP/2 and hyper's target in HTTP/1: 64 KiB.
    let huge = format!("a in ({}", "b,".repeat(20_000));
    cases.push(
        get(format!("{MAPS}?labelSelector={}", huge.replace(' ', "+")))
            .named("a selector of 20,000 values, not closed"),
    );
    let huge: String = (0..5_000).map(|n| format!("k{n}!=v,")).collect();
    cases.push(
        get(format!("{MAPS}?labelSelector={huge}"))
            .named("a selector of 5,000 requirements, one too many"),
    );
    cases
}
