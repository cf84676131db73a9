//! Priority: a pod's priority is that of its class; there is one default class at most.

use api::Tree;
use api::core::v1::{Pod, PodMut};
use api::scheduling::v1::PriorityClass;
use async_trait::async_trait;

use super::{Attributes, Lookup, Mutate, Operation, Validate};
use crate::status::Status;

/// See the module.
pub struct Priority {
    lookup: Lookup,
}

impl Priority {
    /// A step that reads classes by `lookup`.
    pub fn new(lookup: Lookup) -> Priority {
        Priority { lookup }
    }

    /// The default class: of several, made at the same time, the one of the least value.
    fn default(&self) -> Option<Tree> {
        let all = self.lookup.all("priorityclasses/", PriorityClass::TYPE);
        all.into_iter()
            .filter(|class| PriorityClass::of(class).global_default())
            .min_by_key(|class| PriorityClass::of(class).value())
    }

    async fn establish(&self, a: &Attributes<'_>, new: &mut Tree) -> Result<(), Status> {
        let named = Pod::of(new).spec().priority_class_name().to_owned();
        let class = match named.as_str() {
            "" => self.default(),
            name => match self
                .lookup
                .get_fresh("priorityclasses/", name, PriorityClass::TYPE)
                .await
            {
                Some(class) => Some(class),
                None => {
                    return Err(a.forbidden(
                        Some(new),
                        format!("no PriorityClass with name {name} was found"),
                    ));
                }
            },
        };
        let (name, value, policy) = match &class {
            None => (String::new(), 0, "PreemptLowerPriority".to_owned()),
            Some(class) => {
                let class = PriorityClass::of(class);
                (
                    class.metadata().name().to_owned(),
                    class.value(),
                    class.preemption_policy().unwrap_or_default().to_owned(),
                )
            }
        };
        let spec = Pod::of(new).spec();
        if let Some(given) = spec.priority().filter(|given| *given != value) {
            let why = format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
                 computed {value} from the given PriorityClass name"
            );
            return Err(a.forbidden(Some(new), why));
        }
        if let Some(given) = spec
            .preemption_policy()
            .filter(|given| !policy.is_empty() && *given != policy)
        {
            let why = format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
                 controller computed {policy} from the given PriorityClass name"
            );
            return Err(a.forbidden(Some(new), why));
        }
        let mut pod = PodMut::of(new);
        let mut spec = pod.spec_mut();
        if !name.is_empty() {
            spec.set_priority_class_name(&name);
        }
        spec.set_priority(value);
        if !policy.is_empty() {
            spec.set_preemption_policy(&policy);
        }
        Ok(())
    }
}

#[async_trait]
impl Mutate for Priority {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.is("", "pods") && matches!(a.operation, Operation::Create | Operation::Update)
    }

    async fn mutate(
        &self,
        a: &Attributes<'_>,
        new: &mut Tree,
        old: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(old) = old else {
            return self.establish(a, new).await;
        };
        // What was told at creation is kept by those who do not know it.
        let (old, spec) = (Pod::of(old).spec(), Pod::of(new).spec());
        let (priority, policy) = (
            spec.priority().is_none(),
            spec.preemption_policy().is_none(),
        );
        let mut pod = PodMut::of(new);
        if let Some(value) = old.priority().filter(|_| priority) {
            pod.spec_mut().set_priority(value);
        }
        if let Some(value) = old.preemption_policy().filter(|_| policy) {
            pod.spec_mut().set_preemption_policy(value);
        }
        Ok(())
    }
}

#[async_trait]
impl Validate for Priority {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.is("scheduling.k8s.io", "priorityclasses")
            && matches!(a.operation, Operation::Create | Operation::Update)
    }

    async fn validate(
        &self,
        a: &Attributes<'_>,
        new: Option<&Tree>,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(class) = new
            .map(PriorityClass::of)
            .filter(|class| class.global_default())
        else {
            return Ok(());
        };
        let Some(default) = self.default() else {
            return Ok(());
        };
        let name = PriorityClass::of(&default).metadata().name();
        if a.operation == Operation::Create || name != class.metadata().name() {
            let why = format!(
                "PriorityClass {name} is already marked as default. Only one default can exist"
            );
            return Err(a.forbidden(new, why));
        }
        Ok(())
    }
}
