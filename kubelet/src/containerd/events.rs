use std::time::Duration;

use containerd_client::events::{TaskExit, TaskOom};
use containerd_client::services::v1::{PublishRequest, SubscribeRequest};
use containerd_client::types::Envelope;
use tonic::Streaming;

use super::tasks::timestamp;
use super::{Containerd, Error, Exit};

/// Shows that a subscription stands.
const PROBE_TOPIC: &str = "/gantry/subscribed";
const PROBE_PERIOD: Duration = Duration::from_millis(5);

/// Something happened to a container of the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A container's own process ended.
    Exited {
        /// The container.
        container: String,
        /// How.
        exit: Exit,
    },
    /// A process of the container was killed for want of memory.
    OutOfMemory {
        /// The container.
        container: String,
    },
}

/// A subscription. Events may be lost when it ends: whoever subscribes again must look at everything.
#[derive(Debug)]
pub struct Events {
    stream: Streaming<Envelope>,
}

impl Containerd {
    /// Subscribes to what happens to tasks of this namespace. Whatever happens after this returns is told.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub async fn events(&self, namespace: &str) -> Result<Events, Error> {
        let filter = |topic: &str| format!("namespace=={namespace},topic==\"{topic}\"");
        let request = SubscribeRequest {
            filters: vec![
                filter("/tasks/exit"),
                filter("/tasks/oom"),
                filter(PROBE_TOPIC),
            ],
        };
        let mut service = self.patient().events_service();
        let mut subscribing = std::pin::pin!(service.subscribe(request));
        // containerd answers with the first event only, so one of our own is made until it arrives.
        loop {
            tokio::select! {
                biased;
                answer = &mut subscribing => {
                    return Ok(Events { stream: answer.map_err(Error::call("subscribe to events"))?.into_inner() });
                }
                () = tokio::time::sleep(PROBE_PERIOD) => {
                    let event = prost_types::Any { type_url: "containerd.events.NamespaceUpdate".into(), value: Vec::new() };
                    let request = PublishRequest { topic: PROBE_TOPIC.into(), event: Some(event) };
                    self.events_service().publish(request).await.map_err(Error::call("publish an event"))?;
                }
            }
        }
    }
}

impl Events {
    /// The next event.
    ///
    /// # Errors
    /// When the subscription has ended.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let message = self
                .stream
                .message()
                .await
                .map_err(Error::call("wait for an event"))?;
            let envelope =
                message.ok_or_else(|| Error::Unreachable("the stream of events ended".into()))?;
            if let Some(event) = decode(&envelope)? {
                return Ok(event);
            }
        }
    }
}

fn decode(envelope: &Envelope) -> Result<Option<Event>, Error> {
    let value = envelope
        .event
        .as_ref()
        .map(|event| event.value.as_slice())
        .unwrap_or_default();
    let malformed =
        |error: prost::DecodeError| Error::Protocol(format!("event {}: {error}", envelope.topic));
    Ok(match envelope.topic.as_str() {
        "/tasks/exit" => {
            let exit = <TaskExit as prost::Message>::decode(value).map_err(malformed)?;
            // An executed process has an id of its own.
            (exit.id == exit.container_id).then(|| Event::Exited {
                exit: Exit {
                    code: exit.exit_status,
                    at: timestamp(exit.exited_at.as_ref()),
                },
                container: exit.container_id,
            })
        }
        "/tasks/oom" => {
            let oom = <TaskOom as prost::Message>::decode(value).map_err(malformed)?;
            Some(Event::OutOfMemory {
                container: oom.container_id,
            })
        }
        _ => None,
    })
}
