//! Where a volume's data is: exactly one source, and what each kind of source must say.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#types-of-persistent-volumes>

use super::super::check::{each, required};
use super::super::{format, pod};
use super::all_required;
use super::cloud::{azure_disk, azure_file, cinder, disk};
use super::network::{fc, glusterfs, iscsi, quobyte};
use crate::core::v1::{
    CSIPersistentVolumeSource, CephFSPersistentVolumeSource, FlexPersistentVolumeSource,
    FlockerVolumeSource, LocalVolumeSource, PersistentVolumeSpec, RBDPersistentVolumeSource,
    ScaleIOPersistentVolumeSource, SecretReference, StorageOSPersistentVolumeSource,
};
use crate::field::{Error, ErrorList, Path};

/// The sources of a volume as they are looked at, one after the other.
struct Sources<'e, 'p> {
    errors: &'e mut ErrorList,
    path: &'p Path<'p>,
    found: bool,
}

impl Sources<'_, '_> {
    /// A source, if it is there; it must be the first. `field`: what upstream calls it where it is one too many.
    fn one<T>(
        &mut self,
        field: &str,
        source: Option<T>,
        check: impl FnOnce(&mut ErrorList, &Path<'_>, T),
    ) {
        let Some(source) = source else { return };
        if self.found {
            let why = "may not specify more than 1 volume type";
            self.errors
                .push(Error::forbidden(&self.path.child(field), why));
            return;
        }
        self.found = true;
        // And what it calls it where something is wrong in it.
        let place = match field {
            "gcePersistentDisk" => "persistentDisk",
            "cephFS" => "cephfs",
            field => field,
        };
        check(self.errors, &self.path.child(place), source);
    }
}

/// The sources, in the order in which upstream looks at them. `has_nodes`: the volume says which nodes reach it.
pub(super) fn check(
    errors: &mut ErrorList,
    path: &Path<'_>,
    spec: PersistentVolumeSpec<'_>,
    volume: &str,
    has_nodes: bool,
) {
    let mut sources = Sources {
        errors,
        path,
        found: false,
    };
    sources.one("hostPath", spec.host_path(), pod::host_path);
    sources.one(
        "gcePersistentDisk",
        spec.gce_persistent_disk(),
        |errors, path, source| {
            disk(
                errors,
                path,
                ("pdName", source.pd_name()),
                source.partition(),
            );
        },
    );
    sources.one(
        "awsElasticBlockStore",
        spec.aws_elastic_block_store(),
        |errors, path, source| {
            let id = ("volumeID", source.volume_id());
            disk(errors, path, id, source.partition());
        },
    );
    sources.one("glusterfs", spec.glusterfs(), glusterfs);
    sources.one("flocker", spec.flocker(), flocker);
    sources.one("nfs", spec.nfs(), pod::nfs);
    sources.one("rbd", spec.rbd(), rbd);
    sources.one("quobyte", spec.quobyte(), quobyte);
    sources.one("cephFS", spec.cephfs(), cephfs);
    sources.one("iscsi", spec.iscsi(), |errors, path, source| {
        iscsi(errors, path, source, volume);
    });
    sources.one("cinder", spec.cinder(), cinder);
    sources.one("fc", spec.fc(), fc);
    if let Some(source) = spec.flex_volume() {
        // Of this one alone upstream does not say that it is one too many.
        sources.found = true;
        flex(sources.errors, &path.child("flexVolume"), source);
    }
    sources.one("azureFile", spec.azure_file(), azure_file);
    sources.one(
        "vsphereVolume",
        spec.vsphere_volume(),
        |errors, path, source| {
            required(errors, &path.child("volumePath"), source.volume_path());
        },
    );
    sources.one(
        "photonPersistentDisk",
        spec.photon_persistent_disk(),
        |errors, path, source| {
            required(errors, &path.child("pdID"), source.pd_id());
        },
    );
    sources.one(
        "portworxVolume",
        spec.portworx_volume(),
        |errors, path, source| {
            required(errors, &path.child("volumeID"), source.volume_id());
        },
    );
    sources.one("azureDisk", spec.azure_disk(), azure_disk);
    sources.one("scaleIO", spec.scale_io(), scale_io);
    sources.one("local", spec.local(), |errors, place, source| {
        local(errors, place, source);
        if !has_nodes {
            let why = "Local volume requires node affinity";
            errors.push(Error::required(&path.child("nodeAffinity"), why));
        }
    });
    sources.one("storageos", spec.storageos(), storage_os);
    sources.one("csi", spec.csi(), csi);
    if !sources.found {
        let why = "must specify a volume type";
        errors.push(Error::required(path, why));
    }
}

fn flocker(errors: &mut ErrorList, path: &Path<'_>, source: FlockerVolumeSource<'_>) {
    let (name, uuid) = (source.dataset_name(), source.dataset_uuid());
    if name.is_empty() && uuid.is_empty() {
        let why = "one of datasetName and datasetUUID is required";
        errors.push(Error::required(path, why));
    }
    if !name.is_empty() && !uuid.is_empty() {
        let why = "datasetName and datasetUUID can not be specified simultaneously";
        errors.push(Error::invalid(path, "resource", why));
    }
    if name.contains('/') {
        let place = path.child("datasetName");
        errors.push(Error::invalid(&place, name, "must not contain '/'"));
    }
}

fn rbd(errors: &mut ErrorList, path: &Path<'_>, source: RBDPersistentVolumeSource<'_>) {
    if source.monitors().is_empty() {
        errors.push(Error::required(&path.child("monitors"), ""));
    }
    required(errors, &path.child("image"), source.image());
}

fn cephfs(errors: &mut ErrorList, path: &Path<'_>, source: CephFSPersistentVolumeSource<'_>) {
    if source.monitors().is_empty() {
        errors.push(Error::required(&path.child("monitors"), ""));
    }
}

fn flex(errors: &mut ErrorList, path: &Path<'_>, source: FlexPersistentVolumeSource<'_>) {
    required(errors, &path.child("driver"), source.driver());
    let options = path.child("options");
    for key in source.options().keys() {
        let domain = key.split('/').next().unwrap_or_default();
        let domain = format!(".{}", format::lowercase(domain));
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            let why = "kubernetes.io and k8s.io namespaces are reserved";
            errors.push(Error::invalid(&options.key(key), key, why));
        }
    }
}

