//! ComponentStatuses: how the scheduler, the controller manager and the store fare at the moment of asking. Deprecated since v1.19,
//! and served for those who still ask.
//!
//! As upstream's: nothing is stored; the two components are asked at their default ports on this machine, whatever certificate they
//! show; the store goes by the name `etcd-0`, whichever it is.

use std::time::Duration;

use api::Tree;
use api::core::v1::{ComponentStatusList, ComponentStatusMut};
use async_trait::async_trait;
use axum::body::Body;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use store::Revision;

use crate::codec::accept::{Accepted, Target, accepted};
use crate::codec::object::{encode_tree, set_kind, set_kind_named};
use crate::codec::rendering::Media;
use crate::kubelets::{Https, HttpsError, Verify};
use crate::registry::respond::body;
use crate::registry::selection::Selection;
use crate::registry::subresource::Hook;
use crate::registry::{Api, Call, meta};
use crate::request::{ListOptions, Verb};
use crate::status::{Qualified, Reason, Status};
use crate::view::{Object, Projection};

/// How long a component may take to answer: upstream's figure.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of its answer is shown, in bytes: upstream's figure.
const ANSWER_MAX: usize = 10 << 10;
const HOST: &str = "127.0.0.1";
const STORE: &str = "etcd-0";
/// The components and their default ports.
const COMPONENTS: [(&str, u16); 2] = [("controller-manager", 10257), ("scheduler", 10259)];

/// Answers for `componentstatuses`.
pub struct Components {
    https: Https,
}

/// What a component said.
struct Condition {
    healthy: bool,
    message: String,
    error: String,
}

impl Components {
    /// Asks over `https`.
    pub fn new(https: Https) -> Components {
        Components { https }
    }

    async fn ask(&self, api: &Api, name: &str) -> Option<Condition> {
        if name == STORE {
            return Some(store(api).await);
        }
        let (_, port) = COMPONENTS.iter().find(|(known, _)| *known == name)?;
        Some(self.healthz(*port).await)
    }

    async fn healthz(&self, port: u16) -> Condition {
        let failed = |why: String| Condition {
            healthy: false,
            message: format!("Get \"https://{HOST}:{port}/healthz\": {why}"),
            error: String::new(),
        };
        let asked = async {
            let response = self
                .https
                .get(HOST, port, "/healthz", Verify::Nothing)
                .await?;
            let (head, body) = response.into_parts();
            let answer = Limited::new(body, ANSWER_MAX).collect().await;
            let text =
                answer.map(|answer| String::from_utf8_lossy(&answer.to_bytes()).into_owned());
            Ok::<_, HttpsError>((head.status, text.unwrap_or_default()))
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Err(_) => failed(
                "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                    .to_owned(),
            ),
            Ok(Err(HttpsError::Connect(error)))
                if error.kind() == std::io::ErrorKind::ConnectionRefused =>
            {
                failed(format!(
                    "dial tcp {HOST}:{port}: connect: connection refused"
                ))
            }
            Ok(Err(error)) => failed(error.to_string()),
            Ok(Ok((status, text))) if status.is_success() || status.is_redirection() => Condition {
                healthy: true,
                message: text,
                error: String::new(),
            },
            Ok(Ok((status, _))) => Condition {
                healthy: false,
                message: format!("HTTP probe failed with statuscode: {}", status.as_u16()),
                error: String::new(),
            },
        }
    }

    async fn status(&self, api: &Api, call: &Call<'_>, name: &str) -> Option<Tree> {
        let condition = self.ask(api, name).await?;
        let codec = &call.kind.codec;
        let mut tree = Tree::with_schema(codec.schema.clone(), codec.type_id);
        set_kind(&mut tree, codec);
        meta::of_mut(&mut tree).set("name", name);
        let mut status = ComponentStatusMut::of(&mut tree);
        let mut healthy = status.push_conditions();
        healthy.set_type("Healthy");
        healthy.set_status(if condition.healthy { "True" } else { "False" });
        healthy.set_message(&condition.message);
        healthy.set_error(&condition.error);
        Some(tree)
    }

