//! What the containers of a pod are allowed to use on this node. A resize asks for more or less than that; until it is granted,
//! the pod is run with what it was granted before (KEP-1287).
//!
//! It is kept in the pod's directory from the first resize on. What is in force of a container that runs stands in containerd's
//! labels; a kubelet that finds no file takes that, so that a resize that came while no kubelet ran is judged like any other.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use api::Quantity;
use api::aggregate::Amounts;
use api::core::v1::{Container, Pod, PodMut, ResourceRequirementsMut};
use api::qos::COMPUTE;
use api::tree::Tree;
use api::view::MapRef;
use serde_json::{Map, Value, json};

use super::record::Attempt;

/// In the pod's directory.
const FILE: &str = "allocation.json";

/// Requests and limits of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerResources {
    /// What is set aside for it.
    pub requests: Amounts,
    /// The most that it may use.
    pub limits: Amounts,
}

impl ContainerResources {
    /// As the container's spec has them.
    pub fn of(container: Container<'_>) -> Self {
        let resources = container.resources();
        Self {
            requests: amounts(resources.requests()),
            limits: amounts(resources.limits()),
        }
    }

    /// Of CPU and memory alone: what can change while a container runs.
    pub fn compute(mut self) -> Self {
        for amounts in [&mut self.requests, &mut self.limits] {
            amounts.retain(|name, _| COMPUTE.contains(&name.as_str()));
        }
        self
    }

    /// These, but CPU and memory as in `other`.
    pub fn with_compute_of(mut self, other: &ContainerResources) -> Self {
        for (own, other) in [
            (&mut self.requests, &other.requests),
            (&mut self.limits, &other.limits),
        ] {
            own.retain(|name, _| !COMPUTE.contains(&name.as_str()));
            let compute = other.iter().filter(|(name, _)| COMPUTE.contains(&&***name));
            own.extend(compute.map(|(name, amount)| (name.clone(), *amount)));
        }
        self
    }

    /// Request and limit of one resource.
    pub fn of_resource(&self, name: &str) -> (Option<Quantity>, Option<Quantity>) {
        (
            self.requests.get(name).copied(),
            self.limits.get(name).copied(),
        )
    }

    /// As the API has them; what is not said is absent.
    pub fn to_json(&self) -> Value {
        let mut all = Map::new();
        for (name, amounts) in [("requests", &self.requests), ("limits", &self.limits)] {
            if !amounts.is_empty() {
                let texts = amounts
                    .iter()
                    .map(|(name, q)| (name.clone(), q.to_string()));
                all.insert(name.to_owned(), json!(texts.collect::<BTreeMap<_, _>>()));
            }
        }
        Value::Object(all)
    }

    /// What [`ContainerResources::to_json`] wrote; `None` if anything else did.
    pub fn from_json(value: &Value) -> Option<Self> {
        let read = |name: &str| -> Option<Amounts> {
            let Some(amounts) = value.get(name) else {
                return Some(Amounts::new());
            };
            let one = |(name, text): (&String, &Value)| {
                Some((name.clone(), text.as_str()?.parse().ok()?))
            };
            amounts.as_object()?.iter().map(one).collect()
        };
        value.is_object().then_some(())?;
        Some(Self {
            requests: read("requests")?,
            limits: read("limits")?,
        })
    }

    fn write(&self, mut resources: ResourceRequirementsMut<'_>) {
        resources.remove_requests();
        for (name, amount) in &self.requests {
            resources.requests_mut().insert(name, *amount);
        }
        resources.remove_limits();
        for (name, amount) in &self.limits {
            resources.limits_mut().insert(name, *amount);
        }
    }
}

fn amounts(map: MapRef<'_, Quantity>) -> Amounts {
    map.iter()
        .map(|(name, amount)| (name.to_owned(), amount))
        .collect()
}

/// What each container of a pod is allowed, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation(BTreeMap<String, ContainerResources>);

impl Allocation {
    /// What the pod's spec asks for.
    pub fn of(pod: Pod<'_>) -> Self {
        let spec = pod.spec();
        let all = spec.containers().iter().chain(spec.init_containers());
        Self(
            all.map(|container| {
                (
                    container.name().to_owned(),
                    ContainerResources::of(container),
                )
            })
            .collect(),
        )
    }

    /// What a kubelet before this one allowed a pod: as its file says, or as its containers have it.
    pub fn restore(dir: &Path, pod: Pod<'_>, attempts: &BTreeMap<String, Vec<Attempt>>) -> Self {
        let mut allocation = Self::of(pod);
        let kept = read(&dir.join(FILE));
        for (name, resources) in &mut allocation.0 {
            let attempt = attempts.get(name).and_then(|attempts| attempts.last());
            let in_force = attempt.and_then(|attempt| attempt.resources.as_ref());
            let kept = kept.as_ref().and_then(|kept| kept.0.get(name));
            if let Some(known) = kept.or(in_force) {
                *resources = std::mem::take(resources).with_compute_of(known);
            }
        }
        allocation
    }

