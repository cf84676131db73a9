//! What the codecs know of a served kind.

use api::TypeId;
use api::schema::SchemaRef;

/// How a kind's canonical bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Upstream's protobuf, in its envelope: the built-in kinds.
    Protobuf,
    /// Compact JSON: custom resources.
    Json,
}

/// The kinds whose strategies upstream runs after their defaults were set, so that some are stored without:
/// `tests/tests/exchange.rs` compares all kinds.
const DEFAULTED_ON_READ: [&str; 4] = [
    "HorizontalPodAutoscaler",
    "Job",
    "PersistentVolumeClaim",
    "StatefulSet",
];

/// A kind in one version, as it is served.
#[derive(Clone, Debug)]
pub struct KindCodec {
    /// The number that renderings are told apart by: unique among all versions of all kinds, for ever.
    pub id: u32,
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
    /// The schema that types its trees.
    pub schema: SchemaRef,
    /// The message type.
    pub type_id: TypeId,
    /// How it is stored.
    pub storage: Storage,
    /// `apiVersion` of what is stored.
    pub stored_api_version: String,
    /// The message type of what is stored.
    pub stored_type_id: TypeId,
    /// Whether what upstream stores lacks defaults, which it fills in whenever it reads: they are filled in here, too.
    pub defaults_on_read: bool,
    /// What every object begins with in JSON: `{"kind":"Pod","apiVersion":"v1",`.
    head: Vec<u8>,
}

impl KindCodec {
    /// A built-in kind, stored as protobuf of a version of it.
    pub fn builtin(
        id: u32,
        api_version: String,
        kind: String,
        type_id: TypeId,
        stored: (String, TypeId),
    ) -> KindCodec {
        let head = format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",").into_bytes();
        KindCodec {
            defaults_on_read: DEFAULTED_ON_READ.contains(&kind.as_str()),
            id,
            api_version,
            kind,
            schema: api::Schema::builtin().into(),
            type_id,
            storage: Storage::Protobuf,
            stored_api_version: stored.0,
            stored_type_id: stored.1,
            head,
        }
    }

    /// Whether lists of the kind leave `kind` and `apiVersion` of their items out: so it is with built-in kinds.
    pub fn bare_items(&self) -> bool {
        self.storage == Storage::Protobuf
    }

    /// Whether what is stored is of another version or group than what is served.
    pub fn converts(&self) -> bool {
        self.stored_type_id != self.type_id
    }

    /// The part of a rendered JSON object that stands in a list: without kind, apiVersion and the line feed at the end.
    pub fn list_item<'a>(&self, rendered: &'a [u8]) -> (&'static [u8], &'a [u8]) {
        let object = rendered.strip_suffix(b"\n").unwrap_or(rendered);
        match object.strip_prefix(&*self.head) {
            Some(rest) if self.bare_items() => (b"{", rest),
            _ => (b"", object),
        }
    }
}
