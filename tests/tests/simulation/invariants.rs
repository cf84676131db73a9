//! What holds at every revision, whatever crashes, is lost or comes late.

use std::collections::{BTreeMap, BTreeSet};

use crate::picture::{DeploymentFacts, Picture, Resources, SetFacts, Uid};

/// The rules, and what they have to remember from one revision to the next.
#[derive(Default)]
pub struct Invariants {
    /// By Deployment.
    limits: BTreeMap<Uid, Limits>,
    /// By ReplicaSet: the most pods that it may have.
    sizes: BTreeMap<Uid, i64>,
}

/// Between which numbers a Deployment's pods stay. A new number binds once it has been reached: until then the controllers
/// are on their way to it, or do not know of it yet.
struct Limits {
    most: i64,
    least: i64,
    /// The Deployment's own numbers when it was last looked at: replicas, and with the surge.
    replicas: i64,
    with_surge: i64,
    /// The pods that broke down: the first to go, also when they come up again in the meantime.
    broken: BTreeSet<Uid>,
}

/// The pods of a ReplicaSet that count: neither ended nor marked for deletion.
#[derive(Clone, Copy, Default)]
struct Tally {
    pods: i64,
    /// Those that became available at some time.
    available: i64,
}

/// By ReplicaSet.
type Tallies = BTreeMap<Uid, Tally>;

impl Invariants {
    /// Looks at the picture after one revision.
    ///
    /// # Errors
    /// Which rule is broken, and how.
    pub fn check(&mut self, picture: &Picture) -> Result<(), String> {
        let tallies = tallies(picture);
        for (key, set) in &picture.sets {
            self.no_more_than_it_wants(key, set, &tallies)?;
        }
        for deployment in picture.deployments.values() {
            self.within_surge_and_unavailability(picture, deployment, &tallies)?;
        }
        no_node_is_overcommitted(picture)?;
        no_pod_is_without_its_owner(picture, &tallies)
    }

    /// A ReplicaSet never has more pods that count than it has been told to have: not because it did not wait for what it
    /// asked for, nor because an answer was lost. (When it is told to have fewer it may have as many as before until its
    /// status speaks of the new number.)
    fn no_more_than_it_wants(
        &mut self,
        key: &str,
        set: &SetFacts,
        tallies: &Tallies,
    ) -> Result<(), String> {
        let pods = tallies.get(&set.uid).map_or(0, |tally| tally.pods);
        let most = self.sizes.entry(set.uid).or_insert(set.replicas);
        *most = match set.observed >= set.generation && pods <= set.replicas {
            true => set.replicas,
            false => set.replicas.max(*most),
        };
        match pods > *most {
            true => Err(format!(
                "a ReplicaSet has what it wants and no more: {key} has {pods} pods of {most}"
            )),
            false => Ok(()),
        }
    }

    /// `maxSurge`: of a Deployment there are never more pods that count than `replicas + maxSurge`.
    ///
    /// `maxUnavailable`: the controllers never take away so many pods that fewer than `replicas - maxUnavailable` are left
    /// of those that became available. A pod that breaks down by itself, or whose node is silent, is less available through
    /// no act of theirs, and counts as long as it is neither ended nor marked; it may go as one that is not available. When so
    /// many break down that the ReplicaSets tell of fewer available ones than that, the number that was told is left.
    ///
    /// When the Deployment is scaled, the wider of the old and the new limits holds until the new one has been kept once. One
    /// that is scaled down in the midst of a rollout loses pods in proportion from all its ReplicaSets, as upstream has it:
    /// of those that became available too, and each set's number is rounded.
    fn within_surge_and_unavailability(
        &mut self,
        picture: &Picture,
        deployment: &DeploymentFacts,
        tallies: &Tallies,
    ) -> Result<(), String> {
        let most = deployment.replicas + deployment.max_surge;
        let least = deployment.replicas - deployment.max_unavailable;
        let limits = self.limits.entry(deployment.uid).or_insert(Limits {
            most,
            // Nothing has been available yet.
            least: 0,
            replicas: deployment.replicas,
            with_surge: most,
            broken: BTreeSet::new(),
        });

        let mut all = Tally::default();
        let (mut sets, mut wanted, mut told) = (0, 0, 0);
        let (mut settled, mut surplus) = (deployment.observed >= deployment.generation, false);
        let own = picture.sets.values();
        let own: Vec<_> = own.filter(|set| set.owner == deployment.uid).collect();
        for set in &own {
            let tally = tallies.get(&set.uid).copied().unwrap_or_default();
            surplus |= tally.pods > set.replicas;
            settled &= set.observed >= set.generation;
            all.pods += tally.pods;
            all.available += tally.available;
            told += set.available;
            wanted += set.replicas;
            sets += 1;
        }

        if deployment.replicas < limits.replicas {
            limits.least = (limits.least * most / limits.with_surge - sets).max(0);
        }
        (limits.replicas, limits.with_surge) = (deployment.replicas, most);
        limits.most = match settled && all.pods <= most && wanted <= most {
            true => most,
            false => limits.most.max(most),
        };
        let pods = || picture.pods.values().filter(|pod| pod.is_active());
        let down = pods().filter(|pod| pod.was_ready && !pod.ready);
        let down = down.filter(|pod| own.iter().any(|set| set.uid == pod.owner));
        limits.broken.extend(down.map(|pod| pod.uid));
        let active: BTreeSet<Uid> = match limits.broken.is_empty() {
            true => BTreeSet::new(),
            false => pods().map(|pod| pod.uid).collect(),
        };
        // Reached is what the controllers know of: a pod may become available after it was chosen to go as one that is not.
        let reached = all.available.min(told) >= least && settled && !surplus;
        limits.least = match reached {
            true => least,
            false => limits.least.min(least).min(told),
        };
        if reached {
            limits.broken.retain(|uid| active.contains(uid));
        }
        let gone = limits.broken.iter().filter(|uid| !active.contains(uid));
        let gone = i64::try_from(gone.count()).unwrap_or(i64::MAX);
        if all.pods > limits.most {
            return Err(format!(
                "never more than replicas + maxSurge: {} pods of at most {}",
                all.pods, limits.most
            ));
        }
        if all.available + gone < limits.least {
            return Err(format!(
                "never fewer available than replicas - maxUnavailable: {} of at least {}",
                all.available, limits.least
            ));
        }
        Ok(())
    }
}

