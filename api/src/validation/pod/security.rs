//! Security contexts, of pods and containers; operating systems.
//!
//! Privileged containers are allowed here, as by every installer of upstream (`--allow-privileged`); who may make them is
//! admission's to say.

use super::super::check::{id, internal, quoted, supported};
use super::super::format;
use super::container::visit;
use super::volume::descending;
use super::windows;
use crate::core::v1::{
    AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext,
};
use crate::field::{Error, ErrorList, Path};
use crate::view::{MapRef, View};

const LOCALHOST_PROFILE_MAX: usize = 4095;
const PROFILE_TYPES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];
/// Annotations that said what is a field now.
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
pub(super) const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
pub(super) const APP_ARMOR_CONTAINER: &str = "container.apparmor.security.beta.kubernetes.io/";

/// A pod's security context.
pub(super) fn of_pod(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    let Some(context) = spec.security_context() else {
        return;
    };
    id(errors, &path.child("fsGroup"), context.fs_group());
    id(errors, &path.child("runAsUser"), context.run_as_user());
    id(errors, &path.child("runAsGroup"), context.run_as_group());
    let groups = path.child("supplementalGroups");
    for (at, group) in context.supplemental_groups().iter().enumerate() {
        id(errors, &groups.index(at), Some(group));
    }
    sysctls(errors, &path.child("sysctls"), context, spec);
    for (field, value, allowed) in [
        (
            "fsGroupChangePolicy",
            context.fs_group_change_policy(),
            ["Always", "OnRootMismatch"],
        ),
        (
            "supplementalGroupsPolicy",
            context.supplemental_groups_policy(),
            ["Merge", "Strict"],
        ),
    ] {
        if let Some(value) = value
            && !allowed.contains(&value)
        {
            errors.push(Error::not_supported(
                &path.child(field),
                quoted(value),
                &allowed,
            ));
        }
    }
    seccomp(
        errors,
        &path.child("seccompProfile"),
        context.seccomp_profile(),
    );
    if let Some(options) = context.windows_options() {
        windows::options(errors, &path.child("windowsOptions"), options);
    }
    app_armor(
        errors,
        &path.child("appArmorProfile"),
        context.app_armor_profile(),
    );
    if let Some(policy) = context.se_linux_change_policy() {
        let place = path.child("seLinuxChangePolicy");
        supported(errors, &place, policy, &["MountOption", "Recursive"]);
    }
}

