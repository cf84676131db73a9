//! How addresses and node ports are taken and given back: operations that hold only if nobody else was faster.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use api::Tree;
use api::codec::protobuf;
use api::field::ErrorList;
use api::meta::v1::PartialObjectMetadataMut;
use api::networking::v1::{IPAddress, IPAddressMut};
use bytes::Bytes;
use store::{Expect, Op};

use super::spec::Family;
use crate::codec::object::{decode, decode_as, encode, set_kind, wrap};
use crate::registry::commit::store_key;
use crate::registry::managed::{Writer, track};
use crate::registry::{Api, Kind, meta};
use crate::status::{Qualified, Status};
use crate::view::project::Stored;
use crate::view::{self, Object};

/// The keys of node ports stand beside where upstream keeps its bitmap of them (`ranges/servicenodeports`): one a port, so that
/// Services made at the same time do not wait for each other.
pub(super) const PORTS: &str = "ranges/servicenodeports/";

/// Says who made an IPAddress.
pub(super) const MANAGED_BY: (&str, &str) =
    ("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io");
const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";

/// What the view must know of the keys of node ports.
pub fn resource() -> view::Resource {
    view::Resource {
        prefix: PORTS.into(),
        projector: Arc::<Stored>::default(),
        indexed: Arc::new([]),
    }
}

/// What one write of a Service takes and gives back.
pub(super) struct Plan<'a> {
    pub(super) api: &'a Api,
    addresses: Option<Arc<Kind>>,
    namespace: String,
    pub(super) name: String,
    uid: String,
    /// By key: an append names each once.
    ops: BTreeMap<Bytes, Op>,
}

