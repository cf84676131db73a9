//! Our Job, CronJob and TTL controllers on upstream's API server. No node and no kubelet is here: what these would do to pods,
//! the test does, as the image says: `succeed`, `exit-3`, `run`, `odd-fails` (by index), `first-succeeds` (the others run).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use e2e::{
    cluster::{binary, grant_controllers},
    net::free_port,
    process::Process,
    upstream::{UpstreamApiserver, kubectl},
    wait,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);

struct Cluster {
    upstream: UpstreamApiserver,
    controllers: Process,
    kubelet: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

/// What becomes of a pod: its phase, and how its container stands.
fn fate(pod: &Value) -> (&'static str, Value) {
    let index = pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"].as_str();
    let index: Option<u32> = index.and_then(|index| index.parse().ok());
    let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
    let ended = |code: i64| {
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        (phase, json!({"terminated": {"exitCode": code}}))
    };
    match image {
        "succeed" => ended(0),
        "odd-fails" => ended(i64::from(index.unwrap() % 2)),
        "first-succeeds" if index == Some(0) => ended(0),
        "run" | "first-succeeds" => (
            "Running",
            json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
        ),
        image => ended(image.strip_prefix("exit-").unwrap().parse().unwrap()),
    }
}

fn play_kubelet(admin: &Path, stopped: &AtomicBool) {
    while !stopped.load(Relaxed) {
        let pods = kubectl(admin, &["get", "pods", "-A", "-o", "json"]).unwrap_or_default();
        let pods: Value = serde_json::from_str(&pods).unwrap_or_default();
        for pod in pods["items"].as_array().into_iter().flatten() {
            if pod["status"]["phase"] != "Pending"
                || !pod["metadata"]["deletionTimestamp"].is_null()
            {
                continue;
            }
            let (phase, state) = fate(pod);
            let ready = phase == "Running";
            let status = json!({"status": {
                "phase": phase,
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
                "containerStatuses": [{
                    "name": "main", "image": "i", "imageID": "i", "restartCount": 0, "ready": ready, "state": state,
                }],
            }});
            let text = |field: &str| pod["metadata"][field].as_str().unwrap();
            let (namespace, name, patch) = (text("namespace"), text("name"), status.to_string());
            // It may be gone by now.
            let _ = kubectl(
                admin,
                &[
                    "patch",
                    "pod",
                    "-n",
                    namespace,
                    name,
                    "--subresource=status",
                    "-p",
                    &patch,
                ],
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Cluster {
    fn start() -> Cluster {
        let upstream = UpstreamApiserver::start(&[]).unwrap();
        let user = "system:kube-controller-manager";
        grant_controllers(&upstream, user).unwrap();
        let kubeconfig = upstream.kubeconfig_for(user, &[]).unwrap();
        let mut command = Command::new(binary("controllers"));
        command.arg("--kubeconfig").arg(&kubeconfig);
        command.args(["--bind-address", "127.0.0.1", "--leader-elect=false"]);
        command.args(["--secure-port", &free_port().unwrap().to_string()]);
        let controllers = Process::start("controllers", upstream.directory(), command).unwrap();
        let (admin, stop) = (upstream.admin.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || play_kubelet(&admin, &stopped));
        let cluster = Cluster {
            upstream,
            controllers,
            kubelet: Some((stop, thread)),
        };
        cluster.kubectl("create namespace shop").unwrap();
        let account = "get serviceaccount -n shop -o name";
        cluster.prints(account, "serviceaccount/default");
        cluster
    }

    fn kubectl(&self, line: &str) -> Result<String, String> {
        self.upstream.kubectl(&line.split(' ').collect::<Vec<_>>())
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("{line} -n shop -o json")).unwrap()).unwrap()
    }

    fn job(&self, name: &str) -> Value {
        self.json(&format!("get job {name}"))
    }

    fn pods(&self, job: &str) -> Vec<Value> {
        let pods = self.json(&format!("get pods -l batch.kubernetes.io/job-name={job}"));
        pods["items"].as_array().unwrap().clone()
    }

    fn apply(&self, object: &Value) {
        let file = self.upstream.directory().join("apply.json");
        std::fs::write(&file, object.to_string()).unwrap();
        self.kubectl(&format!("apply -f {}", file.display()))
            .unwrap();
    }

    fn patch(&self, object: &str, patch: &Value) {
        let line = format!("patch -n shop {object} --type=merge -p");
        let mut words: Vec<&str> = line.split(' ').collect();
        let patch = patch.to_string();
        words.push(&patch);
        self.upstream.kubectl(&words).unwrap();
    }

    /// Waits until something holds.
    fn until(&self, what: &str, mut holds: impl FnMut() -> Result<(), String>) {
        wait::until(what, LIMIT, || {
            holds().map_err(|e| format!("{e}\n{}", self.controllers.output()))
        });
    }

    /// Waits until `line` prints this.
    fn prints(&self, line: &str, wanted: &str) {
        self.until(&format!("kubectl {line}"), || {
            let printed = self.kubectl(line).unwrap_or_else(|e| e);
            if printed.trim() == wanted {
                Ok(())
            } else {
                Err(format!("{printed:?}, not {wanted:?}"))
            }
        });
    }

    /// Waits until a Job has a condition, and returns the Job.
    fn job_with(&self, name: &str, condition: &str, reason: &str) -> Value {
        let path = format!("{{.status.conditions[?(@.type==\"{condition}\")]['status','reason']}}");
        self.prints(
            &format!("get job {name} -n shop -o jsonpath={path}"),
            &format!("True {reason}"),
        );
        self.job(name)
    }

    fn events(&self, name: &str) -> String {
        let line = format!(
            "get events -n shop --field-selector=involvedObject.name={name} -o jsonpath={{.items[*].reason}}"
        );
        self.kubectl(&line).unwrap()
    }

    fn told(&self, name: &str, reason: &str) {
        self.until(&format!("event {reason} of {name}"), || {
            let events = self.events(name);
            if events.split(' ').any(|event| event == reason) {
                Ok(())
            } else {
                Err(events)
            }
        });
    }

    /// Ends the controllers and holds their log against what may stand there.
    fn finish(mut self) {
        let status = self.controllers.terminate(Duration::from_secs(5)).unwrap();
        let log = self.controllers.output();
        assert!(status.is_some_and(|s| s.success()), "{status:?}\n{log}");
        let errors: Vec<&str> = log
            .lines()
            .filter(|l| l.contains("ERROR") || l.contains("panicked"))
            .collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.kubelet.take() {
            stop.store(true, Relaxed);
            let _ = thread.join();
        }
    }
}

/// A Job whose pods have this image, with what else its spec says.
fn job(name: &str, image: &str, spec: Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    });
    let template = json!({
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]},
    });
    job["spec"]["template"] = template;
    job
}

