//! ResourceQuota: what the objects of a namespace use together stays within its quotas.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>
//!
//! The last step of admission. It does not judge alone: it charges. What an object uses is added to the quota's status in the
//! append that writes the object, and only if the quota is as it was when it was judged: both are there or neither is, whichever
//! server of the cluster writes, and no request that fails later leaves a charge behind. (Upstream writes the quota first.) What
//! deleted objects used is given back by the controller.

mod check;
mod turns;

use std::sync::Arc;

use api::core::v1::{ResourceQuota as Quota, ResourceQuotaMut as QuotaMut};
use api::quota::Evaluator;
use api::{Time, Tree};
use store::{Expect, Op};

use self::check::Write;
use self::turns::{Turn, Turns};
use super::{Attributes, Operation};
use crate::codec::object::{decode, encode};
use crate::registry::commit::store_key;
use crate::registry::managed::{Writer, track};
use crate::registry::{Api, Kind};
use crate::status::Status;
use crate::view::Object;

/// Who owns what is charged.
const MANAGER: &str = "kube-apiserver";

/// What goes with a write that uses something up. To be kept until the write is done.
#[derive(Default)]
#[must_use]
pub struct Charge {
    /// The operations that join the write's own.
    pub ops: Vec<Op>,
    /// Others of the namespace wait meanwhile: they would only find the quota changed.
    _turn: Option<Turn>,
}

/// See the module.
#[derive(Default)]
pub struct ResourceQuota {
    turns: Turns,
}

impl ResourceQuota {
    /// Charges a write of `new`, which is valid and admitted otherwise, or refuses it.
    ///
    /// # Errors
    /// As upstream refuses.
    pub async fn charge(
        &self,
        api: &Api,
        a: &Attributes<'_>,
        new: &Tree,
        old: Option<&Tree>,
    ) -> Result<Charge, Status> {
        let kinds = api.kinds();
        let Some(kind) = kinds.get("", "v1", "resourcequotas") else {
            return Ok(Charge::default());
        };
        let (namespaced, namespace) = (a.kind.resource.namespaced, a.namespace);
        if !namespaced || objects(kind, namespace).is_empty() {
            return Ok(Charge::default());
        }
        let resource = &a.kind.resource;
        let evaluator = Evaluator::of(&resource.group, &resource.name);
        let Some(evaluator) = evaluator.filter(|e| handles(e, a, new, old)) else {
            return Ok(Charge::default());
        };
        let write = Write {
            attributes: a,
            evaluator: &evaluator,
            new,
            old,
            now: Time::from(api.env.now()),
        };
        // Most writes cost nothing, or too much: those need no turn.
        let charges = judge(api, kind, &write).await?;
        if charges.is_empty() || a.dry_run {
            return Ok(Charge::default());
        }
        let turn = self.turns.take(namespace).await;
        let charges = judge(api, kind, &write).await?;
        let ops = charges.into_iter().map(|charge| charge.op(api, kind));
        Ok(Charge {
            ops: ops.collect::<Result<_, _>>()?,
            _turn: turn,
        })
    }
}

/// Whether a write can change what is used.
fn handles(evaluator: &Evaluator, a: &Attributes<'_>, new: &Tree, old: Option<&Tree>) -> bool {
    let (creates, updates) = (
        a.operation == Operation::Create,
        a.operation == Operation::Update,
    );
    match (evaluator, a.subresource) {
        (Evaluator::Pods, "") => {
            creates
                || updates
                    && old.is_some_and(|old| check::is_bounded(old) != check::is_bounded(new))
        }
        (Evaluator::Pods, "resize") => updates,
        (Evaluator::Services | Evaluator::Claims | Evaluator::Devices, "") => creates || updates,
        (Evaluator::Claims, "status") => updates,
        (Evaluator::Objects(_), "") => creates,
        _ => false,
    }
}

/// The quotas of a namespace, by name.
fn objects(kind: &Kind, namespace: &str) -> Vec<Arc<Object>> {
    let Some(collection) = &kind.collection else {
        return Vec::new();
    };
    let start = format!("{namespace}/");
    collection
        .snapshot()
        .from(&start)
        .take_while(|object| object.key().starts_with(&start))
        .cloned()
        .collect()
}

/// A quota and what it is to say is used.
struct Charged {
    object: Arc<Object>,
    quota: Tree,
    used: api::aggregate::Amounts,
}

impl Charged {
    fn op(self, api: &Api, kind: &Kind) -> Result<Op, Status> {
        let mut quota = self.quota.clone();
        let mut view = QuotaMut::of(&mut quota);
        for (name, amount) in self.used {
            view.status_mut().used_mut().insert(&name, amount);
        }
        let writer = Writer {
            manager: MANAGER,
            subresource: "status",
            now: api.env.now(),
        };
        track(kind, Some(&self.quota), &mut quota, writer);
        Ok(Op::Put {
            key: store_key(kind, self.object.key()),
            value: encode(&kind.codec, &quota)?,
            expect: Expect::At(self.object.revision()),
            ttl: None,
        })
    }
}

/// What the write costs. What is refused for figures that may be out of date is judged again by those that are not.
async fn judge(api: &Api, kind: &Kind, write: &Write<'_>) -> Result<Vec<Charged>, Status> {
    let before = api.view.applied();
    match judge_now(kind, write) {
        Ok(charges) => Ok(charges),
        Err(status) => match api.view.fresh().await {
            Ok(_) if api.view.applied() != before => judge_now(kind, write),
            _ => Err(status),
        },
    }
}

fn judge_now(kind: &Kind, write: &Write<'_>) -> Result<Vec<Charged>, Status> {
    let quotas = objects(kind, write.attributes.namespace)
        .into_iter()
        .map(|object| Ok((decode(&kind.codec, &object)?, object)));
    let quotas = quotas.collect::<Result<Vec<(Tree, Arc<Object>)>, Status>>()?;
    let views: Vec<Quota<'_>> = quotas.iter().map(|(quota, _)| Quota::of(quota)).collect();
    let charges = write.charges(&views)?;
    let charged = charges.into_iter().map(|(at, used)| Charged {
        object: Arc::clone(&quotas[at].1),
        quota: quotas[at].0.clone(),
        used,
    });
    Ok(charged.collect())
}