    /// Has a kubelet after this one find it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, dir: &Path) -> std::io::Result<()> {
        let all = self.0.iter().map(|(name, r)| (name.clone(), r.to_json()));
        let text = Value::Object(all.collect()).to_string();
        std::fs::create_dir_all(dir)?;
        let new = dir.join(format!("{FILE}.new"));
        std::fs::write(&new, text)?;
        std::fs::rename(new, dir.join(FILE))
    }

    /// The pod as it is to be run: with what it was granted in place of what it asks for.
    pub fn apply(&self, pod: &Arc<Tree>) -> Arc<Tree> {
        self.apply_to(pod, |_, allocated| allocated.clone())
    }

    /// The pod with what is in force of its containers.
    pub fn in_force(
        &self,
        pod: &Arc<Tree>,
        attempts: &BTreeMap<String, Vec<Attempt>>,
    ) -> Arc<Tree> {
        self.apply_to(pod, |name, allocated| {
            let attempt = attempts.get(name).and_then(|attempts| attempts.last());
            let running = attempt.filter(|attempt| attempt.is_running());
            match running.and_then(|attempt| attempt.resources.as_ref()) {
                Some(resources) => allocated.clone().with_compute_of(resources),
                None => allocated.clone(),
            }
        })
    }

    fn apply_to(
        &self,
        pod: &Arc<Tree>,
        of: impl Fn(&str, &ContainerResources) -> ContainerResources,
    ) -> Arc<Tree> {
        let spec = Pod::of(pod).spec();
        let different = |container: Container<'_>| -> Option<ContainerResources> {
            let allocated = self.0.get(container.name())?;
            let resources = of(container.name(), allocated);
            (resources != ContainerResources::of(container)).then_some(resources)
        };
        let containers: Vec<_> = spec.containers().iter().map(different).collect();
        let init: Vec<_> = spec.init_containers().iter().map(different).collect();
        if containers.iter().chain(&init).all(Option::is_none) {
            return pod.clone();
        }
        let mut tree = (**pod).clone();
        let mut view = PodMut::of(&mut tree);
        let mut spec = view.spec_mut();
        for (at, resources) in containers.into_iter().enumerate() {
            if let Some(resources) = resources {
                resources.write(spec.containers_mut(at).resources_mut());
            }
        }
        for (at, resources) in init.into_iter().enumerate() {
            if let Some(resources) = resources {
                resources.write(spec.init_containers_mut(at).resources_mut());
            }
        }
        Arc::new(tree)
    }
}

/// None if there is no file, or none that makes sense: the containers' labels tell then.
fn read(path: &Path) -> Option<Allocation> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read what a pod is allowed");
            return None;
        }
    };
    let value: Option<Value> = serde_json::from_str(&text).ok();
    let read = value.as_ref().and_then(Value::as_object).and_then(|all| {
        let one = |(name, value): (&String, &Value)| {
            Some((name.clone(), ContainerResources::from_json(value)?))
        };
        all.iter().map(one).collect::<Option<BTreeMap<_, _>>>()
    });
    if read.is_none() {
        tracing::warn!(path = %path.display(), "what a pod is allowed makes no sense");
    }
    read.map(Allocation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::codec::json::{Strict, decode};
    use api::schema::Schema;

    fn pod(cpu: &str) -> Arc<Tree> {
        let text = json!({"spec": {"containers": [{"name": "a", "resources": {
            "requests": {"cpu": cpu, "example.com/x": "1"}, "limits": {"memory": "1Gi", "example.com/x": "1"},
        }}, {"name": "b"}]}});
        let text = text.to_string();
        Arc::new(decode(Schema::builtin(), Pod::TYPE, text, &mut Strict::new()).unwrap())
    }

    #[test]
    fn a_pod_is_run_with_what_it_was_granted() {
        let (before, wanted) = (pod("1"), pod("2"));
        let allocation = Allocation::of(Pod::of(&before));
        assert!(Arc::ptr_eq(&allocation.apply(&before), &before));
        let applied = allocation.apply(&wanted);
        assert_eq!(Allocation::of(Pod::of(&applied)), allocation);
        // Written in another way, it is the same.
        assert_eq!(Allocation::of(Pod::of(&pod("1000m"))), allocation);
    }

    #[test]
    fn what_was_granted_is_found_again_by_file_or_label() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (pod("1"), pod("2"));
        let granted = Allocation::of(Pod::of(&old));
        let restored =
            |attempts: BTreeMap<_, _>| Allocation::restore(dir.path(), Pod::of(&new), &attempts);
        assert_eq!(restored(BTreeMap::new()), Allocation::of(Pod::of(&new)));
        let labelled = granted.0["a"].clone().compute();
        assert_eq!(
            ContainerResources::from_json(&labelled.to_json()),
            Some(labelled.clone())
        );
        let attempt = Attempt {
            resources: Some(labelled),
            ..Attempt::default()
        };
        assert_eq!(
            restored(BTreeMap::from([("a".to_owned(), vec![attempt])])),
            granted
        );
        granted.keep(dir.path()).unwrap();
        assert_eq!(restored(BTreeMap::new()), granted);
    }
}
