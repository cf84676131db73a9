//! StorageObjectInUseProtection: claims and volumes get a finalizer, so that they do not go while they are used.

use api::Tree;
use async_trait::async_trait;

use super::{Attributes, Mutate, Operation};
use crate::registry::meta;
use crate::status::Status;

/// See the module.
pub struct StorageObjectInUseProtection;

fn finalizer(a: &Attributes<'_>) -> Option<&'static str> {
    match (
        a.kind.resource.group.as_str(),
        a.kind.resource.name.as_str(),
    ) {
        ("", "persistentvolumes") => Some("kubernetes.io/pv-protection"),
        ("", "persistentvolumeclaims") => Some("kubernetes.io/pvc-protection"),
        ("storage.k8s.io", "volumeattributesclasses") => Some("kubernetes.io/vac-protection"),
        _ => None,
    }
}

#[async_trait]
impl Mutate for StorageObjectInUseProtection {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.operation == Operation::Create && a.subresource.is_empty() && finalizer(a).is_some()
    }

    async fn mutate(
        &self,
        a: &Attributes<'_>,
        new: &mut Tree,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        let Some(finalizer) = finalizer(a) else {
            return Ok(());
        };
        let mut all: Vec<String> = meta::of(new).finalizers().map(str::to_owned).collect();
        if !all.iter().any(|f| f == finalizer) {
            all.push(finalizer.to_owned());
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            meta::of_mut(new).set_finalizers(&all);
        }
        Ok(())
    }
}
