//! Ingresses, policies, ranges of Services and endpoints.

use serde_json::{Value, json};

pub fn objects() -> Vec<Value> {
    let ingress = |spec: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i", "namespace": "default", "annotations": {"kubernetes.io/ingress.class": "mine"}}, "spec": spec});
    let behind = |host: &str, path: Value| {
        ingress(json!({"rules": [{"host": host, "http": {"paths": [path]}}]}))
    };
    let backend = |backend: Value| ingress(json!({"defaultBackend": backend}));
    let ingress_class = |spec: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "c"}, "spec": spec});
    let policy = |spec: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "default"}, "spec": spec});
    let peer = |peer: Value| policy(json!({"podSelector": {}, "ingress": [{"from": [peer]}]}));
    let block =
        |cidr: &str, except: Value| peer(json!({"ipBlock": {"cidr": cidr, "except": except}}));
    let address = |name: &str, spec: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "metadata": {"name": name}, "spec": spec});
    let ranges = |cidrs: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "c"}, "spec": {"cidrs": cidrs}});
    let slice = |kind: &str, endpoints: Value, ports: Value| json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s", "namespace": "default"}, "addressType": kind, "endpoints": endpoints, "ports": ports});
    let at = |kind: &str, address: &str| slice(kind, json!([{"addresses": [address]}]), json!([]));
    let endpoints = |subsets: Value| json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "e", "namespace": "default"}, "subsets": subsets});
    let ready = |ip: &str| endpoints(json!([{"addresses": [{"ip": ip}]}]));
    vec![
        ingress(json!({})),
        ingress(json!({"rules": []})),
        ingress(
            json!({"ingressClassName": "other", "defaultBackend": {"service": {"name": "a", "port": {"number": 1}}}}),
        ),
        ingress(
            json!({"ingressClassName": "", "rules": [{"host": "10.0.0.1"}, {"host": "010.0.0.1"}, {"host": "*"}, {"host": "a.*.b"}, {"host": "::1"}, {"http": {"paths": []}}]}),
        ),
        ingress(
            json!({"rules": [{}], "tls": [{}, {"hosts": ["", "*", "*.a", "A"], "secretName": "A_"}]}),
        ),
        backend(json!({})),
        backend(json!({"service": {"name": "a"}, "resource": {"kind": "K", "name": "n"}})),
        backend(json!({"service": {"name": "1st", "port": {"number": 80, "name": "http"}}})),
        backend(json!({"service": {"name": "a.b", "port": {"number": 70_000}}})),
        backend(json!({"service": {"name": "", "port": {"name": "80"}}})),
        backend(json!({"service": {"name": "A", "port": {}}})),
        backend(json!({"resource": {"apiGroup": "", "kind": "a/b", "name": ".."}})),
        backend(json!({"resource": {"apiGroup": "A_", "kind": "", "name": ""}})),
        behind("a", json!({"path": "a", "backend": {}})),
        behind("a", json!({"path": "a", "pathType": "", "backend": {}})),
        behind("a", json!({"path": "", "pathType": "Exact", "backend": {}})),
        behind(
            "a",
            json!({"path": "//a/./b/../c%2f%2F/..", "pathType": "Prefix", "backend": {}}),
        ),
        behind(
            "a",
            json!({"path": "/.", "pathType": "Exact", "backend": {}}),
        ),
        behind(
            "a",
            json!({"path": "a//b", "pathType": "ImplementationSpecific", "backend": {}}),
        ),
        behind(
            "*.a",
            json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "1st", "port": {"number": 1}}}}),
        ),
        ingress_class(json!({})),
        ingress_class(json!({"controller": "plain"})),
        ingress_class(json!({"controller": "/a"})),
        ingress_class(json!({"controller": "A_/b c"})),
        ingress_class(json!({"controller": format!("a/{}", "b".repeat(249))})),
        ingress_class(json!({"controller": format!("{}/ ", "a".repeat(254))})),
        ingress_class(json!({"controller": "a/b", "parameters": {}})),
        ingress_class(
            json!({"controller": "a/b", "parameters": {"apiGroup": "A_", "kind": "a/b", "name": "%", "scope": "Other"}}),
        ),
        ingress_class(
            json!({"controller": "a/b", "parameters": {"kind": "", "name": "", "scope": "Namespace"}}),
        ),
        ingress_class(
            json!({"controller": "a/b", "parameters": {"kind": "a", "name": "", "scope": "Namespace", "namespace": "a.b"}}),
        ),
        ingress_class(
            json!({"controller": "a/b", "parameters": {"kind": "a", "name": "b", "scope": "Cluster", "namespace": ""}}),
        ),
        policy(json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress", "Ingress"]})),
        policy(json!({"podSelector": {}, "policyTypes": ["Ingress", "Ingress"]})),
        policy(json!({"podSelector": {}, "policyTypes": ["", "Both"]})),
        policy(
            json!({"podSelector": {"matchExpressions": [{"key": "a b", "operator": "Gt", "values": ["c d"]}]}}),
        ),
        policy(
            json!({"podSelector": {}, "ingress": [{"ports": [{"protocol": "", "endPort": 5}, {"port": 5, "endPort": 4}, {"port": 0, "endPort": 70_000}, {"port": "web", "endPort": 1}, {"port": "80"}]}]}),
        ),
        peer(json!({})),
        peer(json!({"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}})),
        peer(
            json!({"namespaceSelector": {"matchLabels": {"a b": "c d"}}, "ipBlock": {"cidr": ""}}),
        ),
        block("", json!(["x"])),
        block("x", json!(["x"])),
        block("10.0.0.0", json!([])),
        block(
            "10.0.0.1/8",
            json!([
                "10.0.0.0/8",
                "11.0.0.0/16",
                "10.1.0.0/7",
                "10.1.0.0/16",
                "x",
                "2001:db8::/32"
            ]),
        ),
        block("010.0.0.0/08", json!(["10.000.1.0/24", "10.1.2.3/32"])),
        block(
            "::ffff:10.0.0.0/104",
            json!(["::ffff:10.1.0.0/112", "10.1.0.0/16"]),
        ),
        block(
            "2001:DB8::/32",
            json!(["2001:db8:1::/48", "2001:db9::/48", "::/0"]),
        ),
        block("0.0.0.0/0", json!(["10.0.0.0/8", "0.0.0.0/0"])),
        address("10.0.0.1", json!({})),
        address("010.0.0.1", json!({"parentRef": {}})),
        address(
            "2001:DB8::1",
            json!({"parentRef": {"group": "A_", "resource": "a/b", "name": "%", "namespace": ".."}}),
        ),
        address(
            "::ffff:10.0.0.1",
            json!({"parentRef": {"group": "A_", "resource": "", "name": "", "namespace": "a/b%"}}),
        ),
        ranges(json!([])),
        ranges(json!(["10.0.0.0/24", "10.1.0.0/24"])),
        ranges(json!(["10.0.0.0/24", "2001:db8::/64", "10.1.0.0/24"])),
        ranges(json!(["x", "y"])),
        ranges(json!(["10.0.0.1/24", "010.0.0.0/24"])),
        ranges(json!(["2001:DB8::/64", "10.0.0.0/024"])),
        ranges(json!(["2001:db8::/64", "fd00::/64"])),
        slice("", json!([]), json!([])),
        slice("IPv5", json!([{"addresses": ["anything"]}]), json!([])),
        slice(
            "IPv4",
            json!([{"addresses": []}, {"addresses": ["10.0.0.1"]}, {}]),
            json!([]),
        ),
        slice(
            "IPv4",
            json!([{"addresses": (0..101).map(|n| format!("10.0.0.{n}")).collect::<Vec<_>>()}]),
            json!([]),
        ),
        slice(
            "IPv4",
            json!(
                (0..1001)
                    .map(|n| json!({"addresses": [format!("10.0.{}.{}", n / 256, n % 256)]}))
                    .collect::<Vec<_>>()
            ),
            json!([]),
        ),
        slice(
            "IPv4",
            json!([{"addresses": ["10.0.0.1"], "hostname": "", "nodeName": "", "hints": {}}]),
            json!([{}, {}]),
        ),
        slice(
            "IPv4",
            json!([{"addresses": ["10.0.0.1"], "hostname": "A.b", "nodeName": "A_", "hints": {"forZones": [{"name": ""}, {"name": "a b"}, {"name": "a b"}], "forNodes": [{"name": ""}, {"name": "a"}, {"name": "a"}]}}]),
            json!([]),
        ),
        slice(
            "IPv4",
            json!([{"addresses": ["10.0.0.1"], "hints": {"forZones": vec![json!({"name": "a"}); 9], "forNodes": [{"name": "A"}]}}]),
            json!([]),
        ),
        slice(
            "IPv4",
            json!([{"addresses": ["10.0.0.1"], "hints": {"forNodes": vec![json!({"name": "a"}); 9]}}]),
            json!([]),
        ),
        slice(
            "IPv4",
            json!([]),
            json!([{"name": "A"}, {"name": "a.b"}, {"name": "a", "protocol": "", "appProtocol": ""}, {"name": "a", "protocol": "tcp", "appProtocol": "a b"}, {"name": "n", "port": -1}]),
        ),
        at("IPv4", "x"),
        at("IPv4", "010.0.0.1"),
        at("IPv4", "::ffff:10.0.0.1"),
        at("IPv4", "2001:DB8::1"),
        at("IPv4", "fe80::1"),
        at("IPv4", "127.0.0.1"),
        at("IPv4", "0.0.0.0"),
        at("IPv4", "169.254.1.1"),
        at("IPv4", "224.0.0.1"),
        at("IPv4", "239.0.0.1"),
        at("IPv6", "x"),
        at("IPv6", "10.0.0.1"),
        at("IPv6", "127.0.0.1"),
        at("IPv6", "2001:DB8::1"),
        at("IPv6", "2001:0db8::1"),
        at("IPv6", "00002001:db8::1"),
        at("IPv6", "::"),
        at("IPv6", "::1"),
        at("IPv6", "fe80::1"),
        at("IPv6", "ff02::1"),
        at("FQDN", ""),
        at("FQDN", "."),
        at("FQDN", "localhost"),
        at("FQDN", "localhost."),
        at("FQDN", "A.b"),
        at("FQDN", "a.b.."),
        at("FQDN", &format!("{}.b", "a".repeat(64))),
        at("FQDN", &format!("{}.B", "a".repeat(254))),
        endpoints(json!([{}])),
        endpoints(
            json!([{"notReadyAddresses": [{"ip": "10.0.0.1", "hostname": "A.b", "nodeName": ""}]}]),
        ),
        endpoints(
            json!([{"addresses": [{}], "ports": [{}, {"name": "A", "port": 70_000, "protocol": "tcp", "appProtocol": ""}]}]),
        ),
        endpoints(
            json!([{"addresses": [{"ip": "10.0.0.1", "nodeName": "A_"}], "ports": [{"port": 0}]}]),
        ),
        ready("x"),
        ready("010.0.0.1"),
        ready("127.0.0.01"),
        ready("::ffff:127.0.0.1"),
        ready("::ffff:0.0.0.0"),
        ready("0.0.0.0"),
        ready("::1"),
        ready("169.254.1.1"),
        ready("ff02::1"),
    ]
}