impl<'a> Plan<'a> {
    /// Nothing yet, for `service`, which has name and UID.
    pub(super) fn new(api: &'a Api, service: &Tree) -> Plan<'a> {
        let meta = meta::of(service);
        Plan {
            api,
            addresses: api
                .kinds()
                .get("networking.k8s.io", "v1", "ipaddresses")
                .cloned(),
            namespace: meta.namespace().to_owned(),
            name: meta.name().to_owned(),
            uid: meta.uid().to_owned(),
            ops: BTreeMap::new(),
        }
    }

    /// The refusal of the Service.
    pub(super) fn invalid(&self, errors: &ErrorList) -> Status {
        Status::invalid(Qualified::new("", "Service"), &self.name, errors)
    }

    pub(super) fn into_ops(self) -> Vec<Op> {
        self.ops.into_values().collect()
    }

    fn taken(&self, key: &Bytes, stored: Option<&Arc<Object>>) -> bool {
        match self.ops.get(key) {
            Some(Op::Put { .. }) => true,
            Some(_) => false,
            None => stored.is_some(),
        }
    }

    /// Takes `key`, which is free: as it stands in the view.
    fn take(&mut self, key: Bytes, value: Bytes, stored: Option<&Arc<Object>>) {
        // Given back and taken again by the same write.
        let expect = stored.map_or(Expect::Absent, |object| Expect::At(object.revision()));
        self.ops.insert(
            key.clone(),
            Op::Put {
                key,
                value,
                expect,
                ttl: None,
            },
        );
    }

    fn release(&mut self, key: Bytes, stored: Option<&Arc<Object>>) {
        match stored {
            Some(object) => {
                let expect = Expect::At(object.revision());
                self.ops.insert(key.clone(), Op::Delete { key, expect });
            }
            None => drop(self.ops.remove(&key)),
        }
    }

    /// Whether somebody has the address.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        let Some(kind) = &self.addresses else {
            return true;
        };
        let name = address.to_string();
        self.taken(
            &store_key(kind, &name),
            self.api.current(kind, &name).as_ref(),
        )
    }

    /// Takes an address that is free.
    pub(super) fn take_address(&mut self, address: IpAddr) -> Result<(), Status> {
        let Some(kind) = self.addresses.clone() else {
            return Err(Status::internal("IPAddresses are not served"));
        };
        let name = address.to_string();
        let value = encode(&kind.codec, &self.address(&kind, address))?;
        let stored = self.api.current(&kind, &name);
        self.take(store_key(&kind, &name), value, stored.as_ref());
        Ok(())
    }

    /// The object that says that the Service has the address.
    fn address(&self, kind: &Kind, address: IpAddr) -> Tree {
        let now = self.api.env.now();
        let mut tree = Tree::new(IPAddress::TYPE);
        set_kind(&mut tree, &kind.codec);
        let mut view = IPAddressMut::of(&mut tree);
        let mut metadata = view.metadata_mut();
        metadata.set_name(&address.to_string());
        let mut labels = metadata.labels_mut();
        labels.insert(FAMILY, Family::of(address).as_str());
        labels.insert(MANAGED_BY.0, MANAGED_BY.1);
        let mut spec = view.spec_mut();
        let mut parent = spec.parent_ref_mut();
        parent.set_resource("services");
        parent.set_namespace(&self.namespace);
        parent.set_name(&self.name);
        track(
            kind,
            None,
            &mut tree,
            Writer {
                manager: "kube-apiserver",
                subresource: "",
                now,
            },
        );
        meta::fill_system_fields(&mut tree, &self.api.env.uuid(), now);
        tree
    }

    /// Gives an address back, if it is this Service's.
    pub(super) fn release_address(&mut self, address: IpAddr) {
        let Some(kind) = self.addresses.clone() else {
            return;
        };
        let name = address.to_string();
        let stored = self.api.current(&kind, &name);
        let own = |object: &Arc<Object>| {
            let Ok(tree) = decode(&kind.codec, object) else {
                return false;
            };
            let parent = IPAddress::of(&tree).spec().parent_ref();
            parent.is_some_and(|p| {
                (p.resource(), p.namespace(), p.name())
                    == ("services", &*self.namespace, &*self.name)
            })
        };
        if stored.as_ref().is_none_or(own) {
            self.release(store_key(&kind, &name), stored.as_ref());
        }
    }

    fn port(&self, port: i32) -> Option<Arc<Object>> {
        self.api.view.collection(PORTS)?.get(&port.to_string())
    }

    /// Whether somebody has the node port.
    pub(super) fn has_port(&self, port: i32) -> bool {
        self.taken(&port_key(port), self.port(port).as_ref())
    }

    /// Takes a node port that is free.
    pub(super) fn take_port(&mut self, port: i32) {
        let mut tree = Tree::new(api::meta::v1::PartialObjectMetadata::TYPE);
        let mut view = PartialObjectMetadataMut::of(&mut tree);
        let mut metadata = view.metadata_mut();
        metadata.set_name(&port.to_string());
        metadata.set_namespace(&self.namespace);
        let mut owner = metadata.push_owner_references();
        owner.set_api_version("v1");
        owner.set_kind("Service");
        owner.set_name(&self.name);
        owner.set_uid(&self.uid);
        let mut raw = Vec::new();
        protobuf::encode(&tree, &mut raw);
        let value = wrap("meta.k8s.io/v1", "PartialObjectMetadata", &raw);
        let stored = self.port(port);
        self.take(port_key(port), value, stored.as_ref());
    }

    /// Gives a node port back, if it is this Service's.
    pub(super) fn release_port(&mut self, port: i32) {
        let stored = self.port(port);
        if stored
            .as_ref()
            .is_none_or(|object| port_owner(object).as_deref() == Some(&*self.uid))
        {
            self.release(port_key(port), stored.as_ref());
        }
    }
}

fn port_key(port: i32) -> Bytes {
    Bytes::from(format!("{PORTS}{port}"))
}

/// The UID of the Service that has the node port.
pub(super) fn port_owner(object: &Object) -> Option<String> {
    let tree = decode_as(object.value(), api::meta::v1::PartialObjectMetadata::TYPE)?;
    let owner = meta::of(&tree).get("ownerReferences")?.item(0)?;
    Some(owner.get("uid")?.as_str()?.to_owned())
}
