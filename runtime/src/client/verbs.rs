//! The verbs of the API, on trees.

use api::tree::Tree;
use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::{
    Client,
    codec::{self, Encoding},
    error::Error,
    options::{DeleteOptions, ListOptions, Patch, Query, WriteOptions},
    request::{Outgoing, RawResponse},
    wire::ListMeta,
};
use crate::{key::Key, resource::Resource};

/// Items that a page holds where the caller does not say: client-go's number.
pub const MAX_PAGE: u32 = 500;

/// One page of a list.
#[derive(Debug)]
pub struct List {
    /// Revision and continuation.
    pub meta: ListMeta,
    /// The objects.
    pub items: Vec<Tree>,
}

impl Client {
    /// Reads one object as it is now.
    pub async fn get(&self, resource: &Resource, key: &Key) -> Result<Tree, Error> {
        self.call(resource, Method::GET, object_path(resource, key, ""), None)
            .await
    }

    /// Reads one page.
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        options: &ListOptions,
    ) -> Result<List, Error> {
        let outgoing = Outgoing {
            method: Method::GET,
            path: resource.collection_path(namespace) + &options.query(),
            accept: codec::accept_list(resource),
            content_type: None,
            body: Bytes::new(),
        };
        let response = self.send(&outgoing).await?;
        let (meta, items) = codec::decode_list(resource, response.encoding()?, response.body)?;
        Ok(List { meta, items })
    }

    /// Reads all pages. Each page is consistent with the first.
    pub async fn list_all(
        &self,
        resource: &Resource,
        namespace: &str,
        options: &ListOptions,
    ) -> Result<List, Error> {
        let mut options = options.clone();
        if options.limit == 0 {
            options.limit = MAX_PAGE;
        }
        let mut all = self.list(resource, namespace, &options).await?;
        while !all.meta.continue_token.is_empty() {
            options.continue_token = std::mem::take(&mut all.meta.continue_token);
            options.resource_version = String::new();
            let page = self.list(resource, namespace, &options).await?;
            all.items.extend(page.items);
            all.meta = page.meta;
        }
        Ok(all)
    }

    /// Creates an object in `namespace` (empty for a cluster-wide kind) and returns it as it was stored.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        object: &Tree,
        options: &WriteOptions,
    ) -> Result<Tree, Error> {
        let path = resource.collection_path(namespace) + &self.write_query(options);
        self.call(resource, Method::POST, path, Some(object)).await
    }

    /// Replaces an object whole. With a resourceVersion in it, only if that is still its revision.
    pub async fn update(
        &self,
        resource: &Resource,
        object: &Tree,
        options: &WriteOptions,
    ) -> Result<Tree, Error> {
        self.update_subresource(resource, "", object, options).await
    }

    /// Replaces an object's `status`; everything else in it is ignored by the server.
    pub async fn update_status(&self, resource: &Resource, object: &Tree) -> Result<Tree, Error> {
        self.update_subresource(resource, "status", object, &WriteOptions::default())
            .await
    }

    /// Replaces a subresource of the object that `object` names.
    pub async fn update_subresource(
        &self,
        resource: &Resource,
        subresource: &str,
        object: &Tree,
        options: &WriteOptions,
    ) -> Result<Tree, Error> {
        let path =
            object_path(resource, &codec::key_of(object), subresource) + &self.write_query(options);
        self.call(resource, Method::PUT, path, Some(object)).await
    }

    /// Changes an object and returns it as it was stored.
    pub async fn patch(
        &self,
        resource: &Resource,
        key: &Key,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Tree, Error> {
        self.patch_subresource(resource, key, "", patch, options)
            .await
    }

    /// Changes an object's `status`.
    pub async fn patch_status(
        &self,
        resource: &Resource,
        key: &Key,
        patch: &Patch,
    ) -> Result<Tree, Error> {
        self.patch_subresource(resource, key, "status", patch, &WriteOptions::default())
            .await
    }

    /// Changes a subresource.
    pub async fn patch_subresource(
        &self,
        resource: &Resource,
        key: &Key,
        subresource: &str,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Tree, Error> {
        let outgoing = Outgoing {
            method: Method::PATCH,
            path: object_path(resource, key, subresource) + &self.write_query(options),
            accept: codec::accept(resource),
            content_type: Some(patch.media_type()),
            body: json_body(patch.body())?,
        };
        let response = self.send(&outgoing).await?;
        Ok(codec::decode(
            resource,
            response.encoding()?,
            response.body,
        )?)
    }

    /// Asks for an object's deletion: it may be gone afterwards, or marked and waiting for its finalizers or its grace.
    pub async fn delete(
        &self,
        resource: &Resource,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<(), Error> {
        let outgoing = Outgoing {
            method: Method::DELETE,
            path: object_path(resource, key, ""),
            accept: codec::ACCEPT_PROTOBUF,
            content_type: Some(codec::JSON),
            body: json_body(&options.body())?,
        };
        self.send(&outgoing).await.map(drop)
    }

    /// Asks for the deletion of everything in a collection that the selectors match.
    pub async fn delete_collection(
        &self,
        resource: &Resource,
        namespace: &str,
        options: &DeleteOptions,
        which: &ListOptions,
    ) -> Result<(), Error> {
        let outgoing = Outgoing {
            method: Method::DELETE,
            path: resource.collection_path(namespace) + &which.query(),
            accept: codec::accept_list(resource),
            content_type: Some(codec::JSON),
            body: json_body(&options.body())?,
        };
        self.send(&outgoing).await.map(drop)
    }

    /// Posts an object of a kind of its own to a subresource (`binding`, `eviction`, `token`) and returns the raw answer.
    pub async fn create_subresource(
        &self,
        resource: &Resource,
        key: &Key,
        subresource: &str,
        object: &Tree,
    ) -> Result<RawResponse, Error> {
        let path =
            object_path(resource, key, subresource) + &self.write_query(&WriteOptions::default());
        self.write(Method::POST, path, codec::ACCEPT_PROTOBUF, object)
            .await
    }

    async fn call(
        &self,
        resource: &Resource,
        method: Method,
        path: String,
        body: Option<&Tree>,
    ) -> Result<Tree, Error> {
        let accept = codec::accept(resource);
        let response = match body {
            Some(object) => self.write(method, path, accept, object).await?,
            None => {
                self.send(&Outgoing {
                    method,
                    path,
                    accept,
                    content_type: None,
                    body: Bytes::new(),
                })
                .await?
            }
        };
        Ok(codec::decode(
            resource,
            response.encoding()?,
            response.body,
        )?)
    }

    /// Sends an object as protobuf, or as JSON from the first time on that the server refuses protobuf.
    async fn write(
        &self,
        method: Method,
        path: String,
        accept: &'static str,
        object: &Tree,
    ) -> Result<RawResponse, Error> {
        use std::sync::atomic::Ordering::Relaxed;
        let make = |encoding: Encoding| -> Result<Outgoing, Error> {
            let body = codec::encode(object, encoding)?;
            let content_type = Some(encoding.media_type());
            Ok(Outgoing {
                method: method.clone(),
                path: path.clone(),
                accept,
                content_type,
                body,
            })
        };
        if !self.shared.json_bodies.load(Relaxed) {
            match self.send(&make(Encoding::Protobuf)?).await {
                Err(error) if error.code() == 415 => {
                    tracing::info!("the server takes no protobuf; sending JSON from now on");
                    self.shared.json_bodies.store(true, Relaxed);
                }
                done => return done,
            }
        }
        self.send(&make(Encoding::Json)?).await
    }

    fn write_query(&self, options: &WriteOptions) -> String {
        let manager = if options.field_manager.is_empty() {
            &self.field_manager
        } else {
            options.field_manager.as_str()
        };
        Query::default()
            .set("fieldManager", manager)
            .set("dryRun", if options.dry_run { "All" } else { "" })
            .flag("force", options.force)
            .into_string()
    }
}

/// The path of one object, or of a subresource of it.
fn object_path(resource: &Resource, key: &Key, subresource: &str) -> String {
    let mut path = resource.collection_path(key.namespace());
    path.push('/');
    // Names of some kinds (RBAC) hold colons, which are fine in a path; escaping them would do no harm either.
    super::options::escape(key.name(), &mut path);
    if !subresource.is_empty() {
        path.push('/');
        path.push_str(subresource);
    }
    path
}

fn json_body(value: &Value) -> Result<Bytes, Error> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|e| Error::Request(e.to_string()))
}
