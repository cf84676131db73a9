use std::sync::Arc;

use http::{Request, Response};
use parking_lot::Mutex;
use runtime::{
    BackoffPolicy, CancellationToken, Client, Context, Expectations, Informers, Queue, Random,
    Resource, SystemClock, events::Recorder,
};
use serde_json::{Value, json};

use super::*;

const UID: &str = "u";

/// An API that gives these answers, and says what it was asked.
fn api(answers: Vec<(u16, Value)>) -> (Client, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let log = asked.clone();
    let service = tower::service_fn(move |request: Request<_>| {
        let _: &Request<kube::client::Body> = &request;
        log.lock().push(request.method().to_string());
        let answer = answers.lock().next();
        async move {
            let (code, body) = answer.ok_or_else(|| std::io::Error::other("a request too many"))?;
            let response = Response::builder()
                .status(code)
                .header("content-type", "application/json");
            response
                .body(body.to_string())
                .map_err(std::io::Error::other)
        }
    });
    (Client::from_service(service), asked)
}

/// A pod as the API shows it; the owner with this uid manages it.
fn pod(owner: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "ns", "name": "set-a", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "set", "uid": owner, "controller": true},
    ]}})
}

fn is_taken() -> (u16, Value) {
    let status = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 409,
        "reason": "AlreadyExists", "message": "pods \"set-a\" already exists"});
    (409, status)
}

/// What `create` says of the name `set-a` that many times in a row, what it asked for that, and whether nothing is awaited when
/// the pod was seen.
async fn created(times: usize, answers: Vec<(u16, Value)>) -> (Vec<bool>, Vec<String>, bool) {
    let (client, asked) = api(answers);
    let (random, clock) = (Random::from_seed(0), SystemClock::shared());
    let shutdown = CancellationToken::new();
    let informers = Informers::new(client.clone(), random.fork(), shutdown.clone());
    let (pods, sets) = (
        Resource::of(core::Pod::TYPE),
        Resource::of(api::apps::v1::ReplicaSet::TYPE),
    );
    // Events have a client of their own, since they would be among what is asked.
    let events = Recorder::start(
        self::api(Vec::new()).0,
        clock.clone(),
        random.fork(),
        "test",
        "",
    );
    let cx = Context {
        client,
        clock,
        random,
        events,
        informers: informers.clone(),
        queue: Queue::new(BackoffPolicy::KEY),
        shutdown,
    };
    let (pods, expectations, key) = (
        informers.informer(&pods),
        Expectations::new(),
        Key::new("ns", "set"),
    );
    let control = PodControl {
        cx: &cx,
        pods: &pods,
        expectations: &expectations,
        resource: &sets,
        key: &key,
        uid: UID,
        owner: Owner {
            api_version: sets.api_version(),
            kind: sets.kind().to_owned(),
            name: "set".to_owned(),
            uid: UID.to_owned(),
            controller: true,
            blocks_deletion: true,
        },
        finalizer: None,
    };
    let mut said = Vec::new();
    for _ in 0..times {
        let made = control.create("set-a", &Tree::new(core::Pod::TYPE)).await;
        said.push(made.unwrap());
    }
    expectations.created(UID, "set-a");
    let asked = asked.lock().clone();
    (said, asked, expectations.satisfied(UID))
}

#[tokio::test]
async fn of_two_that_draw_one_name_the_second_draws_again() {
    let (said, asked, settled) =
        created(2, vec![(201, pod(UID)), is_taken(), (200, pod(UID))]).await;
    assert_eq!((said, asked), (vec![true, false], vec!["POST".to_owned()]));
    assert!(settled, "but one pod was made, and it was seen");
}

#[tokio::test]
async fn a_name_that_is_taken_is_ours_if_the_reply_to_its_making_was_lost() {
    let (said, asked, settled) = created(1, vec![is_taken(), (200, pod(UID))]).await;
    assert_eq!((said, asked.len(), settled), (vec![true], 2, true));
    let (said, asked, settled) = created(1, vec![is_taken(), (200, pod("other"))]).await;
    assert_eq!((said, asked.len(), settled), (vec![false], 2, true));
}
