//! What a person does meanwhile: creates a Deployment of 100 pods, rolls it out anew, scales it. And what has become of it in
//! the end.

use std::time::Duration;

use api::apps::v1::Deployment;
use http::Method;
use runtime::client::WriteOptions;
use runtime::{Client, Key, Patch, Resource};
use serde_json::{Value, json};

use crate::machine::BROKEN;
use crate::source::{between, chance};
use crate::witness::Broken;
use crate::world::{Planted, World};

/// Everything is as it was wanted after so much simulated time.
const LIMIT: Duration = Duration::from_secs(600);
/// Old ReplicaSets that are kept.
const HISTORY: usize = 2;

/// A run that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The hash of all that happened.
    pub trace: u64,
    /// How many revisions there were.
    pub revisions: i64,
    /// How long it took, in simulated time.
    pub took: Duration,
}

/// The whole of one seed.
///
/// # Errors
/// The first rule that did not hold.
pub async fn tell(seed: u64, planted: Planted, printed: bool) -> Result<Outcome, Broken> {
    let world = World::new(seed, planted, printed);
    world.start();
    let person = Person {
        client: world.admin(),
        world: &world,
    };
    let story = tokio::time::timeout(LIMIT, person.act());
    tokio::pin!(story);
    let done = loop {
        // An invariant that breaks ends the story.
        tokio::select! {
            biased;
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                if let Some(broken) = world.witness.broken() {
                    return Err(broken);
                }
            }
            done = &mut story => break done,
        }
    };
    if let Some(broken) = world.witness.broken() {
        return Err(broken);
    }
    done.map_err(|_| Broken {
        at: world.time.elapsed(),
        revision: world.witness.revision(),
        what: format!(
            "everything is as it was wanted within ten minutes: {}",
            world.state()
        ),
    })?;
    Ok(Outcome {
        trace: world.trace.value(),
        revisions: world.witness.revision().0,
        took: world.time.elapsed(),
    })
}

struct Person<'a> {
    client: Client,
    world: &'a World,
}

impl Person<'_> {
    async fn act(&self) {
        let random = self.world.random.fork();
        let mut replicas = 100;
        self.create(replicas).await;
        self.settled_or_sometime(&random, replicas, "web:1").await;
        if chance(&random, 300) {
            // One that cannot get anywhere, given up after a while.
            self.roll(BROKEN).await;
            tokio::time::sleep(between(&random, 0, 40_000)).await;
        }
        let mut image = "web:2";
        self.roll(image).await;
        if chance(&random, 300) {
            tokio::time::sleep(between(&random, 0, 20_000)).await;
            image = "web:3";
            self.roll(image).await;
        }
        self.settled_or_sometime(&random, replicas, image).await;
        for _ in 0..=random.below(2) {
            replicas = 40 + random.below(91) as i64;
            self.scale(replicas).await;
            self.settled_or_sometime(&random, replicas, image).await;
        }
        let settled = |world: &World| world.is_settled(replicas, image);
        self.world.until(settled).await;
    }

    /// Half of the time a person waits until all is well, otherwise not.
    async fn settled_or_sometime(&self, random: &runtime::Random, replicas: i64, image: &str) {
        if chance(random, 500) {
            let settled = |world: &World| world.is_settled(replicas, image);
            self.world.until(settled).await;
        } else {
            tokio::time::sleep(between(random, 0, 40_000)).await;
        }
    }

    async fn create(&self, replicas: i64) {
        let random = &self.world.random;
        let (surge, unavailable) = [
            (json!("25%"), json!("25%")),
            (json!(10), json!(0)),
            (json!(0), json!(10)),
            (json!(1), json!("20%")),
        ][random.below(4) as usize]
            .clone();
        let requests = json!({"cpu": "250m", "memory": "256Mi"});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "replicas": replicas, "revisionHistoryLimit": HISTORY,
                "selector": {"matchLabels": {"app": "web"}},
                "strategy": {"type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "containers": [{"name": "web", "image": "web:1", "resources": {"requests": requests}}],
                }},
            },
        });
        self.world.trace.note(format_args!(
            "create {replicas}, surge {surge}, unavailable {unavailable}"
        ));
        let path = "/apis/apps/v1/namespaces/default/deployments";
        loop {
            let path = path.to_owned();
            let answer = self
                .client
                .json(Method::POST, path, Some(&deployment))
                .await;
            match answer {
                Ok(_) => return,
                Err(error) if error.is_already_exists() => return,
                Err(error) => self.again(&error).await,
            }
        }
    }

    async fn roll(&self, image: &str) {
        self.world.trace.note(format_args!("roll to {image}"));
        let containers = json!([{"name": "web", "image": image}]);
        self.patch(json!({"spec": {"template": {"spec": {"containers": containers}}}}))
            .await;
    }

    async fn scale(&self, replicas: i64) {
        self.world.trace.note(format_args!("scale to {replicas}"));
        self.patch(json!({"spec": {"replicas": replicas}})).await;
    }

    async fn patch(&self, patch: Value) {
        let (resource, key) = (Resource::of(Deployment::TYPE), Key::new("default", "web"));
        let patch = Patch::Strategic(patch);
        let options = WriteOptions::default();
        while let Err(error) = self.client.patch(&resource, &key, &patch, &options).await {
            self.again(&error).await;
        }
    }

    async fn again(&self, error: &runtime::Error) {
        assert!(error.is_retriable() || error.is_not_found(), "{error}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

impl World {
    /// Everything is as it was wanted: that many pods of that image, ready, and no others; the status says so; old
    /// ReplicaSets are gone but for those that are kept; no machine runs anything else.
    fn is_settled(&self, replicas: i64, image: &str) -> bool {
        let well = self.witness.see(|picture| {
            let Some(deployment) = picture.deployments.values().next() else {
                return false;
            };
            let count = usize::try_from(replicas).unwrap_or(0);
            deployment.replicas == replicas
                && deployment.image == image
                && deployment.observed >= deployment.generation
                && deployment.counts == [replicas; 4]
                && picture.pods.len() == count
                && picture
                    .pods
                    .values()
                    .all(|pod| pod.image == image && pod.ready && pod.is_active())
                && picture.sets.values().filter(|set| set.replicas > 0).count() == 1
                && picture.sets.len() <= HISTORY + 1
        });
        let running = || -> usize { self.machines.iter().map(|m| m.lock().pods().len()).sum() };
        well && i64::try_from(running()) == Ok(replicas)
    }

    /// For people: how far it has come.
    fn state(&self) -> String {
        self.witness.see(|picture| {
            let active = picture.pods.values().filter(|pod| pod.is_active());
            let ready = active.clone().filter(|pod| pod.ready).count();
            let running: usize = self.machines.iter().map(|m| m.lock().pods().len()).sum();
            format!(
                "{} pods, {} active, {ready} ready, {running} containers; {:?}; {:?}",
                picture.pods.len(),
                active.count(),
                picture.deployments.values().collect::<Vec<_>>(),
                picture.sets.values().collect::<Vec<_>>(),
            )
        })
    }
}