fn scale_io(errors: &mut ErrorList, path: &Path<'_>, source: ScaleIOPersistentVolumeSource<'_>) {
    let fields = [
        ("gateway", source.gateway()),
        ("system", source.system()),
        ("volumeName", source.volume_name()),
    ];
    all_required(errors, path, &fields);
}

fn local(errors: &mut ErrorList, path: &Path<'_>, source: LocalVolumeSource<'_>) {
    let place = path.child("path");
    if required(errors, &place, source.path()) {
        pod::no_backsteps(errors, &place, source.path());
    }
}

fn storage_os(
    errors: &mut ErrorList,
    path: &Path<'_>,
    source: StorageOSPersistentVolumeSource<'_>,
) {
    let (place, name) = (path.child("volumeName"), source.volume_name());
    if required(errors, &place, name) {
        each(errors, &place, name, format::dns_label(name));
    }
    let namespace = source.volume_namespace();
    if !namespace.is_empty() {
        let place = path.child("volumeNamespace");
        each(errors, &place, namespace, format::dns_label(namespace));
    }
    if let Some(secret) = source.secret_ref() {
        let fields = [("name", secret.name()), ("namespace", secret.namespace())];
        all_required(errors, &path.child("secretRef"), &fields);
    }
}

fn csi(errors: &mut ErrorList, path: &Path<'_>, source: CSIPersistentVolumeSource<'_>) {
    pod::driver_name(errors, &path.child("driver"), source.driver());
    required(errors, &path.child("volumeHandle"), source.volume_handle());
    // The secret of staging is not looked at upstream either.
    for (field, secret) in [
        (
            "controllerPublishSecretRef",
            source.controller_publish_secret_ref(),
        ),
        (
            "controllerExpandSecretRef",
            source.controller_expand_secret_ref(),
        ),
        ("nodePublishSecretRef", source.node_publish_secret_ref()),
        ("nodeExpandSecretRef", source.node_expand_secret_ref()),
    ] {
        if let Some(secret) = secret {
            secret_ref(errors, &path.child(field), secret);
        }
    }
}

fn secret_ref(errors: &mut ErrorList, path: &Path<'_>, secret: SecretReference<'_>) {
    let (place, name) = (path.child("name"), secret.name());
    if required(errors, &place, name) {
        each(errors, &place, name, format::dns_subdomain(name));
    }
    let (place, namespace) = (path.child("namespace"), secret.namespace());
    if required(errors, &place, namespace) {
        each(errors, &place, namespace, format::dns_label(namespace));
    }
}
