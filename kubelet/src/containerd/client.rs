use std::path::{Path, PathBuf};
use std::time::Duration;

use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::diff_client::DiffClient;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::introspection_client::IntrospectionClient;
use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::services::v1::tasks_client::TasksClient;
use containerd_client::services::v1::version_client::VersionClient;
use containerd_client::services::v1::{CreateNamespaceRequest, Namespace};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::Error;

/// Lists of containers carry their specs.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// A daemon that hangs must not hold up whoever asks it. Upstream's kubelet waits as long for its runtime.
const DEADLINE: Duration = Duration::from_secs(120);
/// Its version needs nothing but a daemon that is alive.
const VERSION_DEADLINE: Duration = Duration::from_secs(5);

/// A connection to containerd in one of its namespaces. Cheap to clone; reconnects by itself.
#[derive(Clone, Debug)]
pub struct Containerd {
    channel: Channel,
    headers: Headers,
    snapshotter: String,
    socket: PathBuf,
}

/// Keeps what is made through it from containerd's garbage collector, until it is deleted.
#[derive(Clone, Debug)]
pub struct Lease {
    pub(super) id: String,
}

/// Puts the namespace, a lease if there is one, and how long the answer is waited for into each request.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    namespace: MetadataValue<Ascii>,
    lease: Option<MetadataValue<Ascii>>,
    deadline: Option<Duration>,
}

impl tonic::service::Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("containerd-namespace", self.namespace.clone());
        if let Some(lease) = &self.lease {
            request
                .metadata_mut()
                .insert("containerd-lease", lease.clone());
        }
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        Ok(request)
    }
}

/// A channel that adds the headers.
pub(super) type Service = InterceptedService<Channel, Headers>;

macro_rules! services {
    ($($name:ident: $client:ident),* $(,)?) => {
        $(pub(super) fn $name(&self) -> $client<Service> {
            $client::with_interceptor(self.channel.clone(), self.headers.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
        })*
    };
}

impl Containerd {
    /// Connects to the socket at `path` and makes the namespace if it is missing.
    ///
    /// # Errors
    /// When nothing answers there.
    pub async fn connect(path: &Path, namespace: &str, snapshotter: &str) -> Result<Self, Error> {
        let unreachable = |error: &dyn std::fmt::Display| {
            Error::Unreachable(format!("{}: {error}", path.display()))
        };
        let socket: PathBuf = path.to_path_buf();
        let channel = Endpoint::from_static("http://containerd").connect_with_connector_lazy(
            tower::service_fn(move |_| {
                let socket = socket.clone();
                async move {
                    tokio::net::UnixStream::connect(socket)
                        .await
                        .map(hyper_util::rt::TokioIo::new)
                }
            }),
        );
        let header = namespace
            .parse()
            .map_err(|_| Error::Protocol(format!("{namespace:?} is no name of a namespace")))?;
        let headers = Headers {
            namespace: header,
            lease: None,
            deadline: Some(DEADLINE),
        };
        let containerd = Self {
            channel,
            headers,
            snapshotter: snapshotter.to_owned(),
            socket: path.to_path_buf(),
        };
        containerd
            .version()
            .await
            .map_err(|error| unreachable(&error))?;
        let request = CreateNamespaceRequest {
            namespace: Some(Namespace {
                name: namespace.to_owned(),
                labels: Default::default(),
            }),
        };
        match containerd
            .namespaces()
            .create(request)
            .await
            .map_err(Error::call("create the namespace"))
        {
            Err(error) if !error.is_already_exists() => return Err(error),
            _ => {}
        }
        Ok(containerd)
    }

    /// containerd's version, such as `1.6.20`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<String, Error> {
        let answer = self
            .within(Some(VERSION_DEADLINE))
            .versions()
            .version(())
            .await
            .map_err(Error::call("ask for the version"))?;
        let version = answer.into_inner().version;
        Ok(version
            .split(['~', '+'])
            .next()
            .unwrap_or_default()
            .trim_start_matches('v')
            .to_owned())
    }

    /// The id of the lease that what is made through it belongs to.
    pub(super) fn lease(&self) -> Option<&str> {
        self.headers.lease.as_ref()?.to_str().ok()
    }

    /// The same connection; what is made through it belongs to `lease`.
    #[must_use]
    pub fn leased(&self, lease: &Lease) -> Self {
        let mut leased = self.clone();
        leased.headers.lease = lease.id.parse().ok();
        leased
    }

    /// The same connection, for what takes as long as it takes: a container's life, a pull.
    pub(super) fn patient(&self) -> Self {
        self.within(None)
    }

    fn within(&self, deadline: Option<Duration>) -> Self {
        let mut within = self.clone();
        within.headers.deadline = deadline;
        within
    }

    /// Its own socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its namespace.
    pub(super) fn namespace(&self) -> &str {
        self.headers.namespace.to_str().unwrap_or_default()
    }

    /// The snapshotter in use.
    pub fn snapshotter(&self) -> &str {
        &self.snapshotter
    }

    /// Deletes the namespace, which must be empty; fine if there is none.
    ///
    /// # Errors
    /// When something is left in it.
    pub async fn delete_namespace(&self) -> Result<(), Error> {
        let name = self.namespace().to_owned();
        let request = containerd_client::services::v1::DeleteNamespaceRequest { name };
        let deleted = self
            .namespaces()
            .delete(request)
            .await
            .map_err(Error::call("delete the namespace"));
        super::error::gone(deleted.map(|_| ()))
    }

    services! {
        containers_service: ContainersClient,
        content_service: ContentClient,
        diff_service: DiffClient,
        events_service: EventsClient,
        images_service: ImagesClient,
        introspection_service: IntrospectionClient,
        leases_service: LeasesClient,
        namespaces: NamespacesClient,
        snapshots_service: SnapshotsClient,
        tasks_service: TasksClient,
        versions: VersionClient,
    }
}

#[cfg(test)]
mod tests {
    use tonic::service::Interceptor;

    use super::*;

    #[tokio::test]
    async fn every_request_has_a_deadline_but_those_of_the_patient() {
        let containerd = Containerd {
            channel: Endpoint::from_static("http://containerd").connect_lazy(),
            headers: Headers {
                namespace: "n".parse().unwrap(),
                lease: None,
                deadline: Some(DEADLINE),
            },
            snapshotter: String::new(),
            socket: PathBuf::new(),
        };
        let deadline = |containerd: &Containerd| {
            let mut headers = containerd.headers.clone();
            let request = headers.call(Request::new(())).unwrap();
            request.metadata().get("grpc-timeout").cloned()
        };
        assert!(deadline(&containerd).is_some());
        assert_eq!(deadline(&containerd.patient()), None);
        let soon = deadline(&containerd.within(Some(VERSION_DEADLINE)));
        assert!(soon.is_some() && soon != deadline(&containerd));
    }
}
