//! Random histories against a model that is slow and obvious: a list of every state there ever was.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{AppendError, Entry, Expect, Log, Op, Revision};

use crate::beds::Bed;
use crate::common::{all, bytes, until};

/// An expectation, before it is known which revisions there will be.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Any,
    Absent,
    /// The revision that the key has, so that it holds if there is such a key.
    Current,
    /// A revision from before.
    Old(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u8, Wish, Option<u16>, bool)>),
    Compact(usize),
    Load(u8),
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let wish = prop_oneof![
        3 => Just(Wish::Any),
        3 => Just(Wish::Current),
        2 => Just(Wish::Absent),
        1 => (0usize..50).prop_map(Wish::Old),
    ];
    let op = (
        0u8..8,
        wish,
        prop::option::of(any::<u16>()),
        prop::bool::weighted(0.2),
    );
    let step = prop_oneof![
        10 => prop::collection::vec(op, 1..4).prop_map(Step::Append),
        1 => (0usize..50).prop_map(Step::Compact),
        1 => (0u8..8).prop_map(Step::Load),
    ];
    prop::collection::vec(step, 1..most)
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<String, Entry>,
    /// Every revision with what it changed: key and value.
    log: Vec<(Revision, BTreeMap<String, Option<String>>)>,
    compacted: Revision,
    start: Revision,
}

fn key(n: u8) -> String {
    format!("{}/{n}", n % 2)
}

impl Model {
    fn head(&self) -> Revision {
        self.log.last().map_or(self.start, |(at, _)| *at)
    }

    fn old(&self, n: usize) -> Revision {
        match self.log.len() {
            0 => self.start,
            len => self.log[n % len].0,
        }
    }

    fn ops(&self, wishes: &[(u8, Wish, Option<u16>, bool)]) -> Vec<Op> {
        let mut ops: Vec<Op> = Vec::new();
        for (n, wish, value, only_check) in wishes {
            let name = key(*n);
            let key = bytes(&name);
            if ops.iter().any(|op| *op.key() == key) {
                continue;
            }
            let current = self.entries.get(&name).map(|e| e.mod_revision);
            let expect = match wish {
                Wish::Any => Expect::Any,
                Wish::Absent => Expect::Absent,
                Wish::Current => current.map_or(Expect::Absent, Expect::At),
                Wish::Old(n) => Expect::At(self.old(*n)),
            };
            ops.push(match value {
                _ if *only_check => Op::Check { key, expect },
                None => Op::Delete { key, expect },
                Some(value) => Op::Put {
                    key,
                    value: bytes(value.to_string()),
                    expect,
                    ttl: None,
                },
            });
        }
        ops
    }

    /// The first operation that conflicts, with what is there.
    fn conflict(&self, ops: &[Op]) -> Option<(usize, Option<Entry>)> {
        ops.iter().enumerate().find_map(|(n, op)| {
            let name = String::from_utf8(op.key().to_vec()).unwrap();
            let current = self.entries.get(&name).cloned();
            let holds = match op.expect() {
                Expect::Any => true,
                Expect::Absent => current.is_none(),
                Expect::At(at) => current.as_ref().is_some_and(|e| e.mod_revision == at),
            };
            (!holds).then_some((n, current))
        })
    }

    fn apply(&mut self, ops: Vec<Op>, at: Revision) {
        let mut changes = BTreeMap::new();
        for op in ops {
            let name = String::from_utf8(op.key().to_vec()).unwrap();
            match op {
                Op::Check { .. } => {}
                Op::Delete { .. } => {
                    if self.entries.remove(&name).is_some() {
                        changes.insert(name, None);
                    }
                }
                Op::Put { key, value, .. } => {
                    let text = String::from_utf8(value.to_vec()).unwrap();
                    let create_revision = self.entries.get(&name).map_or(at, |e| e.create_revision);
                    changes.insert(name.clone(), Some(text));
                    self.entries.insert(
                        name,
                        Entry {
                            key,
                            value,
                            create_revision,
                            mod_revision: at,
                            expires: false,
                        },
                    );
                }
            }
        }
        if changes.is_empty() {
            assert_eq!(at, self.head(), "what changes nothing makes no revision");
        } else {
            assert!(at > self.head());
            self.log.push((at, changes));
        }
    }
}

async fn run(log: &dyn Log, steps: Vec<Step>) {
    let start = log.head().await.unwrap();
    let mut model = Model {
        start,
        compacted: start,
        ..Model::default()
    };
    for step in steps {
        match step {
            Step::Append(wishes) => {
                let ops = model.ops(&wishes);
                let expected = model.conflict(&ops);
                match (log.append(ops.clone()).await, expected) {
                    (Ok(appended), None) => model.apply(ops, appended.revision),
                    (Err(AppendError::Conflict(found)), Some((op, current))) => {
                        assert_eq!((found.op, found.current), (op, current));
                        assert_eq!(found.head, model.head());
                    }
                    (found, expected) => panic!("{found:?}, expected {expected:?}, of {ops:?}"),
                }
            }
            Step::Compact(n) => {
                let at = model.old(n);
                log.compact(at).await.unwrap();
                model.compacted = model.compacted.max(at);
            }
            Step::Load(n) => {
                let prefix = format!("{}/", n % 2);
                let expected: Vec<Entry> = model
                    .entries
                    .iter()
                    .filter(|(key, _)| key.starts_with(&prefix))
                    .map(|(_, entry)| entry.clone())
                    .collect();
                assert_eq!(all(log, &prefix).await, expected);
            }
        }
        assert_eq!(log.head().await.unwrap(), model.head());
    }
    let entries: Vec<Entry> = model.entries.values().cloned().collect();
    assert_eq!(all(log, "").await, entries);
    let mut tail = log.tail(model.compacted);
    let sets = until(&mut tail, model.head(), model.compacted).await;
    let text = |b: &bytes::Bytes| String::from_utf8(b.to_vec()).unwrap();
    let found: Vec<_> = sets
        .iter()
        .map(|set| {
            let changes = set.changes.iter();
            let changes = changes.map(|c| (text(&c.key), c.value.as_ref().map(text)));
            (set.revision, changes.collect::<BTreeMap<_, _>>())
        })
        .collect();
    let compacted = model.compacted;
    let expected: Vec<_> = model
        .log
        .into_iter()
        .filter(|(at, _)| *at > compacted)
        .collect();
    assert_eq!(found, expected);
}

/// Compares an engine with the model; on etcd, where starting one takes long, few long histories.
pub fn compare<F: Future<Output = Option<Bed>>>(bed: fn() -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let Some(first) = runtime.block_on(bed()) else {
        return;
    };
    let slow = first.cluster.is_some();
    drop(first);
    let (cases, most) = if slow { (4, 150) } else { (200, 60) };
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: if slow { 4 } else { 1_000 },
        ..Config::with_cases(cases)
    };
    TestRunner::new(config)
        .run(&steps(most), |steps| {
            runtime.block_on(async {
                let bed = bed().await.expect("it was there a moment ago");
                run(&*bed.log, steps).await;
                bed.log.shutdown().await;
            });
            Ok(())
        })
        .unwrap();
}
