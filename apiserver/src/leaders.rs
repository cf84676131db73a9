//! Pages of components that run elsewhere: `/debug/scheduling/NAMESPACE/POD`, the scheduler's last decision about a pod.
//!
//! Of several schedulers the one that leads knows, and its Lease says where it is and by which certificate it is known
//! (annotations that Gantry's scheduler sets). This server has judged who asks, and asks there as itself. In the single process
//! the components bring their pages themselves.

use std::sync::Arc;
use std::time::Duration;

use api::coordination::v1::Lease;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::admission::Lookup;
use crate::kubelets::{Kubelets, Verify};
use crate::status::{Status, negotiate, render};
use crate::view::View;

/// The Lease of the leading scheduler, upstream's default.
const SCHEDULER: &str = "kube-system/kube-scheduler";
const URL: &str = "gantry.io/secure-url";
const CERTIFICATE: &str = "gantry.io/secure-certificate";
/// How long a component may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long its answer may be, in bytes: a decision over 5,000 nodes takes about one MiB.
const ANSWER_MAX: usize = 16 << 20;

#[derive(Clone)]
struct Leaders {
    lookup: Lookup,
    kubelets: Kubelets,
}

/// The pages, asked for over the network by the certificate that kubelets are shown.
pub fn routes(view: Arc<View>, kubelets: Kubelets) -> Router {
    Router::new()
        .route("/debug/scheduling/{namespace}/{pod}", get(scheduling))
        .with_state(Leaders {
            lookup: Lookup::new(view),
            kubelets,
        })
}

async fn scheduling(State(leaders): State<Leaders>, uri: Uri, headers: HeaderMap) -> Response {
    match tokio::time::timeout(PATIENCE, leaders.ask(SCHEDULER, uri.path())).await {
        Ok(Ok(response)) => response,
        Ok(Err(why)) => refuse(why, &headers),
        Err(_) => refuse("the scheduler did not answer in time".to_owned(), &headers),
    }
}

fn refuse(why: String, headers: &HeaderMap) -> Response {
    render(&Status::service_unavailable(why), negotiate(headers, "")).into_response()
}

impl Leaders {
    async fn ask(&self, lease: &str, path: &str) -> Result<Response, String> {
        let tree = self.lookup.get("leases/", lease, Lease::TYPE);
        let tree = tree.ok_or_else(|| format!("there is no Lease {lease}: no scheduler leads"))?;
        let view = Lease::of(&tree);
        if view.spec().holder_identity().unwrap_or_default().is_empty() {
            return Err(format!(
                "nobody holds the Lease {lease}: no scheduler leads"
            ));
        }
        let metadata = view.metadata();
        let annotations = metadata.annotations();
        let url = annotations.get(URL).ok_or_else(|| {
            format!(
                "the scheduler that leads does not say in its Lease {lease} where it is reached"
            )
        })?;
        let (host, port) =
            endpoint(url).ok_or_else(|| format!("{URL}: {url}: no HTTPS address"))?;
        let verify = match annotations.get(CERTIFICATE) {
            Some(pem) => Verify::Certificate(
                CertificateDer::from_pem_slice(pem.as_bytes())
                    .map_err(|error| format!("{CERTIFICATE}: {error}"))?,
            ),
            None => Verify::Authority,
        };
        let unreachable = |why: &dyn std::fmt::Display| format!("Get \"{url}{path}\": {why}");
        let https = self.kubelets.https().map_err(|why| unreachable(&why))?;
        let answer = https.get(&host, port, path, verify).await;
        let (head, body) = answer.map_err(|why| unreachable(&why))?.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|why| unreachable(&why))?.to_bytes();
        match head.status {
            StatusCode::OK | StatusCode::NOT_FOUND => {
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = head.status;
                if let Some(kind) = head.headers.get(header::CONTENT_TYPE) {
                    response
                        .headers_mut()
                        .insert(header::CONTENT_TYPE, kind.clone());
                }
                Ok(response)
            }
            code => Err(unreachable(&code)),
        }
    }
}

/// Host and port of `https://host:port`.
fn endpoint(url: &str) -> Option<(String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    (uri.scheme_str() == Some("https")).then_some((host, uri.port_u16()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_https_address_with_a_port() {
        let of = |url| endpoint(url);
        assert_eq!(
            of("https://10.0.0.1:10259"),
            Some(("10.0.0.1".into(), 10259))
        );
        assert_eq!(of("https://[::1]:10259"), Some(("::1".into(), 10259)));
        for bad in ["http://10.0.0.1:1", "https://10.0.0.1", "10.0.0.1:1", ""] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
