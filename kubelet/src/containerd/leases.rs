use std::collections::HashMap;

use containerd_client::services::v1::{
    AddResourceRequest, CreateRequest, DeleteRequest, ListRequest, Resource,
};

use jiff::{SignedDuration, Timestamp};

use super::error::gone;
use super::{Containerd, Error, Lease};

/// Set on each lease: a kubelet that dies keeps nothing alive for longer.
const EXPIRY: &str = "containerd.io/gc.expire";

impl Containerd {
    /// A new lease, which ends a day after `now` if nobody deletes it before.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn create_lease(&self, id: &str, now: Timestamp) -> Result<Lease, Error> {
        let expires = now + SignedDuration::from_hours(24);
        let labels = HashMap::from([(EXPIRY.to_owned(), expires.to_string())]);
        let request = CreateRequest {
            id: id.to_owned(),
            labels,
        };
        match self
            .leases_service()
            .create(request)
            .await
            .map_err(Error::call("create a lease"))
        {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(Lease { id: id.to_owned() }),
        }
    }

    /// Adds a blob, which need not be there yet, to this connection's lease if it has one.
    ///
    /// # Errors
    /// When containerd refuses.
    pub(super) async fn lease_content(&self, digest: &str) -> Result<(), Error> {
        let Some(lease) = self.lease() else {
            return Ok(());
        };
        let request = AddResourceRequest {
            id: lease.to_owned(),
            resource: Some(Resource {
                id: digest.to_owned(),
                r#type: "content".to_owned(),
            }),
        };
        let added = self.leases_service().add_resource(request).await;
        added.map(|_| ()).map_err(Error::call("lease a blob"))
    }

    /// Lets go of what the lease kept.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn delete_lease(&self, lease: &Lease) -> Result<(), Error> {
        let request = DeleteRequest {
            id: lease.id.clone(),
            sync: false,
        };
        gone(
            self.leases_service()
                .delete(request)
                .await
                .map(|_| ())
                .map_err(Error::call("delete a lease")),
        )
    }

    /// All leases of the namespace.
    ///
    /// # Errors
    /// When containerd refuses.
    pub async fn leases(&self) -> Result<Vec<Lease>, Error> {
        let answer = self
            .leases_service()
            .list(ListRequest::default())
            .await
            .map_err(Error::call("list leases"))?;
        Ok(answer
            .into_inner()
            .leases
            .into_iter()
            .map(|lease| Lease { id: lease.id })
            .collect())
    }
}
