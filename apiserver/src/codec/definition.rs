//! CustomResourceDefinitions as upstream keeps them: in `apiextensions.k8s.io/v1beta1`, which nobody serves any more. There,
//! what is the same in all versions of the resource stands once, beside them.

use bytes::Bytes;
use serde_json::{Map, Value};

/// The API version that upstream stores.
const STORED: &str = "apiextensions.k8s.io/v1beta1";
/// What stands once for all versions there, and in each version in `v1`.
const COMMON: [(&str, &str); 4] = [
    ("validation", "schema"),
    ("subresources", "subresources"),
    ("additionalPrinterColumns", "additionalPrinterColumns"),
    ("selectableFields", "selectableFields"),
];

/// The same definition in `v1`, if `stored` is one in `v1beta1`; other objects are none of its business.
pub(super) fn modern(stored: &Bytes) -> Option<Bytes> {
    // Few objects are kept as JSON, and this tells most of those that are of another kind.
    let mark = STORED.as_bytes();
    if !stored.windows(mark.len()).any(|part| part == mark) {
        return None;
    }
    let mut object: Value = serde_json::from_slice(stored).ok()?;
    if object["apiVersion"] != STORED || object["kind"] != "CustomResourceDefinition" {
        return None;
    }
    object["apiVersion"] = "apiextensions.k8s.io/v1".into();
    spec(object["spec"].as_object_mut()?);
    Some(object.to_string().into())
}

fn spec(spec: &mut Map<String, Value>) {
    let name = spec.remove("version");
    let common: Vec<(&str, Value)> = COMMON
        .into_iter()
        .filter_map(|(once, each)| Some((each, spec.remove(once)?)))
        .collect();
    let versions = spec
        .entry("versions")
        .or_insert_with(|| serde_json::json!([{ "name": name, "served": true, "storage": true }]));
    for version in versions.as_array_mut().into_iter().flatten() {
        let Some(version) = version.as_object_mut() else {
            continue;
        };
        for (field, value) in &common {
            version.entry(*field).or_insert_with(|| value.clone());
        }
        let columns = version.get_mut("additionalPrinterColumns");
        let columns = columns.and_then(Value::as_array_mut).into_iter().flatten();
        for column in columns.filter_map(Value::as_object_mut) {
            if let Some(path) = column.remove("JSONPath") {
                column.insert("jsonPath".into(), path);
            }
        }
    }
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut) {
        let mut webhook = Map::new();
        for (old, new) in [
            ("webhookClientConfig", "clientConfig"),
            ("conversionReviewVersions", "conversionReviewVersions"),
        ] {
            webhook.extend(conversion.remove(old).map(|value| (new.to_owned(), value)));
        }
        if conversion
            .get("strategy")
            .is_some_and(|strategy| strategy == "Webhook")
        {
            conversion.insert("webhook".into(), webhook.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_all_versions_share_is_put_into_each() {
        let stored = json!({
            "apiVersion": STORED, "kind": "CustomResourceDefinition",
            "spec": {
                "version": "v1",
                "validation": {"openAPIV3Schema": {"type": "object"}},
                "additionalPrinterColumns": [{"name": "A", "type": "string", "JSONPath": ".a"}],
                "versions": [{"name": "v1"}, {"name": "v2", "schema": {"openAPIV3Schema": {}}}],
                "conversion": {"strategy": "Webhook", "webhookClientConfig": {"url": "u"}, "conversionReviewVersions": ["v1"]},
            },
        });
        let columns = json!([{"name": "A", "type": "string", "jsonPath": ".a"}]);
        let expected = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "spec": {
                "versions": [
                    {"name": "v1", "schema": {"openAPIV3Schema": {"type": "object"}}, "additionalPrinterColumns": columns},
                    {"name": "v2", "schema": {"openAPIV3Schema": {}}, "additionalPrinterColumns": columns},
                ],
                "conversion": {"strategy": "Webhook", "webhook": {
                    "clientConfig": {"url": "u"}, "conversionReviewVersions": ["v1"]}},
            },
        });
        let got = modern(&stored.to_string().into()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&got).unwrap(), expected);
    }

    #[test]
    fn other_objects_stay_as_they_are() {
        let other = json!({"apiVersion": "example.com/v1", "kind": "Thing", "note": STORED});
        assert!(modern(&other.to_string().into()).is_none());
    }
}
