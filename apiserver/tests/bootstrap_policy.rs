//! The table of bootstrap roles and bindings against those that upstream's API server makes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use apiserver::authz::Rule;
use apiserver::authz::bootstrap::{AGGREGATE_PREFIX, AUTOUPDATE, LABEL, Policy};
use apiserver::authz::rbac::{RoleRef, Subject};
use serde_json::Value;

/// Killed when the test ends, however it does.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(program: &str, args: &[String], dir: &std::path::Path) -> Process {
    let log =
        std::fs::File::create(dir.join(format!("{}.log", program.rsplit('/').next().unwrap())))
            .unwrap();
    let command = Command::new(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    Process(command.unwrap_or_else(|e| panic!("{program}: {e}")))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect()
}

fn rule(value: &Value) -> Rule {
    let list = |key: &str| strings(&value[key]).into_iter().map(Into::into).collect();
    Rule {
        verbs: list("verbs"),
        groups: list("apiGroups"),
        resources: list("resources"),
        names: list("resourceNames"),
        urls: list("nonResourceURLs"),
    }
}

/// Upstream's roles and bindings, in the words of our table.
fn describe(kind: &str, item: &Value) -> String {
    let meta = &item["metadata"];
    let (namespace, name) = (
        meta["namespace"].as_str().unwrap_or_default(),
        meta["name"].as_str().unwrap(),
    );
    let labels: BTreeSet<String> = meta["labels"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(meta["labels"][LABEL.0], LABEL.1, "{name}");
    assert_eq!(meta["annotations"][AUTOUPDATE.0], AUTOUPDATE.1, "{name}");
    if kind.ends_with("Binding") {
        let role = (
            item["roleRef"]["kind"].as_str().unwrap(),
            item["roleRef"]["name"].as_str().unwrap(),
        );
        let subjects: Vec<String> = item["subjects"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|s| {
                let text = |key: &str| s[key].as_str().unwrap_or_default().to_owned();
                format!("{}:{}/{}", text("kind"), text("namespace"), text("name"))
            })
            .collect();
        return format!("{namespace}/{name} -> {role:?} {subjects:?}");
    }
    let rules: Vec<String> = item["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|r| rule(r).describe())
        .collect();
    let to: Vec<&str> = labels
        .iter()
        .filter_map(|l| l.strip_prefix(AGGREGATE_PREFIX))
        .collect();
    let from: Vec<&str> = item["aggregationRule"]["clusterRoleSelectors"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|s| s["matchLabels"].as_object().unwrap().keys())
        .map(|l| l.strip_prefix(AGGREGATE_PREFIX).unwrap())
        .collect();
    format!("{namespace}/{name} {rules:?} to {to:?} from {from:?}")
}

fn ours() -> BTreeSet<String> {
    let policy = Policy::builtin();
    let roles = policy.roles.iter().map(|r| {
        let rules: Vec<String> = r.rules.iter().map(Rule::describe).collect();
        let from: Vec<&str> = r.collects.iter().map(String::as_str).collect();
        format!(
            "{}/{} {rules:?} to {:?} from {from:?}",
            r.namespace, r.name, r.aggregates_to
        )
    });
    let bindings = policy.bindings.iter().map(|b| {
        let role = match &b.role {
            RoleRef::ClusterRole(name) => ("ClusterRole", name.as_str()),
            RoleRef::Role(name) => ("Role", name.as_str()),
        };
        let subjects: Vec<String> = b
            .subjects
            .iter()
            .map(|s| match s {
                Subject::User(name) => format!("User:/{name}"),
                Subject::Group(name) => format!("Group:/{name}"),
                Subject::ServiceAccount { namespace, name } => {
                    format!("ServiceAccount:{namespace}/{name}")
                }
            })
            .collect();
        format!("{}/{} -> {role:?} {subjects:?}", b.namespace, b.name)
    });
    roles.chain(bindings).collect()
}

#[test]
fn the_table_is_what_upstream_makes() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let built = Command::new(format!("{root}/hack/upstream/build"))
        .args(["kube-apiserver", "etcd", "kubectl"])
        .output();
    let built = built.expect("hack/upstream/build runs");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let bin = String::from_utf8(built.stdout).unwrap().trim().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let (etcd_port, peer_port, port) = (free_port(), free_port(), free_port());

    let pair = rcgen::KeyPair::generate().unwrap();
    std::fs::write(dir.path().join("sa.key"), pair.serialize_pem()).unwrap();
    std::fs::write(dir.path().join("sa.pub"), pair.public_key_pem()).unwrap();
    std::fs::write(
        dir.path().join("tokens.csv"),
        "secret,admin,1,\"system:masters\"\n",
    )
    .unwrap();
    let flags = |text: String| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let _etcd = run(
        &format!("{bin}/etcd"),
        &flags(format!(
            "--data-dir etcd --listen-client-urls http://127.0.0.1:{etcd_port} --advertise-client-urls \
             http://127.0.0.1:{etcd_port} --listen-peer-urls http://127.0.0.1:{peer_port} --log-level error"
        )),
        dir.path(),
    );
    let _api = run(
        &format!("{bin}/kube-apiserver"),
        &flags(format!(
            "--etcd-servers=http://127.0.0.1:{etcd_port} --secure-port={port} --bind-address=127.0.0.1 --cert-dir=certs \
             --token-auth-file=tokens.csv --authorization-mode=Node,RBAC --service-account-key-file=sa.pub \
             --service-account-signing-key-file=sa.key --service-account-issuer=https://test \
             --service-cluster-ip-range=10.96.0.0/16"
        )),
        dir.path(),
    );
    let get = |path: &str| {
        let server = format!("--server=https://127.0.0.1:{port}");
        let mut kubectl = Command::new(format!("{bin}/kubectl"));
        kubectl.args([
            &server,
            "--insecure-skip-tls-verify",
            "--token=secret",
            "get",
            "--raw",
            path,
        ]);
        let out = kubectl.env("HOME", dir.path()).output().unwrap();
        out.status
            .success()
            .then(|| String::from_utf8(out.stdout).unwrap())
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    while get("/readyz").as_deref() != Some("ok") {
        let log =
            || std::fs::read_to_string(dir.path().join("kube-apiserver.log")).unwrap_or_default();
        assert!(
            Instant::now() < deadline,
            "upstream's API server is not ready:\n{}",
            log()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut theirs = BTreeSet::new();
    for (kind, resource) in [
        ("ClusterRole", "clusterroles"),
        ("Role", "roles"),
        ("ClusterRoleBinding", "clusterrolebindings"),
        ("RoleBinding", "rolebindings"),
    ] {
        let list: Value = serde_json::from_str(
            &get(&format!("/apis/rbac.authorization.k8s.io/v1/{resource}")).unwrap(),
        )
        .unwrap();
        theirs.extend(
            list["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| describe(kind, item)),
        );
    }
    let ours = ours();
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let surplus: Vec<_> = ours.difference(&theirs).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "missing: {missing:#?}\nsurplus: {surplus:#?}"
    );
    assert_eq!(ours.len(), 141);
}