    async fn list(
        &self,
        api: &Api,
        call: &Call<'_>,
        accepted: Accepted,
    ) -> Result<Response<Body>, Status> {
        let options = ListOptions::parse(&call.cx.query, false)?;
        let selection = Selection::parse(
            call.kind,
            &options.label_selector,
            &options.field_selector,
            "",
        )?;
        let names = COMPONENTS.iter().map(|(name, _)| *name).chain([STORE]);
        let selected = names.filter(|name| selection.matches(&bare(name)));
        let asked = selected.map(|name| self.status(api, call, name));
        let items: Vec<Tree> = futures::future::join_all(asked)
            .await
            .into_iter()
            .flatten()
            .collect();
        let content = match accepted.convert.map(|convert| convert.target) {
            None => {
                let mut list = Tree::new(ComponentStatusList::TYPE);
                set_kind_named(&mut list, "v1", "ComponentStatusList");
                meta::ensure(&mut list.root_mut(), "items", |list| {
                    for mut item in items {
                        // In a list of their own kind they do not say it.
                        meta::remove(&mut item.root_mut(), "kind");
                        meta::remove(&mut item.root_mut(), "apiVersion");
                        list.push_copy(item.root());
                    }
                });
                encode_tree(&list, accepted.media)
            }
            Some(Target::Table) => table(api, call, accepted, &items)?.into(),
            Some(_) => {
                let why = "ComponentStatuses are served whole or as a Table";
                return Err(Status::new(406, Reason::NotAcceptable, why, None));
            }
        };
        Ok(body(
            StatusCode::OK,
            accepted.media.as_str(),
            Body::from(content),
        ))
    }
}

/// What selectors look at: the name alone.
fn bare(name: &str) -> Object {
    let value = bytes::Bytes::new();
    Object::new(
        name.into(),
        Revision(0),
        Revision(0),
        value,
        Projection::default(),
    )
}

/// The store answers what its head is.
async fn store(api: &Api) -> Condition {
    let error = match tokio::time::timeout(PATIENCE, api.view.fresh()).await {
        Ok(Ok(_)) => String::new(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "context deadline exceeded".to_owned(),
    };
    Condition {
        healthy: error.is_empty(),
        message: if error.is_empty() { "ok" } else { "" }.to_owned(),
        error,
    }
}

fn table(
    api: &Api,
    call: &Call<'_>,
    accepted: Accepted,
    items: &[Tree],
) -> Result<Vec<u8>, Status> {
    let Some(table) = api.table(call.cx, call.kind, accepted)? else {
        return Err(Status::internal("no table was asked for"));
    };
    let mut out = table.open("{}");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        table.loose_row(item, &mut out);
    }
    out.extend_from_slice(b"]}\n");
    Ok(match accepted.media {
        Media::Yaml => crate::codec::yaml::from_json(&out),
        _ => out,
    })
}

#[async_trait]
impl Hook for Components {
    async fn serve(&self, api: &Api, call: &Call<'_>, _: Body) -> Result<Response<Body>, Status> {
        let accepted = accepted(call.headers, call.raw_query)?;
        if call.cx.info.verb == Verb::List {
            return self.list(api, call, accepted).await;
        }
        match self.status(api, call, call.name()).await {
            Some(status) => api.respond_tree(call.cx, call.kind, accepted, StatusCode::OK, &status),
            None => Err(Status::not_found(
                Qualified::new("", "componentstatus"),
                call.name(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{CertificateParams, KeyPair};
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server with a certificate of nobody's, which gives one answer; its port.
    async fn component(answer: &'static str) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["nobody".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind((HOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(Arc::new(config))
                .accept(stream)
                .await
                .unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /healthz HTTP/1.1"));
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        port
    }

    #[tokio::test]
    async fn a_component_is_what_its_healthz_says_whatever_certificate_it_shows() {
        let components = Components::new(Https::anonymous().unwrap());
        let port = component("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let found = components.healthz(port).await;
        assert_eq!((found.healthy, found.message.as_str()), (true, "ok"));
        let port = component("HTTP/1.1 500 no\r\ncontent-length: 2\r\n\r\nno").await;
        let found = components.healthz(port).await;
        assert_eq!(
            (found.healthy, found.message.as_str()),
            (false, "HTTP probe failed with statuscode: 500")
        );
    }

    #[tokio::test]
    async fn a_component_that_is_not_there_is_unhealthy() {
        let listener = TcpListener::bind((HOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let components = Components::new(Https::anonymous().unwrap());
        let found = components.healthz(port).await;
        assert!(!found.healthy);
        assert_eq!(
            found.message,
            format!(
                "Get \"https://127.0.0.1:{port}/healthz\": dial tcp 127.0.0.1:{port}: connect: connection refused"
            )
        );
    }
}
