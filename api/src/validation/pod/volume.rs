//! Volumes.
//!
//! Of the sources that speak to storage directly (iSCSI, RBD, Ceph, cloud disks …), upstream itself refuses or deprecates most;
//! what they hold is looked at only as far as one source a volume goes.

use super::super::check::{
    each, internal, label_name, quoted, required, selector, shown, supported,
};
use super::super::{certificates, claim, format, meta, names};
use super::container::pull_policy;
use super::env;
use crate::core::v1::{
    CSIVolumeSource, ClusterTrustBundleProjection, DownwardAPIVolumeFile, EphemeralVolumeSource,
    HostPathVolumeSource, KeyToPath, NFSVolumeSource, PodCertificateProjection,
    ProjectedVolumeSource, ServiceAccountTokenProjection, Volume,
};
use crate::field::{Error, ErrorList, Path};
use crate::meta::v1::ObjectMeta;
use crate::view::{List, View};

const HOST_PATH_TYPES: &[&str] = &[
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];
/// The keys that a pod can have a certificate for.
const KEY_TYPES: &[&str] = &[
    "RSA3072",
    "RSA4096",
    "ECDSAP256",
    "ECDSAP384",
    "ECDSAP521",
    "ED25519",
];
/// The sources in the order in which upstream looks at them, with its names for them in errors (of which one is misspelt).
const SOURCES: &[(&str, &str)] = &[
    ("emptyDir", "emptyDir"),
    ("hostPath", "hostPath"),
    ("gitRepo", "gitRepo"),
    ("gcePersistentDisk", "gcePersistentDisk"),
    ("awsElasticBlockStore", "awsElasticBlockStore"),
    ("secret", "secret"),
    ("nfs", "nfs"),
    ("iscsi", "iscsi"),
    ("glusterfs", "glusterfs"),
    ("flocker", "flocker"),
    ("persistentVolumeClaim", "persistentVolumeClaim"),
    ("rbd", "rbd"),
    ("cinder", "cinder"),
    ("cephfs", "cephFS"),
    ("quobyte", "quobyte"),
    ("downwardAPI", "downwarAPI"),
    ("fc", "fc"),
    ("flexVolume", "flexVolume"),
    ("configMap", "configMap"),
    ("azureFile", "azureFile"),
    ("vsphereVolume", "vsphereVolume"),
    ("photonPersistentDisk", "photonPersistentDisk"),
    ("portworxVolume", "portworxVolume"),
    ("azureDisk", "azureDisk"),
    ("storageos", "storageos"),
    ("projected", "projected"),
    ("scaleIO", "scaleIO"),
    ("csi", "csi"),
    ("ephemeral", "ephemeral"),
    ("image", "image"),
];
/// 2³² seconds.
const TOKEN_SECONDS_MAX: i64 = 1 << 32;
const TOKEN_SECONDS_MIN: i64 = 600;

/// All volumes of a pod; tells which are valid.
pub(super) fn all<'a>(
    errors: &mut ErrorList,
    path: &Path<'_>,
    volumes: List<'a, Volume<'a>>,
    meta: Option<ObjectMeta<'_>>,
) -> Vec<Volume<'a>> {
    let mut valid: Vec<Volume<'a>> = Vec::with_capacity(volumes.len());
    let pod_name = meta.map(|meta| meta.name()).unwrap_or_default();
    for (at, volume) in volumes.iter().enumerate() {
        let place = path.index(at);
        let before = errors.len();
        source(errors, &place, volume, pod_name);
        label_name(errors, &place.child("name"), volume.name());
        if valid.iter().any(|earlier| earlier.name() == volume.name()) {
            errors.push(Error::duplicate(&place.child("name"), volume.name()));
        }
        if errors.len() == before {
            valid.push(volume);
        }
        if let Some(claim) = volume.persistent_volume_claim()
            && !pod_name.is_empty()
            && makes_claim(volumes, pod_name, claim.claim_name())
        {
            errors.push(Error::invalid(
                &place.child("persistentVolumeClaim.claimName"),
                claim.claim_name(),
                "must not reference a PVC that gets created for an ephemeral volume",
            ));
        }
    }
    valid
}

fn makes_claim(volumes: List<'_, Volume<'_>>, pod: &str, claim: &str) -> bool {
    volumes.iter().any(|volume| {
        volume.ephemeral().is_some()
            && claim
                .strip_prefix(pod)
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(|rest| rest == volume.name())
    })
}

