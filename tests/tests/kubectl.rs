//! Stock kubectl against a cluster of ours: what a person types, and what they then see.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use e2e::cluster::{Cluster, SHAPES, Shape};
use e2e::process::Process;
use e2e::{upstream, wait};

const IMAGE: &str = "--image=gantry.local/hello:1";

/// Upstream's kubectl in one namespace of a cluster.
struct Kubectl<'a> {
    cluster: &'a Cluster,
    namespace: String,
}

impl Kubectl<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(upstream::binary("kubectl").unwrap());
        command.env("KUBECONFIG", &self.cluster.admin);
        command
            .arg("--cache-dir")
            .arg(self.cluster.admin.with_extension("cache"));
        command
            .args(["--namespace", &self.namespace])
            .args(args)
            .env("KUBE_EDITOR", "false");
        command
    }

    /// Exit code, and what it printed on both streams.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(args).output().unwrap();
        let text = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
        (status.code().unwrap_or(-1), text.into_owned())
    }

    fn expect(&self, code: i32, args: &[&str], parts: &[&str]) -> String {
        let (actual, text) = self.run(args);
        assert_eq!(actual, code, "kubectl {}: {text}", args.join(" "));
        for part in parts {
            assert!(
                text.contains(part),
                "kubectl {}: {part:?} is not in {text}",
                args.join(" ")
            );
        }
        text
    }

    /// It must succeed, and print each of `parts`.
    fn shows(&self, args: &[&str], parts: &[&str]) -> String {
        self.expect(0, args, parts)
    }

    /// It must end with code 1, and print each of `parts`.
    fn refuses(&self, args: &[&str], parts: &[&str]) {
        self.expect(1, args, parts);
    }

    /// Exactly this, but for white space around it.
    fn prints(&self, args: &[&str], text: &str) {
        let shown = self.shows(args, &[]);
        assert_eq!(shown.trim(), text, "kubectl {}", args.join(" "));
    }

    /// Waits until it succeeds and prints each of `parts`: for what others write meanwhile, as events are.
    fn until(&self, args: &[&str], parts: &[&str]) {
        let what = format!("kubectl {} shows {parts:?}", args.join(" "));
        wait::until(&what, Duration::from_secs(40), || match self.run(args) {
            (0, text) if parts.iter().all(|part| text.contains(part)) => Ok(()),
            (_, text) => Err(text),
        });
    }

    /// Starts it in the background.
    fn start(&self, name: &str, args: &[&str]) -> Process {
        Process::start(name, self.cluster.directory(), self.command(args)).unwrap()
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.cluster.directory().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn in_background_until(process: &Process, part: &str) {
    wait::until(
        &format!("a line with {part}"),
        Duration::from_secs(30),
        || {
            let output = process.output();
            if output.contains(part) {
                Ok(())
            } else {
                Err(output)
            }
        },
    );
}

fn creates(k: &Kubectl) {
    for (args, line) in [
        (
            &["configmap", "made", "--from-literal=a=b"][..],
            "configmap/made created",
        ),
        (
            &["secret", "generic", "made", "--from-literal=a=b"],
            "secret/made created",
        ),
        (
            &[
                "secret",
                "docker-registry",
                "pull",
                "--docker-username=u",
                "--docker-password=p",
                "--docker-server=r.test",
            ],
            "secret/pull created",
        ),
        (
            &["service", "clusterip", "inner", "--tcp=80:8080"],
            "service/inner created",
        ),
        (
            &["service", "nodeport", "outer", "--tcp=80:8080"],
            "service/outer created",
        ),
        (
            &["service", "loadbalancer", "balanced", "--tcp=80:8080"],
            "service/balanced created",
        ),
        (
            &["service", "externalname", "other", "--external-name=x.test"],
            "service/other created",
        ),
        (
            &["quota", "made", "--hard=pods=1000"],
            "resourcequota/made created",
        ),
        (&["serviceaccount", "robot"], "serviceaccount/robot created"),
        (
            &["role", "reader", "--verb=get", "--resource=pods"],
            "role.rbac.authorization.k8s.io/reader created",
        ),
        (
            &[
                "rolebinding",
                "reader",
                "--role=reader",
                "--serviceaccount=shop:robot",
            ],
            "rolebinding.rbac.authorization.k8s.io/reader created",
        ),
        (&["job", "made", IMAGE], "job.batch/made created"),
        (
            &["cronjob", "made", IMAGE, "--schedule=0 0 * * *"],
            "cronjob.batch/made created",
        ),
        (
            &["ingress", "made", "--rule=x.test/=inner:80"],
            "ingress.networking.k8s.io/made created",
        ),
        (
            &[
                "poddisruptionbudget",
                "made",
                "--selector=app=none",
                "--min-available=1",
            ],
            "poddisruptionbudget.policy/made created",
        ),
        (
            &["priorityclass", "made", "--value=10"],
            "priorityclass.scheduling.k8s.io/made created",
        ),
    ] {
        let args: Vec<&str> = [&["create"], args].concat();
        k.shows(&args, &[line]);
    }
    k.refuses(
        &["create", "configmap", "made"],
        &["failed to create configmap: configmaps \"made\" already exists"],
    );
    k.refuses(
        &["create", "configmap", "Not_A_Name"],
        &["ConfigMap \"Not_A_Name\" is invalid: metadata.name: Invalid value: \"Not_A_Name\""],
    );
    k.prints(
        &["get", "secret", "made", "-o", "jsonpath={.type} {.data.a}"],
        "Opaque Yg==",
    );
    k.shows(&["get", "service", "outer"], &["NodePort", "80:3"]);
    k.shows(&["get", "service", "other"], &["ExternalName", "x.test"]);
    k.shows(
        &["describe", "service", "inner"],
        &[
            "Type:",
            "ClusterIP",
            "Port:",
            "80-8080  80/TCP",
            "TargetPort:",
            "8080/TCP",
        ],
    );
    let token = k.shows(&["create", "token", "robot", "--duration=10m"], &[]);
    assert_eq!(token.trim().split('.').count(), 3, "{token}");
    // The token itself, without any certificate, is the account.
    let answer = Command::new(upstream::binary("kubectl").unwrap())
        .args([
            "--kubeconfig",
            text(&token_config(k, token.trim())),
            "auth",
            "whoami",
        ])
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer.stdout);
    assert!(
        answer.contains("system:serviceaccount:shop:robot"),
        "{answer}"
    );
}