fn sysctls(
    errors: &mut ErrorList,
    path: &Path<'_>,
    context: PodSecurityContext<'_>,
    spec: PodSpec<'_>,
) {
    let sysctls = context.sysctls();
    for (at, sysctl) in sysctls.iter().enumerate() {
        let (name, place) = (sysctl.name(), path.index(at));
        let place = place.child("name");
        if name.is_empty() {
            errors.push(Error::required(&place, ""));
        } else if !format::is_sysctl(name) {
            errors.push(Error::invalid(
                &place,
                name,
                "must have at most 253 characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            ));
        } else if sysctls
            .iter()
            .take(at)
            .any(|earlier| earlier.name() == name)
        {
            errors.push(Error::duplicate(&place, name));
        }
        let normal = name.replace('/', ".");
        let of_network = normal.starts_with("net.");
        let of_ipc = normal.starts_with("fs.mqueue.")
            || normal.starts_with("kernel.msg")
            || normal.starts_with("kernel.shm")
            || normal == "kernel.sem";
        if spec.host_network() && of_network {
            errors.push(Error::invalid(
                &place,
                name,
                "may not be specified when 'hostNetwork' is true",
            ));
        } else if spec.host_ipc() && of_ipc {
            errors.push(Error::invalid(
                &place,
                name,
                "may not be specified when 'hostIPC' is true",
            ));
        }
    }
}

/// A container's security context.
pub(super) fn of_container(
    errors: &mut ErrorList,
    path: &Path<'_>,
    context: Option<SecurityContext<'_>>,
    host_users: bool,
) {
    let Some(context) = context else { return };
    id(errors, &path.child("runAsUser"), context.run_as_user());
    id(errors, &path.child("runAsGroup"), context.run_as_group());
    if let Some(mount) = context.proc_mount() {
        let place = path.child("procMount");
        supported(errors, &place, mount, &["Default", "Unmasked"]);
        if host_users && mount == "Unmasked" {
            errors.push(Error::invalid(
                &place,
                quoted(mount),
                "`hostUsers` must be false to use `Unmasked`",
            ));
        }
    }
    seccomp(
        errors,
        &path.child("seccompProfile"),
        context.seccomp_profile(),
    );
    if context.allow_privilege_escalation() == Some(false) {
        let value = || internal(context.node());
        if context.privileged() == Some(true) {
            errors.push(Error::invalid(
                path,
                value(),
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ));
        }
        let added = context
            .capabilities()
            .map(|capabilities| capabilities.add());
        for _ in added
            .into_iter()
            .flatten()
            .filter(|capability| *capability == "CAP_SYS_ADMIN")
        {
            errors.push(Error::invalid(
                path,
                value(),
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            ));
        }
    }
    if let Some(options) = context.windows_options() {
        windows::options(errors, &path.child("windowsOptions"), options);
    }
    app_armor(
        errors,
        &path.child("appArmorProfile"),
        context.app_armor_profile(),
    );
}

fn seccomp(errors: &mut ErrorList, path: &Path<'_>, profile: Option<SeccompProfile<'_>>) {
    let Some(profile) = profile else { return };
    let place = path.child("type");
    match profile.type_() {
        "" => errors.push(Error::required(
            &place,
            "type is required when seccompProfile is set",
        )),
        other => supported(errors, &place, other, PROFILE_TYPES),
    }
    let place = path.child("localhostProfile");
    match (profile.type_() == "Localhost", profile.localhost_profile()) {
        (true, None) => errors.push(Error::required(
            &place,
            "must be set when seccomp type is Localhost",
        )),
        (true, Some(file)) => descending(errors, &place, file),
        (false, Some(_)) => errors.push(Error::invalid(
            &place,
            internal(profile.node()),
            "can only be set when seccomp type is Localhost",
        )),
        (false, None) => {}
    }
}

fn app_armor(errors: &mut ErrorList, path: &Path<'_>, profile: Option<AppArmorProfile<'_>>) {
    const NEEDED: &str = "must be set when AppArmor type is Localhost";
    let Some(profile) = profile else { return };
    let place = path.child("localhostProfile");
    match (profile.type_(), profile.localhost_profile()) {
        ("Localhost", None) => errors.push(Error::required(&place, NEEDED)),
        ("Localhost", Some(name)) => {
            if name.trim() != name {
                errors.push(Error::invalid(
                    &place,
                    name,
                    "must not be padded with whitespace",
                ));
            } else if name.is_empty() {
                errors.push(Error::required(&place, NEEDED));
            }
            if name.len() > LOCALHOST_PROFILE_MAX {
                errors.push(Error::too_long(&place, LOCALHOST_PROFILE_MAX));
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(name)) => errors.push(Error::invalid(
            &place,
            quoted(name),
            "can only be set when AppArmor type is Localhost",
        )),
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => errors.push(Error::required(
            &path.child("type"),
            "type is required when appArmorProfile is set",
        )),
        (other, _) => errors.push(Error::not_supported(
            &path.child("type"),
            other,
            PROFILE_TYPES,
        )),
    }
}

/// Profiles are said by fields; an annotation of old must say the same.
pub(crate) fn profile_annotations(
    errors: &mut ErrorList,
    path: &Path<'_>,
    annotations: MapRef<'_, str>,
    spec: PodSpec<'_>,
) {
    if annotations.is_empty() {
        return;
    }
    let of_pod = spec.security_context();
    if let Some(annotation) = annotations.get(SECCOMP_POD)
        && let Some(profile) = of_pod.and_then(|context| context.seccomp_profile())
    {
        let place = path.child("securityContext.seccompProfile");
        let values = [
            "unconfined",
            "runtime/default",
            "docker/default",
            "localhost/",
        ];
        let field = (profile.type_(), profile.localhost_profile());
        agree(errors, &place, annotation, field, values, "seccomp");
    }
    let windows = spec.os().is_some_and(|os| os.name() == "windows");
    visit(path, spec, |place, container| {
        let context = container.security_context();
        let find = |prefix: &str| annotations.get(&format!("{prefix}{}", container.name()));
        if let Some(profile) = context.and_then(|context| context.seccomp_profile())
            && let Some(annotation) = find(SECCOMP_CONTAINER)
        {
            let place = place.child("securityContext.seccompProfile");
            let values = [
                "unconfined",
                "runtime/default",
                "docker/default",
                "localhost/",
            ];
            let field = (profile.type_(), profile.localhost_profile());
            agree(errors, &place, annotation, field, values, "seccomp");
        }
        let profile = context
            .and_then(|context| context.app_armor_profile())
            .or_else(|| of_pod.and_then(|context| context.app_armor_profile()));
        if let Some(profile) = profile
            && !windows
            && let Some(annotation) = find(APP_ARMOR_CONTAINER)
        {
            let place = place.child("securityContext.appArmorProfile");
            let values = [
                "unconfined",
                "runtime/default",
                "runtime/default",
                "localhost/",
            ];
            let field = (profile.type_(), profile.localhost_profile());
            agree(errors, &place, annotation, field, values, "apparmor");
        }
    });
}

/// Whether an annotation says what the field says. `values` are the annotation's words for unconfined, the runtime's default
/// (two of them) and the prefix of a profile's name.
fn agree(
    errors: &mut ErrorList,
    path: &Path<'_>,
    annotation: &str,
    (kind, profile): (&str, Option<&str>),
    [unconfined, default, old_default, localhost]: [&str; 4],
    what: &str,
) {
    let same_kind = match kind {
        "Unconfined" => annotation == unconfined,
        "RuntimeDefault" => annotation == default || annotation == old_default,
        "Localhost" => annotation.starts_with(localhost),
        _ => return,
    };
    if !same_kind {
        errors.push(Error::forbidden(
            &path.child("type"),
            format!("{what} type in annotation and field must match"),
        ));
    } else if kind == "Localhost" && annotation.strip_prefix(localhost) != profile {
        errors.push(Error::forbidden(
            &path.child("localhostProfile"),
            format!("{what} profile in annotation and field must match"),
        ));
    }
}

/// All or none of the containers are processes of a Windows host.
pub(super) fn windows_host_process(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    let of_pod = spec
        .security_context()
        .and_then(|context| context.windows_options())
        .and_then(|options| options.host_process());
    let (mut all, mut on_host) = (0, 0);
    visit(path, spec, |place, container| {
        all += 1;
        let own = container
            .security_context()
            .and_then(|context| context.windows_options())
            .and_then(|options| options.host_process());
        if let (Some(of_pod), Some(own)) = (of_pod, own)
            && of_pod != own
        {
            errors.push(Error::invalid(
                &place.child("securityContext.windowsOptions.hostProcess"),
                own,
                format!(
                    "pod hostProcess value must be identical if both are specified, was {of_pod}"
                ),
            ));
        }
        if own.or(of_pod) == Some(true) {
            on_host += 1;
        }
    });
    if on_host == 0 {
        return;
    }
    if on_host != all {
        errors.push(Error::invalid(
            path,
            "",
            "If pod contains any hostProcess containers then all containers must be HostProcess containers",
        ));
    }
    if !spec.host_network() {
        errors.push(Error::invalid(
            &path.child("hostNetwork"),
            false,
            "hostNetwork must be true if pod contains any hostProcess containers",
        ));
    }
}

/// What goes with the operating system that a pod names.
pub(super) fn os(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    match spec.os().map(|os| os.name()) {
        None => {}
        Some("") => errors.push(Error::required(&path.child("os.name"), "")),
        Some("linux") => linux(errors, path, spec),
        Some("windows") => windows_fields(errors, path, spec),
        Some(other) => errors.push(Error::not_supported(
            &path.child("os"),
            other,
            &["linux", "windows"],
        )),
    }
}

fn linux(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    const WHY: &str = "windows options cannot be set for a linux pod";
    let of_windows = |set: bool, place: &Path<'_>, errors: &mut ErrorList| {
        if set {
            errors.push(Error::forbidden(
                &place.child("securityContext.windowsOptions"),
                WHY,
            ));
        }
    };
    let context = spec.security_context();
    of_windows(
        context.is_some_and(|context| context.has_windows_options()),
        path,
        errors,
    );
    visit(path, spec, |place, container| {
        let context = container.security_context();
        of_windows(
            context.is_some_and(|context| context.has_windows_options()),
            place,
            errors,
        );
    });
}

fn windows_fields(errors: &mut ErrorList, path: &Path<'_>, spec: PodSpec<'_>) {
    const WHY: &str = "cannot be set for a windows pod";
    let mut forbid = |place: &Path<'_>, fields: &[(&str, bool)]| {
        for (field, set) in fields {
            if *set {
                errors.push(Error::forbidden(&place.child(field), WHY));
            }
        }
    };
    if let Some(context) = spec.security_context() {
        forbid(
            &path.child("securityContext"),
            &[
                ("appArmorProfile", context.has_app_armor_profile()),
                ("seLinuxOptions", context.has_se_linux_options()),
                ("seccompProfile", context.has_seccomp_profile()),
                ("fsGroup", context.has_fs_group()),
                ("fsGroupChangePolicy", context.has_fs_group_change_policy()),
                ("sysctls", !context.sysctls().is_empty()),
                ("runAsUser", context.has_run_as_user()),
                ("runAsGroup", context.has_run_as_group()),
                (
                    "supplementalGroups",
                    !context.supplemental_groups().is_empty(),
                ),
                (
                    "supplementalGroupsPolicy",
                    context.has_supplemental_groups_policy(),
                ),
                ("seLinuxChangePolicy", context.has_se_linux_change_policy()),
            ],
        );
    }
    forbid(
        path,
        &[
            ("hostUsers", spec.has_host_users()),
            ("hostPID", spec.host_pid()),
            ("hostIPC", spec.host_ipc()),
            ("shareProcessNamespace", spec.has_share_process_namespace()),
        ],
    );
    visit(path, spec, |place, container| {
        let Some(context) = container.security_context() else {
            return;
        };
        forbid(
            &place.child("securityContext"),
            &[
                ("appArmorProfile", context.has_app_armor_profile()),
                ("seLinuxOptions", context.has_se_linux_options()),
                ("seccompProfile", context.has_seccomp_profile()),
                ("capabilities", context.has_capabilities()),
                (
                    "readOnlyRootFilesystem",
                    context.has_read_only_root_filesystem(),
                ),
                ("privileged", context.has_privileged()),
                (
                    "allowPrivilegeEscalation",
                    context.has_allow_privilege_escalation(),
                ),
                ("procMount", context.has_proc_mount()),
                ("runAsUser", context.has_run_as_user()),
                ("runAsGroup", context.has_run_as_group()),
            ],
        );
    });
}
