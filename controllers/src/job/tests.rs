//! What the unit tests of this controller have in common, and those of its next step.

use super::{
    manage::{Known, Step, next, prefix},
    *,
};
use crate::object::{job::Status, pod::Phase, work::Work};
use jiff::Timestamp;

pub(crate) fn job(change: impl FnOnce(&mut Job)) -> Job {
    let mut job = Job {
        controller: None,
        deleting: false,
        generation: 1,
        selector: Default::default(),
        parallelism: 2,
        completions: Some(4),
        backoff_limit: 6,
        backoff_limit_per_index: None,
        max_failed_indexes: None,
        active_deadline: None,
        ttl: None,
        suspended: false,
        mode: Mode::NonIndexed,
        replaces_only_failed: false,
        managed_by: None,
        failure_policy: None,
        success_policy: None,
        restarts_on_failure: false,
        template: None,
        status: Status::default(),
    };
    change(&mut job);
    job
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).expect("in range")
}

pub(crate) fn pod(name: &str, change: impl FnOnce(&mut Pod)) -> Arc<Object<Pod>> {
    let mut value = Pod {
        labels: Default::default(),
        controller: None,
        deletion: None,
        created: Some(at(0)),
        node: "n".into(),
        phase: Phase::Running,
        ready: Some(at(0)),
        is_ready: true,
        deletion_cost: 0,
        restarts: (0, 0),
        tolerations: Vec::new(),
        disruption_target: false,
        disruption: None,
        claims: Vec::new(),
        wanted_node: None,
        work: Some(Box::new(Work {
            tracked: true,
            ..Work::NOTHING
        })),
    };
    change(&mut value);
    Arc::new(Object {
        key: Key::new("ns", name),
        uid: name.into(),
        resource_version: "1".into(),
        value,
    })
}

fn indexed(name: &str, index: i32) -> Arc<Object<Pod>> {
    pod(name, |p| {
        p.work.as_mut().expect("a job's").index = Some(index)
    })
}

/// The next step in short: `-` and the names of pods that go, `+` and the indexes of those that come.
fn step(job: &Job, pods: &[Arc<Object<Pod>>], succeeded: &str, failures: Failures) -> String {
    let completions = job.completions.unwrap_or(0);
    let succeeded = indexes::Indexes::parse(succeeded, completions);
    let failed = outcome::failed_indexes(job, &job.status, pods);
    let active: Vec<_> = pods
        .iter()
        .filter(|p| p.value.is_active())
        .cloned()
        .collect();
    let last_failed: BTreeMap<_, _> = pods
        .iter()
        .filter(|p| p.value.phase == Phase::Failed)
        .filter_map(|p| Some((p.value.work.as_ref()?.index?, p.clone())))
        .collect();
    let known = Known {
        pods,
        active: &active,
        succeeded: succeeded.len(),
        succeeded_indexes: &succeeded,
        failed_indexes: Some(&failed),
        last_failed: &last_failed,
        failures,
    };
    match next(job, &known, at(100)) {
        Step::Nothing => String::new(),
        Step::Wait(time) => format!("{time:?}"),
        Step::Delete(pods) => pods.iter().map(|p| format!("-{}", p.key.name())).collect(),
        Step::Create(missing) => missing
            .iter()
            .map(|index| index.map_or("+".to_owned(), |index| format!("+{index}")))
            .collect(),
    }
}