/// Nothing is left to be counted, and no pod is held.
fn is_settled(cluster: &Cluster, job: &Value) {
    let status = &job["status"];
    assert_eq!(status["uncountedTerminatedPods"], json!({}), "{status}");
    assert_eq!(status["ready"], 0, "{status}");
    assert_eq!(status["terminating"], 0, "{status}");
    for pod in cluster.pods(job["metadata"]["name"].as_str().unwrap()) {
        assert!(pod["metadata"]["finalizers"].is_null(), "{pod}");
    }
}

#[test]
fn jobs_complete_by_count_and_by_index() {
    let cluster = Cluster::start();
    cluster.apply(&job(
        "count",
        "succeed",
        json!({"completions": 5, "parallelism": 2}),
    ));
    cluster.apply(&job(
        "each",
        "succeed",
        json!({"completions": 4, "parallelism": 2, "completionMode": "Indexed"}),
    ));
    cluster.apply(&job("any", "succeed", json!({"parallelism": 1})));
    cluster.apply(&job(
        "brief",
        "succeed",
        json!({"ttlSecondsAfterFinished": 1}),
    ));
    cluster.apply(&job(
        "others",
        "succeed",
        json!({"managedBy": "example.com/other"}),
    ));

    let count = cluster.job_with("count", "Complete", "CompletionsReached");
    assert_eq!(count["status"]["succeeded"], 5);
    assert!(count["status"]["failed"].is_null());
    let conditions = count["status"]["conditions"].as_array().unwrap();
    let types: Vec<&Value> = conditions.iter().map(|c| &c["type"]).collect();
    assert_eq!(types, ["SuccessCriteriaMet", "Complete"]);
    assert!(
        count["status"]["startTime"].is_string() && count["status"]["completionTime"].is_string()
    );
    is_settled(&cluster, &count);
    let pods = cluster.pods("count");
    assert_eq!(pods.len(), 5, "each counted once");
    assert!(
        pods[0]["metadata"]["name"]
            .as_str()
            .unwrap()
            .starts_with("count-")
    );
    for reason in ["SuccessfulCreate", "Completed"] {
        cluster.told("count", reason);
    }

    let each = cluster.job_with("each", "Complete", "CompletionsReached");
    assert_eq!(each["status"]["completedIndexes"], "0-3");
    assert_eq!(each["status"]["succeeded"], 4);
    is_settled(&cluster, &each);
    for pod in cluster.pods("each") {
        let index = &pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"];
        let index = index.as_str().unwrap();
        let name = pod["metadata"]["name"].as_str().unwrap();
        assert!(name.starts_with(&format!("each-{index}-")), "{name}");
        assert_eq!(pod["spec"]["hostname"], format!("each-{index}"));
        let variable = &pod["spec"]["containers"][0]["env"][0];
        assert_eq!(variable["name"], "JOB_COMPLETION_INDEX");
        assert_eq!(
            variable["valueFrom"]["fieldRef"]["fieldPath"],
            "metadata.labels['batch.kubernetes.io/job-completion-index']"
        );
    }
    let any = cluster.job_with("any", "Complete", "CompletionsReached");
    is_settled(&cluster, &any);
    cluster.until("the brief one is gone", || {
        match cluster.kubectl("get job brief -n shop") {
            Err(error) if error.contains("NotFound") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    // Left alone, and left whole by whoever does look after it.
    assert!(cluster.pods("others").is_empty());
    assert_eq!(cluster.job("others")["status"], json!({}));
    cluster.finish();
}

#[test]
fn jobs_fail_by_limit_policy_and_deadline_and_succeed_by_policy() {
    let cluster = Cluster::start();
    cluster.apply(&job("limit", "exit-1", json!({"backoffLimit": 0})));
    cluster.apply(&job("late", "run", json!({"activeDeadlineSeconds": 1})));
    let rule = |action: &str, code: i32| {
        let codes = json!({"operator": "In", "values": [code]});
        json!({"podFailurePolicy": {"rules": [{"action": action, "onExitCodes": codes}]}, "backoffLimit": 3})
    };
    cluster.apply(&job("policy", "exit-3", rule("FailJob", 3)));
    cluster.apply(&job("ignore", "exit-3", rule("Ignore", 3)));
    cluster.apply(&job(
        "indexes",
        "odd-fails",
        json!({
            "completions": 4, "parallelism": 4, "completionMode": "Indexed", "backoffLimitPerIndex": 0,
        }),
    ));
    cluster.apply(&job(
        "enough",
        "first-succeeds",
        json!({
            "completions": 3, "parallelism": 3, "completionMode": "Indexed",
            "successPolicy": {"rules": [{"succeededIndexes": "0", "succeededCount": 1}]},
        }),
    ));

    let limit = cluster.job_with("limit", "Failed", "BackoffLimitExceeded");
    assert_eq!(limit["status"]["failed"], 1);
    assert!(limit["status"]["completionTime"].is_null());
    is_settled(&cluster, &limit);
    cluster.told("limit", "BackoffLimitExceeded");

    let late = cluster.job_with("late", "Failed", "DeadlineExceeded");
    assert_eq!(late["status"]["failed"], 1);
    is_settled(&cluster, &late);
    cluster.told("late", "SuccessfulDelete");

    let policy = cluster.job_with("policy", "Failed", "PodFailurePolicy");
    let pod = cluster.pods("policy")[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        policy["status"]["conditions"][0]["message"],
        format!(
            "Container main for pod shop/{pod} failed with exit code 3 matching FailJob rule at index 0"
        )
    );
    assert_eq!(policy["status"]["conditions"][0]["type"], "FailureTarget");
    is_settled(&cluster, &policy);

    let indexes = cluster.job_with("indexes", "Failed", "FailedIndexes");
    assert_eq!(indexes["status"]["completedIndexes"], "0,2");
    assert_eq!(indexes["status"]["failedIndexes"], "1,3");
    assert_eq!(indexes["status"]["failed"], 2);
    is_settled(&cluster, &indexes);

    let enough = cluster.job_with("enough", "Complete", "SuccessPolicy");
    assert_eq!(enough["status"]["completedIndexes"], "0");
    assert_eq!(enough["status"]["succeeded"], 1);
    assert!(enough["status"]["failed"].is_null(), "{enough}");
    is_settled(&cluster, &enough);

    // Failures that are ignored are made good for, after a while, and count as none.
    cluster.until("another pod for the one that failed", || {
        match cluster.pods("ignore") {
            pods if pods.len() >= 2 => Ok(()),
            pods => Err(format!("{}", pods.len())),
        }
    });
    let ignore = cluster.job("ignore");
    assert!(ignore["status"]["failed"].is_null(), "{ignore}");
    cluster.finish();
}

#[test]
fn jobs_are_suspended_and_resumed_and_take_in_orphans_and_let_strangers_go() {
    let cluster = Cluster::start();
    cluster.apply(&job(
        "work",
        "run",
        json!({"parallelism": 2, "completions": 2, "suspend": true}),
    ));
    let work = cluster.job_with("work", "Suspended", "JobSuspended");
    assert!(work["status"]["startTime"].is_null() && cluster.pods("work").is_empty());
    cluster.patch("job/work", &json!({"spec": {"suspend": false}}));
    let counts = "get job work -n shop -o jsonpath={.status.active}/{.status.ready}";
    cluster.prints(counts, "2/2");
    let resumed = "get job work -n shop -o jsonpath={.status.conditions[0].status}{.status.conditions[0].reason}";
    cluster.prints(resumed, "FalseJobResumed");
    assert!(cluster.job("work")["status"]["startTime"].is_string());
    cluster.patch("job/work", &json!({"spec": {"suspend": true}}));
    cluster.prints(resumed, "TrueJobSuspended");
    cluster.until("no pods", || match cluster.pods("work").len() {
        0 => Ok(()),
        left => Err(left.to_string()),
    });
    let work = cluster.job("work");
    assert!(work["status"]["startTime"].is_null(), "{work}");
    assert!(
        work["status"]["failed"].is_null(),
        "deleted pods are no failures: {work}"
    );
    for reason in ["Suspended", "Resumed"] {
        cluster.told("work", reason);
    }
    cluster.patch("job/work", &json!({"spec": {"suspend": false}}));
    cluster.prints(counts, "2/2");

    // An orphan that matches is taken in again.
    let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
    let orphan = name(&cluster.pods("work")[0]);
    cluster.patch(
        &format!("pod/{orphan}"),
        &json!({"metadata": {"ownerReferences": null}}),
    );
    let owner =
        format!("get pod {orphan} -n shop -o jsonpath={{.metadata.ownerReferences[*].name}}");
    cluster.prints(&owner, "work");
    let held = format!("get pod {orphan} -n shop -o jsonpath={{.metadata.finalizers}}");
    cluster.prints(&held, "[\"batch.kubernetes.io/job-tracking\"]");
    // One that matches no more is let go, with the finalizer off, and another comes.
    cluster.patch(
        &format!("pod/{orphan}"),
        &json!({"metadata": {"labels": {
            "batch.kubernetes.io/controller-uid": null, "batch.kubernetes.io/job-name": null,
            "controller-uid": null, "job-name": null,
        }}}),
    );
    cluster.prints(&owner, "");
    cluster.prints(&held, "");
    cluster.prints(counts, "2/2");
    // A pod that is deleted counts as failed, and is replaced.
    let victim = name(&cluster.pods("work")[0]);
    cluster
        .kubectl(&format!("delete pod -n shop {victim} --wait=false"))
        .unwrap();
    cluster.prints("get job work -n shop -o jsonpath={.status.failed}", "1");
    // The Job goes, its pods stay: nothing holds them.
    cluster
        .kubectl("delete job work -n shop --cascade=orphan")
        .unwrap();
    cluster.until("free pods", || {
        let pods = cluster.pods("work");
        let mut metadata = pods.iter().map(|pod| &pod["metadata"]);
        if metadata.all(|m| m["finalizers"].is_null() && m["ownerReferences"].is_null()) {
            Ok(())
        } else {
            Err(format!("{pods:?}"))
        }
    });
    cluster.finish();
}

fn cron_job(name: &str, image: &str, spec: Value) -> Value {
    let mut cron_job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name, "namespace": "shop"},
        "spec": spec,
    });
    cron_job["spec"]["schedule"] = "* * * * *".into();
    cron_job["spec"]["jobTemplate"] = json!({
        "metadata": {"labels": {"cron": name}, "annotations": {"said": "so"}},
        "spec": job(name, image, json!({}))["spec"],
    });
    cron_job
}

