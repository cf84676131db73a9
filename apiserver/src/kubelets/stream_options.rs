//! The queries of `pods/exec`, `pods/attach` and `pods/portforward`, and what a kubelet calls the same.

use api::Tree;
use api::codec::json;
use serde_json::json;

use super::log_options::flag;
use crate::registry::{Call, api_version};
use crate::request::Query;
use crate::status::Status;

/// What a client may want of a container, and a kubelet's word for it.
const FLAGS: [(&str, &str); 4] = [
    ("stdin", "input"),
    ("stdout", "output"),
    ("stderr", "error"),
    ("tty", "tty"),
];

/// The kubelet's query for a container's streams.
pub(super) fn of_container(query: &Query) -> String {
    let flags = FLAGS.iter().filter(|(name, _)| flag(query, name));
    let flags = flags.map(|(_, kubelets)| format!("{kubelets}=1"));
    let command = query
        .all("command")
        .map(|word| format!("command={}", escape(word)));
    flags.chain(command).collect::<Vec<_>>().join("&")
}

/// The kubelet's query for ports.
pub(super) fn of_ports(query: &Query) -> Result<String, Status> {
    let mut ports = Vec::new();
    for text in query.all("ports").flat_map(|list| list.split(',')) {
        let port: i32 = text.parse().map_err(|_| {
            let text = api::field::quote(text);
            Status::bad_request(format!("strconv.ParseInt: parsing {text}: invalid syntax"))
        })?;
        ports.push(port.to_string());
    }
    Ok(match ports.is_empty() {
        true => String::new(),
        false => format!("port={}", escape(&ports.join(","))),
    })
}

/// The options as the object that they are to admission: `PodExecOptions` and the like.
pub(super) fn object(call: &Call<'_>) -> Result<Tree, Status> {
    let query = &call.cx.query;
    let subresource = call.kind.resource.subresource(call.subresource());
    let subresource = subresource.ok_or_else(Status::unknown_resource)?;
    let mut options = json!({
        "kind": subresource.kind.kind,
        "apiVersion": api_version(&subresource.kind.group, &subresource.kind.version),
    });
    if call.subresource() == "portforward" {
        let ports = query.all("ports").flat_map(|list| list.split(','));
        let ports: Vec<i32> = ports.filter_map(|port| port.parse().ok()).collect();
        options["ports"] = json!(ports);
    } else {
        for (name, _) in FLAGS.iter().filter(|(name, _)| flag(query, name)) {
            options[*name] = true.into();
        }
        options["container"] = query.get("container").unwrap_or_default().into();
        if call.subresource() == "exec" {
            options["command"] = query.all("command").collect();
        }
    }
    let bytes = options.to_string().into_bytes();
    let schema = call.kind.codec.schema.clone();
    json::decode(schema, subresource.type_id, bytes, &mut json::Strict::new())
        .map_err(Status::internal)
}

/// Percent-encodes all but what stands for itself everywhere in a query.
fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_the_kubelets() {
        for (query, kubelets) in [
            ("stdin=true&stdout=1&stderr=0&tty=false", "input=1&output=1"),
            (
                "stdout=true&tty=true&command=a&command=b+c%26%C3%A4&container=x",
                "output=1&tty=1&command=a&command=b%20c%26%C3%A4",
            ),
            ("", ""),
        ] {
            assert_eq!(of_container(&Query::parse(query)), kubelets, "{query}");
        }
        for (query, kubelets) in [
            ("ports=80,81&ports=82", Ok("port=80%2C81%2C82")),
            ("", Ok("")),
            (
                "ports=x",
                Err("strconv.ParseInt: parsing \"x\": invalid syntax"),
            ),
        ] {
            let found = of_ports(&Query::parse(query));
            let found = found.as_deref().map_err(|status| status.message());
            assert_eq!(found, kubelets, "{query}");
        }
    }
}