#[test]
fn as_many_pods_run_as_are_wanted_and_no_more_than_are_missing() {
    let none = Failures::default;
    let running = |n: usize| {
        (0..n)
            .map(|i| pod(&format!("p{i}"), |_| ()))
            .collect::<Vec<_>>()
    };
    let plain = job(|_| ());
    assert_eq!(step(&plain, &[], "", none()), "++");
    assert_eq!(step(&plain, &running(1), "", none()), "+");
    assert_eq!(step(&plain, &running(2), "", none()), "");
    assert_eq!(
        step(&plain, &running(1), "0-2", none()),
        "",
        "one is left to do"
    );
    assert_eq!(step(&plain, &running(2), "0-2", none()), "-p0");
    assert_eq!(step(&plain, &running(2), "0-3", none()).len(), 6, "both");
    let any = job(|j| j.completions = None);
    assert_eq!(step(&any, &running(1), "", none()), "+");
    let suspended = job(|j| j.suspended = true);
    assert_eq!(step(&suspended, &running(2), "", none()).len(), 6);
    assert_eq!(step(&suspended, &[], "", none()), "");
    let going = || vec![pod("p", |p| p.deletion = Some(at(1)))];
    assert_eq!(step(&plain, &going(), "", none()), "++");
    let patient = job(|j| j.replaces_only_failed = true);
    assert_eq!(step(&patient, &going(), "", none()), "+");
    let failed = [pod("f", |p| {
        p.work.as_mut().expect("a job's").ended = Some(at(95))
    })];
    let failures = Failures::default().after([].iter(), failed.iter().map(|p| &**p));
    assert_eq!(step(&plain, &[], "", failures), "5s");
}

#[test]
fn the_pods_that_go_are_those_by_which_least_is_lost() {
    let one = job(|j| j.parallelism = 1);
    let pods = [
        pod("old", |_| ()),
        pod("young", |p| p.created = Some(at(50))),
        pod("restarting", |p| p.restarts = (1, 0)),
        pod("recent", |p| p.ready = Some(at(50))),
        pod("unready", |p| (p.is_ready, p.ready) = (false, None)),
        pod("pending", |p| p.phase = Phase::Pending),
        pod("unbound", |p| p.node = String::new()),
    ];
    let order = "-unbound-pending-unready-recent-restarting-young";
    assert_eq!(step(&one, &pods, "", Failures::default()), order);
}

#[test]
fn each_index_has_one_pod_and_the_lowest_come_first() {
    let indexed_job = |change: &dyn Fn(&mut Job)| {
        job(|j| {
            j.mode = Mode::Indexed;
            change(j);
        })
    };
    let none = Failures::default;
    let plain = indexed_job(&|_| ());
    assert_eq!(step(&plain, &[], "", none()), "+0+1");
    assert_eq!(step(&plain, &[indexed("p", 1)], "0", none()), "+2");
    assert_eq!(step(&plain, &[], "0,2", none()), "+1+3");
    let twice = [
        indexed("a", 1),
        indexed("b", 1),
        indexed("far", 4),
        pod("no", |_| ()),
    ];
    assert_eq!(step(&plain, &twice, "", none()), "-no-far-a");
    // By index, each waits for itself.
    let failed = |name: &str, index: i32, failures: i32, end: i64| {
        pod(name, |p| {
            p.phase = Phase::Failed;
            let work = p.work.as_mut().expect("a job's");
            (work.index, work.index_failures, work.ended) = (Some(index), failures, Some(at(end)));
        })
    };
    let by_index = indexed_job(&|j| j.backoff_limit_per_index = Some(2));
    assert_eq!(step(&by_index, &[failed("f", 0, 0, 95)], "", none()), "+1");
    assert_eq!(
        step(&by_index, &[failed("f", 0, 0, 80)], "", none()),
        "+0+1"
    );
    assert_eq!(
        step(&by_index, &[failed("f", 0, 2, 80)], "", none()),
        "+1+2"
    );
    let all = [failed("f", 0, 0, 95), failed("g", 1, 1, 96)];
    assert_eq!(step(&by_index, &all, "2,3", none()), "5s");
}

#[test]
fn names_begin_with_the_job_and_the_index() {
    assert_eq!(prefix("work", None), "work-");
    assert_eq!(prefix("work", Some(12)), "work-12-");
    let long = prefix(&"x".repeat(63), Some(12));
    assert!(long.len() == 58 && long.ends_with("x-12-"));
}
