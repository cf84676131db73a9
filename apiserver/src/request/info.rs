//! What a request asks for, read from method, path and query (upstream: `RequestInfoFactory`).

use std::fmt;

use http::Method;

use super::query::{Query, unescape};

/// A request's verb: what authorization decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the API's own.
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
    /// The deprecated `/proxy/` prefix.
    Proxy,
    /// A method on a path that is no resource's: `post`, `put`, `head`, `options` … stand for themselves.
    Post,
    Put,
    Head,
    Options,
    Connect,
    Trace,
    /// A method that no resource knows.
    Other,
}

impl Verb {
    /// The verb as rules name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
            Verb::Proxy => "proxy",
            Verb::Post => "post",
            Verb::Put => "put",
            Verb::Head => "head",
            Verb::Options => "options",
            Verb::Connect => "connect",
            Verb::Trace => "trace",
            Verb::Other => "",
        }
    }

    /// Whether the verb changes nothing.
    pub const fn is_read_only(self) -> bool {
        matches!(self, Verb::Get | Verb::List | Verb::Watch)
    }

    fn of_path(method: &Method) -> Verb {
        match *method {
            Method::GET => Verb::Get,
            Method::POST => Verb::Post,
            Method::PUT => Verb::Put,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            Method::HEAD => Verb::Head,
            Method::OPTIONS => Verb::Options,
            Method::CONNECT => Verb::Connect,
            Method::TRACE => Verb::Trace,
            _ => Verb::Other,
        }
    }

    fn of_resource(method: &Method) -> Verb {
        match *method {
            Method::POST => Verb::Create,
            Method::GET | Method::HEAD => Verb::Get,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE => Verb::Delete,
            _ => Verb::Other,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a request asks for. Strings are empty where a part is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// Whether the path is a resource's (whether or not that resource is served).
    pub is_resource: bool,
    /// The decoded path.
    pub path: String,
    /// The verb.
    pub verb: Verb,
    /// `api` or `apis`.
    pub prefix: &'static str,
    /// The API group.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The namespace.
    pub namespace: String,
    /// The resource's plural name.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The object's name: from the path, or from the field selector `metadata.name=` of a list or watch.
    pub name: String,
    /// The path's parts from the resource on: what follows a subresource is a proxy's to interpret.
    pub parts: Vec<String>,
    /// The unparsed field selector, for verbs that select.
    pub field_selector: String,
    /// The unparsed label selector, for verbs that select.
    pub label_selector: String,
}

/// A path from which kind and namespace cannot be told.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to determine kind and namespace from url, {0}")]
pub struct InfoError(pub String);

impl RequestInfo {
    /// Reads what `method` and the raw `path` and `query` of a URL ask for.
    pub fn parse(method: &Method, path: &str, query: &str) -> Result<RequestInfo, InfoError> {
        let decoded = unescape(path, false).map_or_else(|| path.to_owned(), |p| p.into_owned());
        let mut info = RequestInfo {
            is_resource: false,
            verb: Verb::of_path(method),
            prefix: "",
            group: String::new(),
            version: String::new(),
            namespace: String::new(),
            resource: String::new(),
            subresource: String::new(),
            name: String::new(),
            parts: Vec::new(),
            field_selector: String::new(),
            label_selector: String::new(),
            path: decoded,
        };
        let path = info.path.clone();
        let trimmed = path.trim_matches('/');
        let parts: Vec<&str> = if trimmed.is_empty() {
            Vec::new()
        } else {
            trimmed.split('/').collect()
        };
        let mut parts = parts.as_slice();
        if parts.len() < 3 {
            return Ok(info);
        }
        match parts[0] {
            "api" => {
                info.prefix = "api";
                parts = &parts[1..];
            }
            "apis" => {
                info.prefix = "apis";
                if parts.len() < 4 {
                    return Ok(info);
                }
                info.group = parts[1].to_owned();
                parts = &parts[2..];
            }
            _ => return Ok(info),
        }
        info.is_resource = true;
        info.version = parts[0].to_owned();
        parts = &parts[1..];

        let by_prefix = matches!(parts[0], "proxy" | "watch");
        if by_prefix {
            if parts.len() < 2 {
                let url = if query.is_empty() {
                    path.clone()
                } else {
                    format!("{path}?{query}")
                };
                return Err(InfoError(url));
            }
            info.verb = if parts[0] == "proxy" {
                Verb::Proxy
            } else {
                Verb::Watch
            };
            parts = &parts[1..];
        } else {
            info.verb = Verb::of_resource(method);
        }

        if parts[0] == "namespaces" && parts.len() > 1 {
            info.namespace = parts[1].to_owned();
            // A namespace's own subresources are told from the resources within it by name.
            if parts.len() > 2 && !matches!(parts[2], "status" | "finalize") {
                parts = &parts[2..];
            }
        }
        info.parts = parts.iter().map(|&p| p.to_owned()).collect();
        info.resource = parts[0].to_owned();
        if parts.len() >= 2 {
            info.name = parts[1].to_owned();
        }
        if parts.len() >= 3 && info.verb != Verb::Proxy {
            info.subresource = parts[2].to_owned();
        }
        info.refine(by_prefix, query);
        Ok(info)
    }

    /// What a request without a name in its path turns out to be, and its selectors.
    fn refine(&mut self, by_prefix: bool, raw_query: &str) {
        let nameless = self.name.is_empty();
        let collection = match self.verb {
            Verb::Get | Verb::Delete => nameless,
            verb => verb == Verb::Watch,
        };
        if !collection {
            return;
        }
        let query = Query::parse(raw_query);
        match self.verb {
            Verb::Get => {
                self.verb = if flag(query.get("watch")) {
                    Verb::Watch
                } else {
                    Verb::List
                };
                if parameters_decode(&query)
                    && let Some(name) = query.get("fieldSelector").and_then(exact_name)
                {
                    self.name = name;
                }
            }
            Verb::Delete => self.verb = Verb::DeleteCollection,
            _ => {}
        }
        // The deprecated prefix does not select consistently: no selector is authorized by.
        if !by_prefix {
            self.field_selector = query.get("fieldSelector").unwrap_or_default().to_owned();
            self.label_selector = query.get("labelSelector").unwrap_or_default().to_owned();
        }
    }

    /// Whether method and headers are for what is behind a proxy, and not for this server.
    pub fn is_proxied(&self) -> bool {
        self.is_resource && self.subresource == "proxy"
    }

    /// Whether the request is one whose answer may go on for as long as the client wishes: it has no deadline and takes no
    /// seat.
    pub fn is_long_running(&self) -> bool {
        let streaming = ["attach", "exec", "proxy", "log", "portforward"];
        matches!(self.verb, Verb::Watch | Verb::Proxy)
            || self.is_resource && streaming.contains(&self.subresource.as_str())
    }

    /// The resource as errors name it.
    pub fn qualified(&self) -> crate::status::Qualified<'_> {
        crate::status::Qualified::new(&self.group, &self.resource)
    }
}

