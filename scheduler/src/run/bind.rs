//! Telling the API which node a pod goes to, and finding out whether it heard.

use std::time::Duration;

use api::core::v1::{Binding, BindingMut, Pod};
use api::tree::Tree;
use runtime::{Client, Error, Key, Resource, ResultExt};

/// What became of a binding.
#[derive(Debug)]
pub(super) enum Bound {
    /// The pod is bound to the node.
    Yes,
    /// The pod is gone, or on another node.
    Moot,
    /// The pod is there and not bound.
    No(Error),
}

/// Binds the pod. An answer that was lost is not taken for a failure: the pod is read until it is known.
pub(super) async fn bind(
    client: &Client,
    pods: &Resource,
    key: &Key,
    uid: &str,
    node: &str,
) -> Bound {
    let binding = binding(key, uid, node);
    match client
        .create_subresource(pods, key, "binding", &binding)
        .await
    {
        Ok(_) => Bound::Yes,
        Err(error) if error.is_not_found() => Bound::Moot,
        Err(error) if error.may_have_taken_effect() || error.is_conflict() => {
            match placed(client, pods, key, uid).await {
                Placed::On(there) if there == node => Bound::Yes,
                Placed::On(_) | Placed::Gone => Bound::Moot,
                Placed::Nowhere => Bound::No(error),
            }
        }
        Err(error) => Bound::No(error),
    }
}

/// Where the API has a pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed {
    On(String),
    Nowhere,
    Gone,
}

/// Reads the pod, again and again until there is an answer.
pub(super) async fn placed(client: &Client, pods: &Resource, key: &Key, uid: &str) -> Placed {
    let mut delay = Duration::from_millis(100);
    loop {
        match client.get(pods, key).await.optional() {
            Ok(None) => return Placed::Gone,
            Ok(Some(tree)) => {
                let pod = Pod::of(&tree);
                return match pod.spec().node_name() {
                    _ if pod.metadata().uid() != uid => Placed::Gone,
                    "" => Placed::Nowhere,
                    node => Placed::On(node.to_owned()),
                };
            }
            Err(error) => {
                tracing::warn!(pod = %key, %error, ?delay, "a binding's outcome is unknown; asking again");
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(Duration::from_secs(5));
            }
        }
    }
}

fn binding(key: &Key, uid: &str, node: &str) -> Tree {
    let mut tree = Tree::new(Binding::TYPE);
    let mut binding = BindingMut::of(&mut tree);
    let mut metadata = binding.metadata_mut();
    metadata.set_namespace(key.namespace());
    metadata.set_name(key.name());
    metadata.set_uid(uid);
    let mut target = binding.target_mut();
    target.set_kind("Node");
    target.set_name(node);
    tree
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, Response};
    use parking_lot::Mutex;

    use super::*;

    /// What the API answers to one request: a code and a body, or nothing (the answer is lost).
    type Answer = Option<(u16, String)>;

    /// A client of an API that gives these answers, and what it was asked.
    fn api(answers: Vec<Answer>) -> (Client, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        let log = asked.clone();
        let service = tower::service_fn(move |request: Request<_>| {
            let _: &Request<kube::client::Body> = &request;
            log.lock()
                .push(format!("{} {}", request.method(), request.uri().path()));
            let answer = answers.lock().next().expect("a request too many");
            async move {
                let (code, body) =
                    answer.ok_or_else(|| std::io::Error::other("the connection was cut"))?;
                let response = Response::builder()
                    .status(code)
                    .header("content-type", "application/json");
                response.body(body).map_err(std::io::Error::other)
            }
        });
        (Client::from_service(service), asked)
    }

    fn pod(uid: &str, node: &str) -> Answer {
        let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "ns", "name": "p", "uid": uid}, "spec": {"nodeName": node, "containers": []}});
        Some((200, pod.to_string()))
    }

    fn refusal(code: u16, reason: &str) -> Answer {
        let status = serde_json::json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code,
            "reason": reason, "message": reason});
        Some((code, status.to_string()))
    }

    fn created() -> Answer {
        Some((
            201,
            r#"{"apiVersion":"v1","kind":"Status","status":"Success"}"#.into(),
        ))
    }

    async fn outcome(answers: Vec<Answer>) -> (String, usize) {
        let (client, asked) = api(answers);
        let pods = Resource::of(Pod::TYPE);
        let bound = bind(&client, &pods, &Key::new("ns", "p"), "u", "n1").await;
        let asked = asked.lock();
        assert_eq!(asked[0], "POST /api/v1/namespaces/ns/pods/p/binding");
        (
            format!("{bound:?}")
                .split('(')
                .next()
                .unwrap_or_default()
                .to_owned(),
            asked.len(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_tells_what_became_of_a_binding() {
        assert_eq!(outcome(vec![created()]).await, ("Yes".into(), 1));
        assert_eq!(
            outcome(vec![refusal(404, "NotFound")]).await,
            ("Moot".into(), 1)
        );
        assert_eq!(
            outcome(vec![refusal(403, "Forbidden")]).await,
            ("No".into(), 1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_is_not_taken_for_a_failure() {
        assert_eq!(outcome(vec![None, pod("u", "n1")]).await, ("Yes".into(), 2));
        assert_eq!(outcome(vec![None, pod("u", "")]).await, ("No".into(), 2));
        assert_eq!(
            outcome(vec![None, pod("u", "n2")]).await,
            ("Moot".into(), 2)
        );
        assert_eq!(
            outcome(vec![None, pod("later", "n1")]).await,
            ("Moot".into(), 2)
        );
        assert_eq!(
            outcome(vec![None, refusal(404, "NotFound")]).await,
            ("Moot".into(), 2)
        );
        assert_eq!(
            outcome(vec![refusal(409, "Conflict"), pod("u", "n1")]).await,
            ("Yes".into(), 2)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn while_nobody_answers_the_node_stays_taken() {
        let answers = vec![
            None,
            None,
            refusal(503, "ServiceUnavailable"),
            pod("u", "n1"),
        ];
        assert_eq!(outcome(answers).await, ("Yes".into(), 4));
    }
}
