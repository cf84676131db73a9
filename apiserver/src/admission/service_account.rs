//! ServiceAccount: every pod runs as a service account, has its pull secrets, and finds a token of it.

use std::time::Duration;

use api::Tree;
use api::core::v1::{Pod, PodMut, ServiceAccount as Account, VolumeMut};
use async_trait::async_trait;

use super::{Attributes, Lookup, Mutate, Operation};
use crate::env::Env;
use crate::pod_references::{self, MIRROR};
use crate::registry::names;
use crate::status::{Qualified, Status};

/// The account of pods that name none.
const DEFAULT: &str = "default";
/// Where containers find the token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the volume's name begins with.
const VOLUME: &str = "kube-api-access-";
/// How long a token is good; it is renewed long before, and its use after an hour is noted.
const TOKEN_SECONDS: i64 = 3607;
/// How often the account of a new namespace is looked for, which a controller makes.
const ATTEMPTS: usize = 10;

/// See the module.
pub struct ServiceAccount {
    lookup: Lookup,
    env: Env,
}

impl ServiceAccount {
    /// A step that reads accounts by `lookup`.
    pub fn new(lookup: Lookup, env: Env) -> ServiceAccount {
        ServiceAccount { lookup, env }
    }

    async fn account(&self, namespace: &str, name: &str) -> Option<Tree> {
        let key = format!("{namespace}/{name}");
        let attempts = if name == DEFAULT { ATTEMPTS } else { 1 };
        for attempt in 0..attempts {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            if let Some(account) = self
                .lookup
                .get_fresh("serviceaccounts/", &key, Account::TYPE)
                .await
            {
                return Some(account);
            }
        }
        None
    }
}

#[async_trait]
impl Mutate for ServiceAccount {
    fn handles(&self, a: &Attributes<'_>) -> bool {
        a.operation == Operation::Create && a.is("", "pods")
    }

    async fn mutate(
        &self,
        a: &Attributes<'_>,
        new: &mut Tree,
        _: Option<&Tree>,
    ) -> Result<(), Status> {
        if Pod::of(new).metadata().annotations().get(MIRROR).is_some() {
            return mirror(a, new);
        }
        let mut pod = PodMut::of(new);
        if pod.spec_mut().default_service_account_name(DEFAULT) {
            pod.spec_mut().set_service_account(DEFAULT);
        }
        let name = Pod::of(new).spec().service_account_name().to_owned();
        let Some(account) = self.account(a.namespace, &name).await else {
            let missing = Status::not_found(Qualified::new("", "serviceaccount"), &name);
            let why = format!(
                "error looking up service account {}/{name}: {}",
                a.namespace,
                missing.message()
            );
            return Err(a.forbidden(Some(new), why));
        };
        let account = Account::of(&account);
        let automount = Pod::of(new).spec().automount_service_account_token();
        if automount
            .or(account.automount_service_account_token())
            .unwrap_or(true)
        {
            mount_token(new, || names::generate(VOLUME, &self.env));
        }
        if Pod::of(new).spec().image_pull_secrets().is_empty()
            && !account.image_pull_secrets().is_empty()
        {
            PodMut::of(new)
                .spec_mut()
                .set_image_pull_secrets(account.image_pull_secrets());
        }
        Ok(())
    }
}

/// A mirror pod may not reach for what its node could not reach.
fn mirror(a: &Attributes<'_>, pod: &Tree) -> Result<(), Status> {
    let spec = Pod::of(pod).spec();
    if !spec.service_account_name().is_empty() {
        return Err(a.forbidden(Some(pod), "a mirror pod may not reference service accounts"));
    }
    let whole = pod.root().get("spec");
    if whole.is_some_and(|spec| !pod_references::secrets(spec).is_empty()) {
        return Err(a.forbidden(Some(pod), "a mirror pod may not reference secrets"));
    }
    let tokens = spec
        .volumes()
        .iter()
        .filter_map(|volume| volume.projected())
        .any(|projected| {
            projected
                .sources()
                .iter()
                .any(|source| source.service_account_token().is_some())
        });
    if tokens {
        return Err(a.forbidden(
            Some(pod),
            "a mirror pod may not use ServiceAccountToken volume projections",
        ));
    }
    Ok(())
}

/// Every container that mounts nothing there gets the token's volume.
fn mount_token(pod: &mut Tree, generate: impl FnOnce() -> String) {
    let spec = Pod::of(pod).spec();
    let present = spec
        .volumes()
        .iter()
        .map(|volume| volume.name())
        .find(|name| name.starts_with(VOLUME))
        .map(str::to_owned);
    let lacks = |c: api::core::v1::Container<'_>| {
        c.volume_mounts()
            .iter()
            .all(|mount| mount.mount_path() != MOUNT_PATH)
    };
    let init: Vec<bool> = spec.init_containers().iter().map(lacks).collect();
    let main: Vec<bool> = spec.containers().iter().map(lacks).collect();
    if !init.iter().chain(&main).any(|lacks| *lacks) {
        return;
    }
    let made = present.is_none();
    let name = present.unwrap_or_else(generate);
    let mut pod = PodMut::of(pod);
    let mut spec = pod.spec_mut();
    for index in (0..init.len()).filter(|index| init[*index]) {
        add_mount(spec.init_containers_mut(index), &name);
    }
    for index in (0..main.len()).filter(|index| main[*index]) {
        add_mount(spec.containers_mut(index), &name);
    }
    if made {
        token_volume(spec.push_volumes(), &name);
    }
}

fn add_mount(mut container: api::core::v1::ContainerMut<'_>, volume: &str) {
    let mut mount = container.push_volume_mounts();
    mount.set_name(volume);
    mount.set_read_only(true);
    mount.set_mount_path(MOUNT_PATH);
}

fn token_volume(mut volume: VolumeMut<'_>, name: &str) {
    volume.set_name(name);
    let mut projected = volume.projected_mut();
    projected.set_default_mode(0o644);
    let mut token = projected.push_sources();
    let mut token = token.service_account_token_mut();
    token.set_path("token");
    token.set_expiration_seconds(TOKEN_SECONDS);
    let mut root = projected.push_sources();
    let mut root = root.config_map_mut();
    root.set_name("kube-root-ca.crt");
    let mut item = root.push_items();
    item.set_key("ca.crt");
    item.set_path("ca.crt");
    let mut downward = projected.push_sources();
    let mut downward = downward.downward_api_mut();
    let mut item = downward.push_items();
    item.set_path("namespace");
    let mut field = item.field_ref_mut();
    field.set_api_version("v1");
    field.set_field_path("metadata.namespace");
}
