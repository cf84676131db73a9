//! What is not built: refused by name, not as if it had never been heard of.

use async_trait::async_trait;
use axum::body::Body;
use http::Response;

use crate::registry::subresource::Hook;
use crate::registry::{Api, Call};
use crate::status::{Reason, Status};

pub(super) struct Unserved;

#[async_trait]
impl Hook for Unserved {
    async fn serve(&self, _: &Api, call: &Call<'_>, _: Body) -> Result<Response<Body>, Status> {
        let resource = match call.subresource() {
            "" => call.kind.resource.name.clone(),
            subresource => format!("{}/{subresource}", call.kind.resource.name),
        };
        let message =
            format!("{resource} is not supported by this server: see docs/limitations.md");
        Err(Status::new(405, Reason::MethodNotAllowed, message, None))
    }
}
