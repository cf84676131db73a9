//! Probes and lifecycle hooks.

use super::super::check::{each, not_negative, port, port_or_name, required, supported};
use super::super::format;
use crate::core::v1::{
    Container, ExecAction, GRPCAction, HTTPGetAction, Lifecycle, PodSpec, Probe, SleepAction,
    TCPSocketAction,
};
use crate::field::{BadValue, Error, ErrorList, Path};

/// The hooks and probes of a container that runs beside the others.
pub(super) fn all(
    errors: &mut ErrorList,
    path: &Path<'_>,
    container: Container<'_>,
    spec: PodSpec<'_>,
) {
    if let Some(hooks) = container.lifecycle() {
        lifecycle(errors, &path.child("lifecycle"), hooks, spec);
    }
    for (field, probe) in [
        ("livenessProbe", container.liveness_probe()),
        ("readinessProbe", container.readiness_probe()),
        ("startupProbe", container.startup_probe()),
    ] {
        if let Some(probe) = probe {
            check(errors, &path.child(field), probe, field == "readinessProbe");
        }
    }
}

fn check(errors: &mut ErrorList, path: &Path<'_>, probe: Probe<'_>, readiness: bool) {
    let handler = Handler {
        exec: probe.exec(),
        http_get: probe.http_get(),
        tcp_socket: probe.tcp_socket(),
        grpc: probe.grpc(),
        sleep: None,
    };
    handler.check(errors, path, None);
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds()),
        ("timeoutSeconds", probe.timeout_seconds()),
        ("periodSeconds", probe.period_seconds()),
        ("successThreshold", probe.success_threshold()),
        ("failureThreshold", probe.failure_threshold()),
    ] {
        not_negative(errors, &path.child(field), value);
    }
    let place = path.child("terminationGracePeriodSeconds");
    if let Some(seconds) = probe.termination_grace_period_seconds() {
        if seconds <= 0 {
            errors.push(Error::invalid(&place, seconds, "must be greater than 0"));
        }
        if readiness {
            errors.push(Error::invalid(
                &place,
                BadValue::Json(seconds.to_string()),
                "must not be set for readinessProbes",
            ));
        }
    }
    if !readiness && probe.success_threshold() != 1 {
        errors.push(Error::invalid(
            &path.child("successThreshold"),
            probe.success_threshold(),
            "must be 1",
        ));
    }
}

fn lifecycle(errors: &mut ErrorList, path: &Path<'_>, hooks: Lifecycle<'_>, spec: PodSpec<'_>) {
    for (field, hook) in [
        ("postStart", hooks.post_start()),
        ("preStop", hooks.pre_stop()),
    ] {
        let Some(hook) = hook else { continue };
        let handler = Handler {
            exec: hook.exec(),
            http_get: hook.http_get(),
            tcp_socket: hook.tcp_socket(),
            grpc: None,
            sleep: hook.sleep(),
        };
        handler.check(
            errors,
            &path.child(field),
            spec.termination_grace_period_seconds(),
        );
    }
}

/// What is done; one of them.
struct Handler<'a> {
    exec: Option<ExecAction<'a>>,
    http_get: Option<HTTPGetAction<'a>>,
    tcp_socket: Option<TCPSocketAction<'a>>,
    grpc: Option<GRPCAction<'a>>,
    sleep: Option<SleepAction<'a>>,
}

impl Handler<'_> {
    fn check(&self, errors: &mut ErrorList, path: &Path<'_>, grace: Option<i64>) {
        let mut found = false;
        let mut first = |errors: &mut ErrorList, place: &Path<'_>| {
            if found {
                errors.push(Error::forbidden(
                    place,
                    "may not specify more than 1 handler type",
                ));
            }
            !std::mem::replace(&mut found, true)
        };
        let place = path.child("exec");
        if let Some(action) = self.exec
            && first(errors, &place)
            && action.command().is_empty()
        {
            errors.push(Error::required(&place.child("command"), ""));
        }
        let place = path.child("httpGet");
        if let Some(action) = self.http_get
            && first(errors, &place)
        {
            http_get(errors, &place, action);
        }
        let place = path.child("tcpSocket");
        if let Some(action) = self.tcp_socket
            && first(errors, &place)
        {
            port_or_name(errors, &place.child("port"), &action.port());
        }
        let place = path.child("grpc");
        if let Some(action) = self.grpc
            && first(errors, &place)
        {
            port(errors, &place.child("port"), action.port());
        }
        let place = path.child("sleep");
        if let Some(action) = self.sleep
            && first(errors, &place)
            && let Some(grace) = grace
            && !(0..=grace).contains(&action.seconds())
        {
            errors.push(Error::invalid(
                &place,
                action.seconds(),
                format!(
                    "must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                ),
            ));
        }
        if !found {
            errors.push(Error::required(path, "must specify a handler type"));
        }
    }
}

fn http_get(errors: &mut ErrorList, path: &Path<'_>, action: HTTPGetAction<'_>) {
    required(errors, &path.child("path"), action.path());
    port_or_name(errors, &path.child("port"), &action.port());
    supported(
        errors,
        &path.child("scheme"),
        action.scheme(),
        &["HTTP", "HTTPS"],
    );
    let place = path.child("httpHeaders");
    for header in action.http_headers() {
        each(
            errors,
            &place,
            header.name(),
            format::http_header(header.name()),
        );
    }
}
