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
/// How long a call may take, as upstream's kubelet waits for its runtime. Those that last as long as they last are [`patient`].
///
/// [`patient`]: Containerd::patient
const CALL: Duration = Duration::from_secs(120);
/// How long a daemon that is well may take to say its version.
const ANSWER: Duration = Duration::from_secs(10);

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

/// Puts the namespace, and a lease and a limit of time if there is one, into each request.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    namespace: MetadataValue<Ascii>,
    lease: Option<MetadataValue<Ascii>>,
    limit: Option<Duration>,
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
        // Kept by the channel, however silent the other end is.
        if let Some(limit) = self.limit {
            request.set_timeout(limit);
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
        let containerd = Self::at(path, namespace, snapshotter)?;
        let answer = containerd.version().await;
        answer.map_err(|error| Error::Unreachable(format!("{}: {error}", path.display())))?;
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

    /// Of the socket at `path`, to which the first call connects.
    fn at(path: &Path, namespace: &str, snapshotter: &str) -> Result<Self, Error> {
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
            limit: Some(CALL),
        };
        Ok(Self {
            channel,
            headers,
            snapshotter: snapshotter.to_owned(),
            socket: path.to_path_buf(),
        })
    }

    /// containerd's version, such as `1.6.20`.
    ///
    /// # Errors
    /// When it does not answer within ten seconds.
    pub async fn version(&self) -> Result<String, Error> {
        let answer = self
            .within(Some(ANSWER))
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

    /// The same connection; what is made through it belongs to `lease`.
    #[must_use]
    pub fn leased(&self, lease: &Lease) -> Self {
        let mut leased = self.clone();
        leased.headers.lease = lease.id.parse().ok();
        leased
    }

    /// The same connection, for calls that take as long as what they wait for.
    pub(super) fn patient(&self) -> Self {
        self.within(None)
    }

    fn within(&self, limit: Option<Duration>) -> Self {
        let mut limited = self.clone();
        limited.headers.limit = limit;
        limited
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
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_never_answers_is_waited_for_within_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let _silent = tokio::net::UnixListener::bind(&path).unwrap();
        let began = Instant::now();
        let error = Containerd::connect(&path, "n", "overlayfs").await;
        assert!(error.unwrap_err().is_unavailable());
        assert_eq!(began.elapsed().as_secs(), ANSWER.as_secs());

        let containerd = Containerd::at(&path, "n", "overlayfs").unwrap();
        let began = Instant::now();
        assert!(containerd.tasks().await.unwrap_err().is_unavailable());
        assert_eq!(began.elapsed().as_secs(), CALL.as_secs());
        // A container may run for ever.
        let waiting = containerd.wait_task("c", "");
        assert!(timeout(10 * CALL, waiting).await.is_err());
    }
}