/// A kubeconfig with the cluster of the admin's, and a token alone.
fn token_config(k: &Kubectl, token: &str) -> PathBuf {
    let view = k.shows(&["config", "view", "--raw", "-o", "json"], &[]);
    let mut view: serde_json::Value = serde_json::from_str(&view).unwrap();
    view["users"][0]["user"] = serde_json::json!({ "token": token });
    k.file("token.conf", &view.to_string())
}

fn applies_and_edits(k: &Kubectl) {
    let write = |data: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: applied}}, data: {{{data}}}}}"
        );
        k.file("applied.yaml", &text)
    };
    let data = |expected: &str| {
        k.prints(
            &["get", "configmap", "applied", "-o", "jsonpath={.data}"],
            expected,
        );
    };
    let file = write("a: \"1\", b: \"2\"");
    let file = text(&file);
    k.expect(1, &["diff", "-f", file], &["+kind: ConfigMap"]);
    k.prints(&["apply", "-f", file], "configmap/applied created");
    k.prints(&["apply", "-f", file], "configmap/applied unchanged");
    k.prints(&["diff", "-f", file], "");
    write("a: \"1\", c: \"3\"");
    k.expect(1, &["diff", "-f", file], &["-  b: \"2\"", "+  c: \"3\""]);
    k.prints(
        &["apply", "-f", file, "--dry-run=server"],
        "configmap/applied configured (server dry run)",
    );
    data(r#"{"a":"1","b":"2"}"#);
    k.prints(&["apply", "-f", file], "configmap/applied configured");
    data(r#"{"a":"1","c":"3"}"#);

    // From client-side to server-side, then another owner of the same field.
    k.prints(
        &["apply", "--server-side", "-f", file],
        "configmap/applied serverside-applied",
    );
    write("a: \"9\"");
    let other = [
        "apply",
        "--server-side",
        "--field-manager=other",
        "-f",
        file,
    ];
    k.refuses(
        &other,
        &["Apply failed with 1 conflict: conflict with \"kubectl\": .data.a"],
    );
    k.prints(
        &[&other[..], &["--force-conflicts"]].concat(),
        "configmap/applied serverside-applied",
    );
    data(r#"{"a":"9","c":"3"}"#);
    k.shows(
        &[
            "get",
            "configmap",
            "applied",
            "-o",
            "yaml",
            "--show-managed-fields",
        ],
        &["manager: other", "operation: Apply", "f:a: {}"],
    );

    let edit = k
        .command(&["edit", "configmap", "applied"])
        .env("KUBE_EDITOR", "sed -i s/a:.*9.*/a:\\ edited/")
        .output()
        .unwrap();
    let edited = String::from_utf8_lossy(&edit.stdout);
    assert!(edited.contains("configmap/applied edited"), "{edit:?}");
    data(r#"{"a":"edited","c":"3"}"#);

    let patch = |kind: &str, patch: &str| {
        let kind = format!("--type={kind}");
        k.run(&["patch", "configmap", "applied", &kind, "-p", patch])
    };
    assert_eq!(
        patch("strategic", r#"{"data":{"s":"1"}}"#).1,
        "configmap/applied patched\n"
    );
    assert_eq!(
        patch("merge", r#"{"data":{"c":null}}"#).1,
        "configmap/applied patched\n"
    );
    assert_eq!(
        patch("merge", r#"{"data":{"s":"1"}}"#).1,
        "configmap/applied patched (no change)\n"
    );
    let add =
        r#"[{"op":"test","path":"/data/s","value":"1"},{"op":"add","path":"/data/j","value":"x"}]"#;
    assert_eq!(patch("json", add).1, "configmap/applied patched\n");
    let refused = patch("json", r#"[{"op":"test","path":"/data/s","value":"2"}]"#);
    assert_eq!(refused.0, 1, "{}", refused.1);
    data(r#"{"a":"edited","j":"x","s":"1"}"#);

    k.prints(
        &["label", "configmap", "applied", "tier=one"],
        "configmap/applied labeled",
    );
    k.refuses(
        &["label", "configmap", "applied", "tier=two"],
        &["'tier' already has a value (one)"],
    );
    k.prints(
        &["label", "configmap", "applied", "tier=two", "--overwrite"],
        "configmap/applied labeled",
    );
    k.prints(
        &["annotate", "configmap", "applied", "note=kept"],
        "configmap/applied annotated",
    );
    k.prints(
        &["get", "configmap", "-l", "tier in (one,two)", "-o", "name"],
        "configmap/applied",
    );
    k.prints(
        &[
            "get",
            "configmap",
            "applied",
            "-o",
            "jsonpath={.metadata.annotations.note}",
        ],
        "kept",
    );
    k.prints(
        &["label", "configmap", "applied", "tier-"],
        "configmap/applied unlabeled",
    );
    k.prints(&["get", "configmap", "-l", "tier", "-o", "name"], "");
    write("r: \"1\"");
    k.prints(&["replace", "-f", file], "configmap/applied replaced");
    data(r#"{"r":"1"}"#);
    write("r: 1");
    k.refuses(
        &["replace", "-f", file],
        &["ConfigMap in version \"v1\" cannot be handled as a ConfigMap"],
    );
    k.file(
        "applied.yaml",
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: applied}, dta: {}}",
    );
    k.refuses(&["apply", "-f", file], &["unknown field \"dta\""]);
    write("r: \"1\"");
    k.shows(&["delete", "-f", file], &["configmap \"applied\" deleted"]);
    k.refuses(
        &["get", "-f", file],
        &["Error from server (NotFound): configmaps \"applied\" not found"],
    );
}

fn rolls_out(k: &Kubectl) {
    let status = |line: &str| {
        k.shows(
            &["rollout", "status", "deployment/web", "--timeout=60s"],
            &[line],
        );
    };
    let done = "deployment \"web\" successfully rolled out";
    let revision = |number: &str| {
        let path = r"jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}";
        k.prints(&["get", "deployment", "web", "-o", path], number);
    };
    k.prints(
        &["create", "deployment", "web", IMAGE],
        "deployment.apps/web created",
    );
    status(done);
    k.prints(
        &["scale", "deployment", "web", "--replicas=2"],
        "deployment.apps/web scaled",
    );
    k.refuses(
        &[
            "scale",
            "deployment",
            "web",
            "--replicas=3",
            "--current-replicas=7",
        ],
        &["Expected replicas to be 7, was 2"],
    );
    status(done);
    k.prints(
        &["set", "env", "deployment/web", "TEXT=two"],
        "deployment.apps/web env updated",
    );
    status(done);
    revision("2");
    let history = k.shows(
        &["rollout", "history", "deployment/web"],
        &["REVISION  CHANGE-CAUSE"],
    );
    assert_eq!(
        history
            .lines()
            .filter(|line| line.ends_with("<none>"))
            .count(),
        2,
        "{history}"
    );
    k.shows(
        &["rollout", "history", "deployment/web", "--revision=2"],
        &["revision #2", "TEXT:\ttwo"],
    );

    k.prints(
        &["rollout", "pause", "deployment/web"],
        "deployment.apps/web paused",
    );
    k.refuses(
        &["rollout", "undo", "deployment/web"],
        &["you cannot rollback a paused deployment"],
    );
    k.prints(
        &["rollout", "resume", "deployment/web"],
        "deployment.apps/web resumed",
    );
    k.prints(
        &["rollout", "undo", "deployment/web"],
        "deployment.apps/web rolled back",
    );
    status(done);
    k.prints(
        &[
            "get",
            "deployment",
            "web",
            "-o",
            "jsonpath={.spec.template.spec.containers[0].env}",
        ],
        "",
    );
    k.prints(
        &["rollout", "undo", "deployment/web", "--to-revision=2"],
        "deployment.apps/web rolled back",
    );
    status(done);
    revision("4");
    k.prints(
        &["rollout", "restart", "deployment/web"],
        "deployment.apps/web restarted",
    );
    status(done);
    revision("5");
    k.prints(
        &[
            "expose",
            "deployment",
            "web",
            "--port=80",
            "--target-port=8080",
        ],
        "service/web exposed",
    );
    k.prints(
        &[
            "get",
            "service",
            "web",
            "-o",
            "jsonpath={.spec.selector.app}",
        ],
        "web",
    );
}

fn gets_and_describes(k: &Kubectl) {
    let node = &k.cluster.node;
    // The pods of the rollouts before may still be going.
    k.until(
        &[
            "get",
            "deployment",
            "web",
            "-o",
            "jsonpath={.status.terminatingReplicas}",
        ],
        &["0"],
    );
    let header = k.shows(&["get", "pods", "-l", "app=web"], &["1/1     Running"]);
    let columns: Vec<&str> = header.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(columns, ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    let names = k.shows(&["get", "pods", "-l", "app=web", "-o", "name"], &[]);
    assert_eq!(names.lines().count(), 2, "{names}");
    let pod = names.lines().next().unwrap();
    k.shows(
        &["get", pod, "-o", "wide"],
        &["IP", "NODE", "NOMINATED NODE", "READINESS GATES", node],
    );
    k.shows(
        &["get", pod, "-o", "yaml"],
        &[
            "\nkind: Pod\n",
            "\n  phase: Running\n",
            "qosClass: BestEffort",
        ],
    );
    let json = k.shows(&["get", pod, "-o", "json"], &[]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["spec"]["nodeName"], node.as_str());
    for what in [pod, "deployment/web", "configmaps"] {
        for format in ["yaml", "json"] {
            let args = ["get", what, "-o", format, "--namespace", &k.namespace];
            let ours = k.cluster.ctl(&args).unwrap();
            assert_eq!(ours, k.shows(&args, &[]), "ctl and kubectl {args:?}");
        }
    }
    k.prints(
        &[
            "get",
            pod,
            "-o",
            "custom-columns=P:.status.phase",
            "--no-headers",
        ],
        "Running",
    );
    k.prints(
        &["get", pod, "-o", "go-template={{.status.phase}}"],
        "Running",
    );
    k.prints(
        &[
            "get",
            "pods",
            "--field-selector=status.phase=Failed",
            "-o",
            "name",
        ],
        "",
    );
    k.shows(
        &["get", "pods", "-A", "--sort-by=.metadata.name", "-L", "app"],
        &["NAMESPACE", "APP", "web"],
    );
    k.shows(
        &["get", "deployments,replicasets", "-o", "wide"],
        &["UP-TO-DATE", "SELECTOR", "DESIRED"],
    );
    k.shows(
        &["get", "all"],
        &["deployment.apps/web", "service/web", "replicaset.apps/web-"],
    );
    k.refuses(
        &["get", "pods", "none"],
        &["Error from server (NotFound): pods \"none\" not found"],
    );
    k.refuses(
        &["get", "nones"],
        &["the server doesn't have a resource type \"nones\""],
    );
    k.refuses(
        &["get", "pods", "-l", "!!"],
        &["unable to parse requirement"],
    );

    k.until(
        &["describe", pod],
        &[
            "Controlled By:  ReplicaSet/web-",
            "State:          Running",
            "Restart Count:  0",
            "kube-api-access-",
            "QoS Class:                   BestEffort",
            "Scheduled",
            &format!("to {node}"),
            "Container started",
        ],
    );
    k.until(
        &["describe", "deployment", "web"],
        &[
            "2 desired | 2 updated | 2 total | 2 available | 0 unavailable",
            "NewReplicaSetAvailable",
            "ScalingReplicaSet",
            "NewReplicaSet:   web-",
        ],
    );
    k.shows(
        &["describe", "node", node],
        &[
            "KubeletReady",
            "containerd://",
            "Kubelet Version:",
            "Non-terminated Pods:",
            "web-",
            "Allocated resources:",
        ],
    );
    k.shows(
        &["describe", "namespace", "shop"],
        &["Status:       Active", "Resource Quotas", "Name:     made"],
    );
    k.until(
        &["get", "events"],
        &["ScalingReplicaSet", "deployment/web", "Scheduled"],
    );
    k.until(
        &["events", "--for", "deployment/web"],
        &["ScalingReplicaSet"],
    );
}

fn watches(k: &Kubectl) {
    let mut watch = k.start(
        "watch",
        &[
            "get",
            "configmaps",
            "-l",
            "seen",
            "-w",
            "--output-watch-events",
        ],
    );
    let row = |event: &str, name: &str| {
        wait::until(&format!("{event} {name}"), Duration::from_secs(30), || {
            let output = watch.output();
            let found = output
                .lines()
                .any(|line| line.split_whitespace().take(2).eq([event, name]));
            if found { Ok(()) } else { Err(output) }
        });
    };
    k.shows(&["create", "configmap", "seen"], &[]);
    k.shows(&["label", "configmap", "seen", "seen=1"], &[]);
    row("ADDED", "seen");
    k.shows(&["annotate", "configmap", "seen", "a=b"], &[]);
    row("MODIFIED", "seen");
    // Out of the selector is gone for this watcher.
    k.shows(&["label", "configmap", "seen", "seen-"], &[]);
    row("DELETED", "seen");
    watch.kill().unwrap();
}

fn runs_and_logs(k: &Kubectl) {
    k.prints(
        &["run", "single", IMAGE, "--image-pull-policy=Never"],
        "pod/single created",
    );
    let wait_for = |what: &str| {
        k.prints(
            &[
                "wait",
                "pod/single",
                &format!("--for={what}"),
                "--timeout=40s",
            ],
            "pod/single condition met",
        );
    };
    wait_for("condition=Ready");
    wait_for("jsonpath={.status.phase}=Running");
    k.refuses(
        &[
            "wait",
            "pod/single",
            "--for=condition=Never",
            "--timeout=1s",
        ],
        &["timed out waiting for the condition on pods/single"],
    );
    k.until(&["logs", "single"], &["single listens on"]);
    k.prints(&["logs", "single", "--tail=0"], "");
    k.shows(
        &["logs", "single", "--timestamps", "--tail=1"],
        &["Z single listens on"],
    );
    k.shows(
        &["logs", "deployment/web", "--all-containers", "--prefix"],
        &["/hello] web-"],
    );
    k.refuses(
        &["logs", "single", "-c", "none"],
        &["container none is not valid for pod single"],
    );
    k.refuses(
        &["logs", "single", "--previous"],
        &["previous terminated container \"single\" in pod \"single\" not found"],
    );

    // Followed until its container ends.
    let mut follow = k.start("follow", &["logs", "-f", "single"]);
    in_background_until(&follow, "single listens on");
    assert!(follow.is_running(), "logs -f ended before the container");
    k.shows(
        &["delete", "pod", "single", "--now"],
        &["pod \"single\" deleted"],
    );
    wait::until(
        "logs -f ends with the container",
        Duration::from_secs(20),
        || {
            if follow.is_running() {
                Err("it follows")
            } else {
                Ok(())
            }
        },
    );

    // A container that its liveness probe ends again and again: the one before speaks.
    let container = serde_json::json!({
        "name": "failing", "image": "gantry.local/hello:1", "imagePullPolicy": "Never",
        "livenessProbe": {"httpGet": {"path": "/none", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1},
    });
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "failing"},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    });
    let file = k.file("failing.json", &pod.to_string());
    k.prints(&["create", "-f", text(&file)], "pod/failing created");
    k.until(
        &[
            "get",
            "pod",
            "failing",
            "-o",
            "jsonpath=n{.status.containerStatuses[0].restartCount}",
        ],
        &["n1"],
    );
    k.until(&["logs", "failing", "--previous"], &["ending: Ok(SIGTERM)"]);
    k.until(&["get", "pod", "failing"], &["CrashLoopBackOff"]);
    k.until(
        &["describe", "pod", "failing"],
        &[
            "Last State:",
            "Terminated",
            "Exit Code:",
            "Liveness probe failed: HTTP probe failed with statuscode: 404",
            "Back-off restarting failed container",
        ],
    );
    k.shows(
        &["delete", "pod", "failing", "--grace-period=0", "--force"],
        &["force deleted"],
    );
}

fn asks_the_server(k: &Kubectl) {
    let robot = "--as=system:serviceaccount:shop:robot";
    k.prints(&["auth", "can-i", "create", "deployments"], "yes");
    k.prints(&["auth", "can-i", "get", "pods", robot], "yes");
    k.refuses(&["auth", "can-i", "create", "pods", robot], &["no"]);
    k.shows(&["auth", "can-i", "--list", robot], &["pods", "[get]"]);
    k.refuses(
        &["get", "secrets", robot],
        &[concat!(
            "Error from server (Forbidden): secrets is forbidden: User \"system:serviceaccount:shop:robot\" ",
            "cannot list resource \"secrets\" in API group \"\" in the namespace \"shop\""
        )],
    );
    k.shows(
        &["explain", "pod.spec.containers"],
        &[
            "KIND:       Pod",
            "FIELD: containers <[]Container>",
            "imagePullPolicy\t<string>",
        ],
    );
    k.shows(
        &["explain", "deployment", "--recursive"],
        &["GROUP:      apps", "maxUnavailable\t<IntOrString>"],
    );
    k.refuses(
        &["explain", "pod.spec.none"],
        &["field \"none\" does not exist"],
    );
    k.shows(
        &["api-resources"],
        &["deployments", "deploy", "apps/v1", "true"],
    );
    k.shows(
        &["api-resources", "--namespaced=false", "-o", "name"],
        &["nodes\n", "clusterroles.rbac.authorization.k8s.io\n"],
    );
    k.shows(
        &["api-versions"],
        &["apps/v1\n", "networking.k8s.io/v1\n", "\nv1\n"],
    );
    k.refuses(&["top", "nodes"], &["Metrics API not available"]);
    k.refuses(&["top", "pods"], &["Metrics API not available"]);
    k.shows(
        &["cluster-info"],
        &["Kubernetes control plane", "is running at"],
    );
    k.shows(&["version"], &["Server Version: v1.37"]);
    k.shows(&["cordon", &k.cluster.node], &["cordoned"]);
    k.shows(
        &["get", "node", &k.cluster.node],
        &["Ready,SchedulingDisabled"],
    );
    k.shows(&["uncordon", &k.cluster.node], &["uncordoned"]);
}

fn deletes(k: &Kubectl) {
    let gone = |what: &str, selector: &str| {
        wait::until(&format!("no {what}"), Duration::from_secs(40), || {
            match k.run(&["get", what, "-l", selector, "-o", "name"]) {
                (0, text) if text.is_empty() => Ok(()),
                (_, text) => Err(text),
            }
        });
    };
    k.shows(
        &["delete", "deployment", "web", "--cascade=orphan"],
        &["deployment.apps \"web\" deleted"],
    );
    let left = k.shows(&["get", "replicasets", "-l", "app=web", "-o", "json"], &[]);
    let left: serde_json::Value = serde_json::from_str(&left).unwrap();
    let sets = left["items"].as_array().unwrap();
    assert!(
        !sets.is_empty(),
        "the ReplicaSets went with an orphaning delete"
    );
    for set in sets {
        assert!(set["metadata"]["ownerReferences"].is_null(), "{set}");
    }
    k.shows(
        &[
            "delete",
            "replicasets",
            "-l",
            "app=web",
            "--cascade=foreground",
        ],
        &["replicaset.apps \"web-"],
    );
    // In the foreground: whatever they owned went first.
    k.prints(&["get", "pods", "-l", "app=web", "-o", "name"], "");

    k.shows(&["create", "deployment", "short", IMAGE], &[]);
    k.until(
        &["get", "pods", "-l", "app=short", "-o", "name"],
        &["pod/short"],
    );
    k.shows(
        &["delete", "deployment", "short"],
        &["deployment.apps \"short\" deleted"],
    );
    gone("replicasets", "app=short");
    gone("pods", "app=short");
    k.shows(
        &["delete", "configmap", "made", "seen"],
        &["\"made\" deleted", "\"seen\" deleted"],
    );
    k.refuses(&["delete", "configmap", "made"], &["NotFound"]);
    k.prints(&["delete", "configmap", "made", "--ignore-not-found"], "");
    k.shows(&["delete", "priorityclass", "made"], &["deleted"]);
    k.shows(
        &["delete", "namespace", "shop", "--timeout=60s"],
        &["namespace \"shop\" deleted"],
    );
    k.refuses(&["get", "namespace", "shop"], &["NotFound"]);
}

fn a_day_with_kubectl(shape: Shape) {
    let cluster = Cluster::start(shape).unwrap();
    cluster.load_hello().unwrap();
    cluster.kubectl(&["create", "namespace", "shop"]).unwrap();
    let k = Kubectl {
        cluster: &cluster,
        namespace: "shop".into(),
    };
    creates(&k);
    applies_and_edits(&k);
    rolls_out(&k);
    gets_and_describes(&k);
    watches(&k);
    runs_and_logs(&k);
    asks_the_server(&k);
    deletes(&k);
    println!("\nSHAPE {shape:?}");
}

#[test]
fn stock_kubectl_works_in_both_shapes() {
    if !e2e::is_root() {
        return e2e::skip("kubectl", "containers need root");
    }
    for shape in SHAPES {
        a_day_with_kubectl(shape);
    }
}
