use std::collections::{BTreeMap, HashMap};

use containerd_client::services::v1::container::Runtime;
use containerd_client::services::v1::{
    self, CreateContainerRequest, DeleteContainerRequest, GetContainerRequest,
    ListContainersRequest, UpdateContainerRequest,
};
use prost_types::Any;

use super::error::{gone, optional};
use super::{Containerd, Error};

/// The type that containerd knows OCI runtime specs by.
const SPEC_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
const RUNTIME: &str = "io.containerd.runc.v2";

/// A container as containerd remembers it, running or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name in containerd.
    pub id: String,
    /// What the kubelet finds it again by.
    pub labels: BTreeMap<String, String>,
    /// The image's name.
    pub image: String,
    /// The snapshot that is its root.
    pub snapshot: String,
}

/// A container to be made.
#[derive(Clone, Debug)]
pub struct NewContainer {
    /// Its name in containerd.
    pub id: String,
    /// What the kubelet finds it again by.
    pub labels: BTreeMap<String, String>,
    /// The image's name.
    pub image: String,
    /// The OCI runtime spec.
    pub spec: serde_json::Value,
    /// The OCI runtime's binary: a name or a path.
    pub oci_runtime: String,
}

impl Containerd {
    /// Makes the container; its root will be the snapshot of the same name.
    ///
    /// # Errors
    /// When it exists or containerd refuses.
    pub async fn create_container(&self, new: NewContainer) -> Result<(), Error> {
        let container = v1::Container {
            snapshotter: self.snapshotter().to_owned(),
            snapshot_key: new.id.clone(),
            id: new.id,
            labels: new.labels.into_iter().collect(),
            image: new.image,
            runtime: Some(Runtime {
                name: RUNTIME.to_owned(),
                options: Some(super::tasks::runtime_options(&new.oci_runtime)),
            }),
            spec: Some(Any {
                type_url: SPEC_TYPE.to_owned(),
                value: new.spec.to_string().into_bytes(),
            }),
            ..Default::default()
        };
        let request = CreateContainerRequest {
            container: Some(container),
        };
        self.containers_service()
            .create(request)
            .await
            .map(|_| ())
            .map_err(Error::call("create a container"))
    }

    /// The container of this name.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn container(&self, id: &str) -> Result<Option<Container>, Error> {
        let request = GetContainerRequest { id: id.to_owned() };
        let answer = optional(
            self.containers_service()
                .get(request)
                .await
                .map_err(Error::call("look up a container")),
        )?;
        Ok(answer
            .and_then(|answer| answer.into_inner().container)
            .map(Container::from))
    }

    /// The OCI runtime spec that a container was made with.
    ///
    /// # Errors
    /// When it does not exist or its spec cannot be read.
    pub async fn container_spec(&self, id: &str) -> Result<serde_json::Value, Error> {
        let request = GetContainerRequest { id: id.to_owned() };
        let answer = self
            .containers_service()
            .get(request)
            .await
            .map_err(Error::call("look up a container"))?;
        let spec = answer
            .into_inner()
            .container
            .and_then(|container| container.spec)
            .unwrap_or_default();
        serde_json::from_slice(&spec.value)
            .map_err(|error| Error::Protocol(format!("the spec of {id}: {error}")))
    }

    /// All containers of the namespace.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn containers(&self) -> Result<Vec<Container>, Error> {
        let answer = self
            .containers_service()
            .list(ListContainersRequest::default())
            .await;
        let answer = answer.map_err(Error::call("list containers"))?;
        Ok(answer
            .into_inner()
            .containers
            .into_iter()
            .map(Container::from)
            .collect())
    }

    /// Sets labels of a container, the others stay.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn label_container(
        &self,
        id: &str,
        labels: HashMap<String, String>,
    ) -> Result<(), Error> {
        let paths = labels.keys().map(|key| format!("labels.{key}")).collect();
        let request = UpdateContainerRequest {
            container: Some(v1::Container {
                id: id.to_owned(),
                labels,
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths }),
        };
        self.containers_service()
            .update(request)
            .await
            .map(|_| ())
            .map_err(Error::call("label a container"))
    }

    /// Forgets a container, and removes its snapshot; fine if there is none. Its task has to be gone: containerd does not look
    /// whether it has one.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn delete_container(&self, id: &str) -> Result<(), Error> {
        let request = DeleteContainerRequest { id: id.to_owned() };
        gone(
            self.containers_service()
                .delete(request)
                .await
                .map(|_| ())
                .map_err(Error::call("delete a container")),
        )?;
        self.remove_snapshot(id).await
    }
}

impl From<v1::Container> for Container {
    fn from(container: v1::Container) -> Self {
        Self {
            id: container.id,
            labels: container.labels.into_iter().collect(),
            image: container.image,
            snapshot: container.snapshot_key,
        }
    }
}