/// A boolean parameter: anything but absence, `0` and `false` is true.
pub(super) fn flag(value: Option<&str>) -> bool {
    value.is_some_and(|v| v != "0" && !v.eq_ignore_ascii_case("false"))
}

/// Whether the list parameters decode at all: if not, the name that the field selector gives is not taken.
fn parameters_decode(query: &Query) -> bool {
    ["timeoutSeconds", "limit"]
        .iter()
        .all(|key| query.get(key).is_none_or(|v| v.parse::<i64>().is_ok()))
}

/// The name that a field selector requires, if it can be a path's segment.
fn exact_name(selector: &str) -> Option<String> {
    let mut found = None;
    for term in split_terms(selector) {
        let (field, rest) = term.find(['=', '!']).map(|i| term.split_at(i))?;
        let value = match rest {
            _ if rest.starts_with("!=") => None,
            _ => Some(rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?),
        };
        if field == "metadata.name" && found.is_none() {
            found = value.map(unescape_value);
        }
    }
    found.filter(|n| !matches!(n.as_str(), "." | "..") && !n.contains(['/', '%']))
}

/// The terms of a field selector: separated by commas that are not escaped.
fn split_terms(selector: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, c) in selector.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&selector[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    terms.push(&selector[start..]);
    terms.retain(|t| !t.is_empty());
    terms
}