#[test]
fn cron_jobs_run_replace_forbid_and_tidy_up() {
    let cluster = Cluster::start();
    for (name, image, spec) in [
        (
            "replace",
            "run",
            json!({"concurrencyPolicy": "Replace", "timeZone": "Asia/Kathmandu"}),
        ),
        ("forbid", "run", json!({"concurrencyPolicy": "Forbid"})),
        ("tidy", "succeed", json!({"successfulJobsHistoryLimit": 0})),
        ("paused", "run", json!({"suspend": true})),
    ] {
        cluster.apply(&cron_job(name, image, spec));
        // A run that was missed is made up for at once, so that nobody has to wait for the first minute.
        let long_ago = json!({"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}});
        cluster.patch(&format!("cronjob/{name} --subresource=status"), &long_ago);
    }
    let jobs = |name: &str| {
        let jobs = cluster.json(&format!("get jobs -l cron={name}"));
        jobs["items"].as_array().unwrap().clone()
    };
    let first = |name: &str| {
        wait::until(&format!("a run of {name}"), LIMIT, || {
            jobs(name)
                .first()
                .cloned()
                .ok_or_else(|| cluster.controllers.output())
        })
    };
    let replaced = first("replace");
    let uid = replaced["metadata"]["uid"].as_str().unwrap().to_owned();
    let minutes = replaced["metadata"]["name"]
        .as_str()
        .unwrap()
        .strip_prefix("replace-");
    let minutes: i64 = minutes.unwrap().parse().unwrap();
    let annotations = &replaced["metadata"]["annotations"];
    assert_eq!(annotations["said"], "so");
    let scheduled = annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"]
        .as_str()
        .unwrap();
    assert!(scheduled.ends_with("+05:45"), "{scheduled}");
    let scheduled: jiff::Timestamp = scheduled.parse().unwrap();
    assert_eq!(scheduled.as_second(), minutes * 60);
    assert_eq!(
        replaced["metadata"]["ownerReferences"][0]["kind"],
        "CronJob"
    );
    let active = "get cronjob replace -n shop -o jsonpath={.status.active[*].uid}";
    cluster.until("another in its place", || {
        let active = cluster.kubectl(active).unwrap();
        if !active.is_empty() && active != uid {
            Ok(())
        } else {
            Err(active)
        }
    });
    cluster.until("the first is gone", || {
        let left = jobs("replace");
        let mut uids = left
            .iter()
            .map(|job| job["metadata"]["uid"].as_str().unwrap());
        if left.len() == 1 && uids.all(|other| other != uid) {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
    cluster.told("replace", "SuccessfulDelete");

    let only = first("forbid")["metadata"]["uid"].clone();
    cluster.told("forbid", "JobAlreadyActive");
    let still = jobs("forbid");
    assert!(
        still.len() == 1 && still[0]["metadata"]["uid"] == only,
        "{still:?}"
    );

    for reason in ["SuccessfulCreate", "SuccessfulDelete"] {
        cluster.told("tidy", reason);
    }
    let tidy = cluster.json("get cronjob tidy");
    assert!(tidy["status"]["lastSuccessfulTime"].is_string(), "{tidy}");
    assert!(jobs("paused").is_empty());
    cluster.finish();
}
