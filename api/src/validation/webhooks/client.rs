//! Where webhooks are (upstream: apiserver's `pkg/util/webhook`).

use super::super::api_service::service_port;
use super::super::check::required;
use super::super::{format, url};
use crate::admissionregistration::v1::{ServiceReference, WebhookClientConfig};
use crate::field::{Error, ErrorList, Path};

const FORM: &str = "; desired format: https://host[/path]";

/// Where a webhook is: at a URL, or behind a service.
pub(super) fn client(errors: &mut ErrorList, path: &Path<'_>, client: WebhookClientConfig<'_>) {
    match (client.url(), client.service()) {
        (Some(text), None) => address(errors, &path.child("url"), text),
        (None, Some(given)) => service(errors, &path.child("service"), given),
        _ => {
            let why = "exactly one of url or service is required";
            errors.push(Error::required(path, why));
        }
    }
}

/// The URL of a webhook.
fn address(errors: &mut ErrorList, path: &Path<'_>, text: &str) {
    let url = match url::parse(text) {
        Ok(url) => url,
        Err(why) => {
            let why = format!("url must be a valid URL: {why}{FORM}");
            errors.push(Error::required(path, why));
            return;
        }
    };
    if url.scheme != "https" {
        let why = format!("'https' is the only allowed URL scheme{FORM}");
        errors.push(Error::invalid(path, url.scheme, why));
    }
    if url.host.is_empty() {
        let why = format!("host must be specified{FORM}");
        errors.push(Error::invalid(path, "", why));
    }
    for (given, what) in [
        (url.user, "user information is not permitted in the URL"),
        (
            Some(url.fragment).filter(|text| !text.is_empty()),
            "fragments are not permitted in the URL",
        ),
        (
            Some(url.query).filter(|text| !text.is_empty()),
            "query parameters are not permitted in the URL",
        ),
    ] {
        if let Some(given) = given {
            errors.push(Error::invalid(path, given, what));
        }
    }
}

fn service(errors: &mut ErrorList, path: &Path<'_>, service: ServiceReference<'_>) {
    // Upstream names the one where the other is missing.
    required(errors, &path.child("name"), service.namespace());
    required(errors, &path.child("namespace"), service.name());
    service_port(errors, path, service.port().unwrap_or_default());
    let Some(text) = service.path() else { return };
    let place = path.child("path");
    let mut refuse = |why: String| errors.push(Error::invalid(&place, text, why));
    match text {
        "" | "/" => return,
        "//" => return refuse("segment[0] may not be empty".to_owned()),
        _ if !text.starts_with('/') => refuse("must start with a '/'".to_owned()),
        _ => {}
    }
    // The first character is not looked at, whatever it is.
    let mut rest = text.chars();
    rest.next();
    let inner = rest.as_str();
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    for (at, step) in inner.split('/').enumerate() {
        if step.is_empty() {
            refuse(format!("segment[{at}] may not be empty"));
            continue;
        }
        for message in format::dns_subdomain(step) {
            refuse(format!("segment[{at}]: {message}"));
        }
    }
}