fn unescape_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut escaped = false;
    for c in value.chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, url: &str) -> RequestInfo {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        RequestInfo::parse(&method.parse().unwrap(), path, query).unwrap()
    }

    /// method, URL → verb, group, version, namespace, resource, subresource, name
    #[test]
    fn resource_paths_are_read_as_upstream_reads_them() {
        #[rustfmt::skip]
        let table: &[(&str, &str, [&str; 7])] = &[
            ("GET", "/api/v1/namespaces", ["list", "", "v1", "", "namespaces", "", ""]),
            ("GET", "/api/v1/namespaces/other", ["get", "", "v1", "other", "namespaces", "", "other"]),
            ("GET", "/api/v1/namespaces/other/pods", ["list", "", "v1", "other", "pods", "", ""]),
            ("GET", "/api/v1/namespaces/other/pods/foo", ["get", "", "v1", "other", "pods", "", "foo"]),
            ("HEAD", "/api/v1/namespaces/other/pods/foo", ["get", "", "v1", "other", "pods", "", "foo"]),
            ("GET", "/api/v1/pods", ["list", "", "v1", "", "pods", "", ""]),
            ("HEAD", "/api/v1/pods", ["list", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/pods/", ["list", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/nodes/n1", ["get", "", "v1", "", "nodes", "", "n1"]),
            ("GET", "/api/v1/nodes/n1/proxy/a/b", ["get", "", "v1", "", "nodes", "proxy", "n1"]),
            ("POST", "/api/v1/namespaces/other/pods", ["create", "", "v1", "other", "pods", "", ""]),
            ("POST", "/api/v1/namespaces/other/pods/foo/binding", ["create", "", "v1", "other", "pods", "binding", "foo"]),
            ("PUT", "/api/v1/namespaces/other/pods/foo/status", ["update", "", "v1", "other", "pods", "status", "foo"]),
            ("PATCH", "/apis/apps/v1/namespaces/d/deployments/x", ["patch", "apps", "v1", "d", "deployments", "", "x"]),
            ("PUT", "/apis/apps/v1/namespaces/d/deployments/x/scale", ["update", "apps", "v1", "d", "deployments", "scale", "x"]),
            ("DELETE", "/api/v1/namespaces/other/pods/foo", ["delete", "", "v1", "other", "pods", "", "foo"]),
            ("DELETE", "/api/v1/namespaces/other/pods", ["deletecollection", "", "v1", "other", "pods", "", ""]),
            ("DELETE", "/api/v1/namespaces/other", ["delete", "", "v1", "other", "namespaces", "", "other"]),
            ("PUT", "/api/v1/namespaces/other/finalize", ["update", "", "v1", "other", "namespaces", "finalize", "other"]),
            ("PUT", "/api/v1/namespaces/other/status", ["update", "", "v1", "other", "namespaces", "status", "other"]),
            ("GET", "/api/v1/namespaces/other/finalizers", ["list", "", "v1", "other", "finalizers", "", ""]),
            ("FOO", "/api/v1/pods", ["", "", "v1", "", "pods", "", ""]),
            ("OPTIONS", "/api/v1/pods", ["", "", "v1", "", "pods", "", ""]),
            // watch, by parameter and by the deprecated prefix
            ("GET", "/api/v1/pods?watch=true", ["watch", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/pods?watch=1", ["watch", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/pods?watch", ["watch", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/pods?watch=false", ["list", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/pods?watch=False", ["list", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/pods?watch=0", ["list", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/pods?watch=1&timeoutSeconds=x", ["watch", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/namespaces/d/pods/foo?watch=true", ["get", "", "v1", "d", "pods", "", "foo"]),
            ("GET", "/api/v1/watch/pods", ["watch", "", "v1", "", "pods", "", ""]),
            ("GET", "/api/v1/watch/namespaces/other/pods", ["watch", "", "v1", "other", "pods", "", ""]),
            ("GET", "/api/v1/watch/namespaces/other/pods/foo", ["watch", "", "v1", "other", "pods", "", "foo"]),
            ("GET", "/apis/apps/v1/watch/deployments", ["watch", "apps", "v1", "", "deployments", "", ""]),
            ("GET", "/api/v1/proxy/namespaces/other/pods/foo/x", ["proxy", "", "v1", "other", "pods", "", "foo"]),
            // a name required by the field selector
            ("GET", "/api/v1/namespaces/d/pods?fieldSelector=metadata.name%3Dfoo", ["list", "", "v1", "d", "pods", "", "foo"]),
            ("GET", "/api/v1/namespaces/d/pods?watch=1&fieldSelector=a=b,metadata.name==foo", ["watch", "", "v1", "d", "pods", "", "foo"]),
            ("GET", "/api/v1/namespaces/d/pods?fieldSelector=metadata.name!%3Dfoo", ["list", "", "v1", "d", "pods", "", ""]),
            ("GET", "/api/v1/namespaces/d/pods?fieldSelector=metadata.name%3D..", ["list", "", "v1", "d", "pods", "", ""]),
            ("GET", "/api/v1/namespaces/d/pods?fieldSelector=metadata.name%3Da/b", ["list", "", "v1", "d", "pods", "", ""]),
            ("GET", "/api/v1/namespaces/d/pods?limit=x&fieldSelector=metadata.name%3Dfoo", ["list", "", "v1", "d", "pods", "", ""]),
            ("GET", "/api/v1/namespaces/d/configmaps/a%2Fb", ["get", "", "v1", "d", "configmaps", "b", "a"]),
        ];
        for (method, url, want) in table {
            let i = parse(method, url);
            assert!(i.is_resource, "{url}");
            let got = [
                i.verb.as_str(),
                &i.group,
                &i.version,
                &i.namespace,
                &i.resource,
                &i.subresource,
                &i.name,
            ];
            assert_eq!(&got, want, "{method} {url}");
        }
    }

    #[test]
    fn other_paths_are_no_resources() {
        for (method, path, verb) in [
            ("GET", "/", "get"),
            ("GET", "/api", "get"),
            ("GET", "/api/v1", "get"),
            ("GET", "/apis", "get"),
            ("GET", "/apis/apps", "get"),
            ("GET", "/apis/apps/v1", "get"),
            ("GET", "/apis/apps/v1/", "get"),
            ("POST", "/healthz", "post"),
            ("HEAD", "/livez/ping/x", "head"),
            ("GET", "/openapi/v3/apis/apps/v1", "get"),
            ("FOO", "/version", ""),
        ] {
            let info = parse(method, path);
            assert!(!info.is_resource, "{path}");
            assert_eq!(info.verb.as_str(), verb, "{path}");
            assert_eq!(info.path, path);
        }
    }

    #[test]
    fn a_special_verb_alone_is_an_error() {
        let error = RequestInfo::parse(&Method::GET, "/api/v1/watch", "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unable to determine kind and namespace from url, /api/v1/watch"
        );
    }

    #[test]
    fn selectors_are_kept_for_verbs_that_select() {
        let info = parse(
            "GET",
            "/api/v1/pods?labelSelector=a%3Db&fieldSelector=spec.nodeName%3Dn",
        );
        assert_eq!(
            (info.label_selector.as_str(), info.field_selector.as_str()),
            ("a=b", "spec.nodeName=n")
        );
        let info = parse("DELETE", "/api/v1/namespaces/d/pods?labelSelector=a%3Db");
        assert_eq!(info.label_selector, "a=b");
        let info = parse("GET", "/api/v1/watch/pods?labelSelector=a%3Db");
        assert_eq!(info.label_selector, "");
        let info = parse("GET", "/api/v1/namespaces/d/pods/x?labelSelector=a%3Db");
        assert_eq!(info.label_selector, "");
    }

    #[test]
    fn streams_are_long_running() {
        assert!(parse("GET", "/api/v1/pods?watch=1").is_long_running());
        assert!(parse("GET", "/api/v1/namespaces/d/pods/x/log").is_long_running());
        assert!(!parse("GET", "/api/v1/pods").is_long_running());
        assert!(!parse("GET", "/log").is_long_running());
    }
}