fn source(errors: &mut ErrorList, path: &Path<'_>, volume: Volume<'_>, pod_name: &str) {
    let Some(node) = volume.node() else { return };
    let Some(ty) = node.ty() else { return };
    let is_there = |name: &str| ty.field(name).is_some_and(|id| node.field(id).is_some());
    // A name and one source: nothing to put in order.
    if node.len() != 2 || volume.name().is_empty() {
        let mut sources = SOURCES.iter().filter(|(name, _)| is_there(name));
        if sources.next().is_none() {
            errors.push(Error::required(path, "must specify a volume type"));
            return;
        }
        for (_, shown) in sources {
            errors.push(Error::forbidden(
                &path.child(shown),
                "may not specify more than 1 volume type",
            ));
        }
    }
    if let Some(source) = volume.empty_dir() {
        if source.size_limit().is_some_and(|limit| limit.signum() < 0) {
            errors.push(Error::forbidden(
                &path.child("emptyDir.sizeLimit"),
                "SizeLimit field must be a valid resource quantity",
            ));
        }
    } else if let Some(source) = volume.host_path() {
        host_path(errors, &path.child("hostPath"), source);
    } else if let Some(source) = volume.secret() {
        let place = path.child("secret");
        required(errors, &place.child("secretName"), source.secret_name());
        mode(errors, &place.child("defaultMode"), source.default_mode());
        keys(errors, &place.child("items"), source.items());
    } else if let Some(source) = volume.nfs() {
        nfs(errors, &path.child("nfs"), source);
    } else if let Some(source) = volume.persistent_volume_claim() {
        required(
            errors,
            &path.child("persistentVolumeClaim.claimName"),
            source.claim_name(),
        );
    } else if let Some(source) = volume.downward_api() {
        let place = path.child("downwardAPI");
        mode(errors, &place.child("defaultMode"), source.default_mode());
        for file in source.items() {
            downward_file(errors, &place, file);
        }
    } else if let Some(source) = volume.config_map() {
        let place = path.child("configMap");
        required(errors, &place.child("name"), source.name());
        mode(errors, &place.child("defaultMode"), source.default_mode());
        keys(errors, &place.child("items"), source.items());
    } else if let Some(source) = volume.projected() {
        let place = path.child("projected");
        mode(errors, &place.child("defaultMode"), source.default_mode());
        projected(errors, &place, source);
    } else if let Some(source) = volume.csi() {
        csi(errors, &path.child("csi"), source);
    } else if let Some(source) = volume.ephemeral() {
        ephemeral(errors, &path.child("ephemeral"), source);
        claim_name(errors, path, pod_name, volume.name());
    } else if let Some(source) = volume.image() {
        let place = path.child("image");
        required(errors, &place.child("reference"), source.reference());
        pull_policy(errors, &place.child("pullPolicy"), source.pull_policy());
    }
}

fn claim_name(errors: &mut ErrorList, path: &Path<'_>, pod: &str, volume: &str) {
    if pod.is_empty() || volume.is_empty() {
        return;
    }
    let name = format!("{pod}-{volume}");
    for message in format::dns_subdomain(&name) {
        errors.push(Error::invalid(
            &path.child("name"),
            volume,
            format!("PVC name {}: {message}", crate::field::quote(&name)),
        ));
    }
}

pub(crate) fn host_path(errors: &mut ErrorList, path: &Path<'_>, source: HostPathVolumeSource<'_>) {
    if !required(errors, &path.child("path"), source.path()) {
        return;
    }
    no_backsteps(errors, &path.child("path"), source.path());
    if let Some(kind) = source.type_()
        && !HOST_PATH_TYPES.contains(&kind)
    {
        errors.push(Error::not_supported(
            &path.child("type"),
            quoted(kind),
            HOST_PATH_TYPES,
        ));
    }
}

pub(crate) fn nfs(errors: &mut ErrorList, path: &Path<'_>, source: NFSVolumeSource<'_>) {
    required(errors, &path.child("server"), source.server());
    let place = path.child("path");
    required(errors, &place, source.path());
    if !source.path().starts_with('/') {
        errors.push(Error::invalid(
            &place,
            source.path(),
            "must be an absolute path",
        ));
    }
}

/// The name of a CSI driver, in whatever case.
pub(crate) fn driver_name(errors: &mut ErrorList, path: &Path<'_>, name: &str) {
    if !required(errors, path, name) {
        return;
    }
    if name.len() > format::LABEL_MAX {
        errors.push(Error::too_long(path, format::LABEL_MAX));
    }
    let messages = format::dns_subdomain(&format::lowercase(name));
    each(errors, path, name, messages);
}

fn csi(errors: &mut ErrorList, path: &Path<'_>, source: CSIVolumeSource<'_>) {
    driver_name(errors, &path.child("driver"), source.driver());
    if let Some(secret) = source.node_publish_secret_ref()
        && required(
            errors,
            &path.child("nodePublishSecretRef.name"),
            secret.name(),
        )
    {
        let messages = format::dns_subdomain(secret.name());
        each(errors, &path.child("name"), secret.name(), messages);
    }
}