fn tallies(picture: &Picture) -> Tallies {
    let mut tallies = Tallies::new();
    for pod in picture.pods.values().filter(|pod| pod.is_active()) {
        let tally = tallies.entry(pod.owner).or_default();
        tally.pods += 1;
        tally.available += i64::from(pod.was_ready);
    }
    tallies
}

/// What is bound to a node fits on it, pods that are ending included: they take their share until they have ended.
fn no_node_is_overcommitted(picture: &Picture) -> Result<(), String> {
    let mut taken: BTreeMap<Uid, Resources> = BTreeMap::new();
    for pod in picture.pods.values() {
        if pod.node != Uid::NONE && !pod.over {
            *taken.entry(pod.node).or_default() += pod.requests;
        }
    }
    for (name, node) in &picture.nodes {
        let (taken, there) = (taken.remove(&node.uid).unwrap_or_default(), node.there);
        if !taken.fit(there) {
            return Err(format!(
                "no node is overcommitted: of {name} {taken:?} is taken, it has {there:?}"
            ));
        }
    }
    match taken.len() {
        0 => Ok(()),
        gone => Err(format!(
            "no node is overcommitted: {gone} with pods are not there"
        )),
    }
}

/// A pod that counts is managed by a ReplicaSet that is there, which belongs to a Deployment that is there.
fn no_pod_is_without_its_owner(picture: &Picture, tallies: &Tallies) -> Result<(), String> {
    for owner in tallies.keys() {
        let set = picture.sets.values().find(|set| set.uid == *owner);
        let mut deployments = picture.deployments.values();
        if !set.is_some_and(|set| deployments.any(|d| d.uid == set.owner)) {
            let mut pods = picture.pods.iter();
            let pod = pods.find(|(_, pod)| pod.owner == *owner && pod.is_active());
            return Err(format!(
                "no pod is without its owner: {}",
                pod.map_or("", |(key, _)| key)
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::picture::{NodeFacts, PodFacts};

    const DEPLOYMENT: Uid = Uid(1);
    const SET: Uid = Uid(2);
    const NODE: Uid = Uid(3);

    fn ready(number: usize) -> (String, PodFacts) {
        let pod = PodFacts {
            uid: Uid(100 + number),
            owner: SET,
            image: "web:1".to_owned(),
            node: NODE,
            requests: Resources {
                cpu: 100,
                memory: 1,
                pods: 1,
            },
            deleting: false,
            over: false,
            ready: true,
            was_ready: true,
        };
        (format!("default/web-{number:02}"), pod)
    }

    /// Ten pods, all well; up to two more, and up to three fewer.
    fn well() -> Picture {
        let set = SetFacts {
            uid: SET,
            owner: DEPLOYMENT,
            image: "web:1".to_owned(),
            generation: 1,
            replicas: 10,
            observed: 1,
            available: 10,
        };
        let deployment = DeploymentFacts {
            uid: DEPLOYMENT,
            image: "web:1".to_owned(),
            generation: 1,
            replicas: 10,
            max_surge: 2,
            max_unavailable: 3,
            observed: 1,
            counts: [10; 4],
        };
        let there = Resources {
            cpu: 1_200,
            memory: 100,
            pods: 100,
        };
        let mut picture = Picture::default();
        picture.pods = (0..10).map(ready).collect();
        picture.sets.insert("default/web-1".to_owned(), set);
        picture
            .deployments
            .insert("default/web".to_owned(), deployment);
        let node = NodeFacts { uid: NODE, there };
        picture.nodes.insert("n1".to_owned(), node);
        picture
    }

    /// What is said of a picture that was well before `change`.
    fn after(change: impl FnOnce(&mut Picture)) -> String {
        let (mut picture, mut invariants) = (well(), Invariants::default());
        assert_eq!(invariants.check(&picture), Ok(()));
        change(&mut picture);
        invariants.check(&picture).err().unwrap_or_default()
    }

    fn mark(picture: &mut Picture, count: usize) {
        for pod in picture.pods.values_mut().take(count) {
            pod.deleting = true;
        }
    }

    fn set(picture: &mut Picture) -> &mut SetFacts {
        picture.sets.values_mut().next().unwrap()
    }

    #[test]
    fn a_pod_too_many_is_seen() {
        let said = after(|picture| picture.pods.extend([ready(10)]));
        assert!(said.starts_with("a ReplicaSet has what it wants"), "{said}");
        let grow = |picture: &mut Picture, to: usize| {
            set(picture).replicas = to as i64;
            picture.pods.extend((10..to).map(ready));
        };
        assert_eq!(after(|picture| grow(picture, 12)), "");
        let said = after(|picture| grow(picture, 13));
        assert_eq!(
            said,
            "never more than replicas + maxSurge: 13 pods of at most 12"
        );
    }

    #[test]
    fn a_pod_too_few_is_seen_unless_the_set_has_told_that_it_broke_down() {
        assert_eq!(after(|picture| mark(picture, 3)), "");
        let said = after(|picture| mark(picture, 4));
        assert!(said.ends_with("maxUnavailable: 6 of at least 7"), "{said}");
        let told = after(|picture| {
            set(picture).available = 6;
            mark(picture, 4);
        });
        assert_eq!(told, "");
    }

    #[test]
    fn a_pod_that_broke_down_may_go_whether_or_not_it_came_up_again() {
        let (mut picture, mut invariants) = (well(), Invariants::default());
        assert_eq!(invariants.check(&picture), Ok(()));
        let first = picture.pods.keys().next().unwrap().clone();
        for ready in [false, true] {
            picture.pods.get_mut(&first).unwrap().ready = ready;
            // As long as a set has not taken in a change, nothing is reached.
            set(&mut picture).generation = 2;
            assert_eq!(invariants.check(&picture), Ok(()));
        }
        mark(&mut picture, 4);
        assert_eq!(invariants.check(&picture), Ok(()));
        mark(&mut picture, 5);
        let said = invariants.check(&picture).unwrap_err();
        assert!(said.ends_with("maxUnavailable: 5 of at least 7"), "{said}");
    }

    #[test]
    fn the_old_limits_hold_until_the_new_ones_were_kept_once() {
        let scale = |picture: &mut Picture, observed| {
            let deployment = picture.deployments.values_mut().next().unwrap();
            (deployment.replicas, deployment.generation) = (5, 2);
            deployment.observed = observed;
            set(picture).replicas = 5;
        };
        assert_eq!(after(|picture| scale(picture, 1)), "");
        let (mut picture, mut invariants) = (well(), Invariants::default());
        scale(&mut picture, 2);
        mark(&mut picture, 5);
        assert_eq!(invariants.check(&picture), Ok(()));
        for pod in picture.pods.values_mut() {
            pod.deleting = false;
        }
        let said = invariants.check(&picture).unwrap_err();
        assert!(said.starts_with("a ReplicaSet has what it wants"), "{said}");
    }

    #[test]
    fn a_full_node_and_a_stray_pod_are_seen() {
        let full = after(|picture| picture.nodes.values_mut().next().unwrap().there.cpu = 999);
        assert!(
            full.starts_with("no node is overcommitted: of n1"),
            "{full}"
        );
        let ending = after(|picture| {
            mark(picture, 3);
            picture.nodes.values_mut().next().unwrap().there.cpu = 999;
        });
        assert!(ending.starts_with("no node is overcommitted"), "{ending}");
        let lost = after(|picture| picture.nodes.clear());
        assert!(lost.ends_with("1 with pods are not there"), "{lost}");
        let stray = after(|picture| picture.pods.values_mut().next().unwrap().owner = Uid::NONE);
        assert_eq!(stray, "no pod is without its owner: default/web-00");
        let orphaned = after(|picture| picture.deployments.clear());
        assert!(
            orphaned.starts_with("no pod is without its owner"),
            "{orphaned}"
        );
    }
}