fn ephemeral(errors: &mut ErrorList, path: &Path<'_>, source: EphemeralVolumeSource<'_>) {
    let place = path.child("volumeClaimTemplate");
    match source.volume_claim_template() {
        None => errors.push(Error::required(&place, "")),
        Some(template) => {
            meta::template(errors, &place.child("metadata"), template.metadata());
            claim::spec(errors, &place.child("spec"), template.spec());
        }
    }
}

fn mode(errors: &mut ErrorList, path: &Path<'_>, mode: Option<i32>) {
    if let Some(mode) = mode
        && !(0..=0o777).contains(&mode)
    {
        errors.push(Error::invalid(
            path,
            mode,
            "must be a number between 0 and 0777 (octal), both inclusive",
        ));
    }
}

fn keys(errors: &mut ErrorList, path: &Path<'_>, items: List<'_, KeyToPath<'_>>) {
    for (at, item) in items.iter().enumerate() {
        key(errors, &path.index(at), item);
    }
}

fn key(errors: &mut ErrorList, path: &Path<'_>, item: KeyToPath<'_>) {
    required(errors, &path.child("key"), item.key());
    required(errors, &path.child("path"), item.path());
    local_path(errors, &path.child("path"), item.path());
    mode(errors, &path.child("mode"), item.mode());
}

fn downward_file(errors: &mut ErrorList, path: &Path<'_>, file: DownwardAPIVolumeFile<'_>) {
    required(errors, &path.child("path"), file.path());
    local_path(errors, &path.child("path"), file.path());
    if let Some(field) = file.field_ref() {
        env::field_ref(errors, &path.child("fieldRef"), field, env::FILE_FIELDS);
        if file.resource_field_ref().is_some() {
            errors.push(Error::invalid(
                path,
                "resource",
                "fieldRef and resourceFieldRef can not be specified simultaneously",
            ));
        }
    } else if let Some(resource) = file.resource_field_ref() {
        env::resource_ref(errors, &path.child("resourceFieldRef"), resource, true);
    } else {
        errors.push(Error::required(
            path,
            "one of fieldRef and resourceFieldRef is required",
        ));
    }
    mode(errors, &path.child("mode"), file.mode());
}

/// The sources of a projected volume. Two files at one path are an error of the whole volume.
fn projected<'a>(errors: &mut ErrorList, path: &Path<'_>, volume: ProjectedVolumeSource<'a>) {
    let mut files: Vec<&'a str> = Vec::new();
    let sources = path.child("sources");
    for (at, source) in volume.sources().iter().enumerate() {
        let place = sources.index(at);
        let mut count = 0;
        let named = [
            (
                "secret",
                source.secret().map(|from| (from.name(), from.items())),
            ),
            (
                "configMap",
                source.config_map().map(|from| (from.name(), from.items())),
            ),
        ];
        for (field, from) in named {
            let Some((name, items)) = from else { continue };
            count += 1;
            let place = place.child(field);
            required(errors, &place.child("name"), name);
            let list = place.child("items");
            for (at, item) in items.iter().enumerate() {
                key(errors, &list.index(at), item);
                if !item.path().is_empty() {
                    distinct(errors, path, &mut files, item.path(), name);
                }
            }
        }
        if let Some(from) = source.downward_api() {
            count += 1;
            for file in from.items() {
                downward_file(errors, &place.child("downwardAPI"), file);
                if !file.path().is_empty() {
                    distinct(errors, path, &mut files, file.path(), file.path());
                }
            }
        }
        if let Some(from) = source.service_account_token() {
            count += 1;
            token(errors, path, &place.child("serviceAccountToken"), from);
        }
        if let Some(from) = source.cluster_trust_bundle() {
            count += 1;
            trust_bundle(errors, &place.child("clusterTrustBundle"), from);
            distinct(errors, path, &mut files, from.path(), from.path());
        }
        if let Some(from) = source.pod_certificate() {
            count += 1;
            pod_certificate(errors, &place.child("podCertificate"), from);
            for file in [
                from.credential_bundle_path(),
                from.key_path(),
                from.certificate_chain_path(),
            ] {
                if !file.is_empty() {
                    distinct(errors, path, &mut files, file, file);
                }
            }
        }
        if count > 1 {
            errors.push(Error::forbidden(
                &place,
                "may not specify more than 1 volume type per source",
            ));
        }
    }
}

fn distinct<'a>(
    errors: &mut ErrorList,
    path: &Path<'_>,
    files: &mut Vec<&'a str>,
    file: &'a str,
    shown: &str,
) {
    if files.contains(&file) {
        errors.push(Error::invalid(path, shown, "conflicting duplicate paths"));
    } else {
        files.push(file);
    }
}

fn token(
    errors: &mut ErrorList,
    volume: &Path<'_>,
    path: &Path<'_>,
    token: ServiceAccountTokenProjection<'_>,
) {
    let place = path.child("expirationSeconds");
    match token.expiration_seconds() {
        None => errors.push(Error::required(&place, "")),
        Some(seconds) if seconds < TOKEN_SECONDS_MIN => errors.push(Error::invalid(
            &place,
            seconds,
            "may not specify a duration less than 10 minutes",
        )),
        Some(seconds) if seconds > TOKEN_SECONDS_MAX => errors.push(Error::invalid(
            &place,
            seconds,
            "may not specify a duration larger than 2^32 seconds",
        )),
        Some(_) => {}
    }
    let place = volume.child("path");
    if required(errors, &place, token.path()) {
        local_path(errors, &place, token.path());
    }
}

fn trust_bundle(errors: &mut ErrorList, path: &Path<'_>, bundle: ClusterTrustBundleProjection<'_>) {
    match (bundle.name(), bundle.signer_name()) {
        (None, None) => errors.push(Error::required(
            path,
            "either name or signerName must be specified",
        )),
        (Some(_), Some(_)) => errors.push(Error::invalid(
            path,
            internal(bundle.node()),
            "only one of name and signerName may be used",
        )),
        (Some(name), None) => {
            let place = path.child("name");
            if name.is_empty() {
                errors.push(Error::required(&place, "must be a valid object name"));
            }
            let signer = name.rsplit_once(':').map(|(signer, _)| signer);
            let signer = signer.unwrap_or_default().replace(':', "/");
            for message in names::trust_bundle(name, &signer) {
                let message = format!("not a valid clustertrustbundlename: {message}");
                errors.push(Error::invalid(&place, name, message));
            }
            if let Some(selector) = bundle.label_selector() {
                errors.push(Error::invalid(
                    &path.child("labelSelector"),
                    shown(selector.node()),
                    "labelSelector must be unset if name is specified",
                ));
            }
        }
        (None, Some(signer)) => {
            let place = path.child("signerName");
            if signer.is_empty() {
                errors.push(Error::required(&place, "must be a valid signer name"));
            }
            certificates::signer_name(errors, &place, signer);
            let place = path.child("labelSelector");
            selector(errors, &place, bundle.label_selector());
        }
    }
    required(errors, &path.child("path"), bundle.path());
    local_path(errors, &path.child("path"), bundle.path());
}

/// A certificate of the pod's own: who signs it, for which key, for how long, and where it is written. The paths are checked for
/// twins by the caller.
fn pod_certificate(
    errors: &mut ErrorList,
    path: &Path<'_>,
    certificate: PodCertificateProjection<'_>,
) {
    let signer = certificate.signer_name();
    certificates::signer_name(errors, &path.child("signerName"), signer);
    certificates::user_annotations(
        errors,
        &path.child("userAnnotations"),
        certificate.user_annotations(),
    );
    let place = path.child("keyType");
    supported(errors, &place, certificate.key_type(), KEY_TYPES);
    if let Some(seconds) = certificate.max_expiration_seconds() {
        let place = path.child("maxExpirationSeconds");
        let (min, max) = (certificates::LIFE_MIN, certificates::life_max(signer));
        if seconds < min {
            let message = format!("if provided, maxExpirationSeconds must be >= {min}");
            errors.push(Error::invalid(&place, i64::from(seconds), message));
        }
        if seconds > max {
            let message = format!("if provided, maxExpirationSeconds must be <= {max}");
            errors.push(Error::invalid(&place, i64::from(seconds), message));
        }
    }
    let files = [
        ("credentialBundlePath", certificate.credential_bundle_path()),
        ("keyPath", certificate.key_path()),
        ("certificateChainPath", certificate.certificate_chain_path()),
    ];
    for (field, file) in files {
        local_path(errors, &path.child(field), file);
    }
    if files.iter().all(|(_, file)| file.is_empty()) {
        errors.push(Error::required(
            path,
            "specify at least one of credentialBundlePath, keyPath, and certificateChainPath",
        ));
    }
}

/// Whether a path goes up anywhere.
pub(super) fn has_backsteps(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// A path that does not go up.
pub(crate) fn no_backsteps(errors: &mut ErrorList, path: &Path<'_>, value: &str) {
    if has_backsteps(value) {
        errors.push(Error::invalid(path, value, "must not contain '..'"));
    }
}

/// A path that stays below where it begins.
pub(super) fn descending(errors: &mut ErrorList, path: &Path<'_>, value: &str) {
    if value.starts_with('/') {
        errors.push(Error::invalid(path, value, "must be a relative path"));
    }
    no_backsteps(errors, path, value);
}

/// Such a path which also leaves out names that the kubelet uses.
fn local_path(errors: &mut ErrorList, path: &Path<'_>, value: &str) {
    descending(errors, path, value);
    if value.starts_with("..") && !value.starts_with("../") {
        errors.push(Error::invalid(path, value, "must not start with '..'"));
    }
}
