//! What may change of volumes, of the storage group's objects and of RuntimeClasses, and where the words of upstream's newer rules
//! stand; `tests/tests/validation.rs` compares the rest with upstream itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use api::codec::json::{self, Strict};
use api::kinds::{Kinds, Resource};
use api::{Schema, Tree, defaults, validation};
use bytes::Bytes;

fn resource(kind: &str) -> &'static Resource {
    let group = match kind {
        "PersistentVolume" => "",
        "RuntimeClass" => "node.k8s.io",
        _ => "storage.k8s.io",
    };
    Kinds::builtin().by_kind(group, "v1", kind).unwrap()
}

fn decode(kind: &str, rest: &str) -> Tree {
    let namespace = match kind {
        "CSIStorageCapacity" => r#","namespace":"n""#,
        _ => "",
    };
    let text = format!(r#"{{"metadata":{{"name":"a","resourceVersion":"1"{namespace}}},{rest}}}"#);
    let (ty, body) = (resource(kind).type_id, Bytes::from(text));
    let mut tree = json::decode(Schema::builtin(), ty, body, &mut Strict::new()).unwrap();
    defaults::apply(&mut tree);
    tree
}

fn created(kind: &str, rest: &str) -> Vec<String> {
    let errors = validation::create(resource(kind), &decode(kind, rest));
    errors.iter().map(ToString::to_string).collect()
}

fn changed(kind: &str, old: &str, new: &str) -> Vec<String> {
    let (old, new) = (decode(kind, old), decode(kind, new));
    let errors = validation::update(resource(kind), "", &new, &old);
    errors.iter().map(ToString::to_string).collect()
}

const NOTHING: &[&str] = &[];

fn volume(rest: &str) -> String {
    format!(r#""spec":{{"capacity":{{"storage":"1Gi"}},"accessModes":["ReadWriteOnce"],{rest}}}"#)
}

fn nodes(key: &str, value: &str) -> String {
    volume(&format!(
        r#""hostPath":{{"path":"/x"}},"nodeAffinity":{{"required":{{"nodeSelectorTerms":[{{"matchExpressions":[{{"key":"{key}","operator":"In","values":["{value}"]}}]}}]}}}}"#
    ))
}

#[test]
fn a_volume_stays_where_it_is() {
    let kind = "PersistentVolume";
    let here = volume(r#""hostPath":{"path":"/x"}"#);
    assert_eq!(changed(kind, &here, &here), NOTHING);
    let there = volume(r#""hostPath":{"path":"/y"}"#);
    assert_eq!(
        changed(kind, &here, &there),
        [
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n"
        ]
    );
    let block = volume(r#""hostPath":{"path":"/x"},"volumeMode":"Block""#);
    assert_eq!(
        changed(kind, &here, &block),
        [r#"volumeMode: Invalid value: "Block": field is immutable"#]
    );
}

#[test]
fn a_secret_for_expansion_may_be_added() {
    let kind = "PersistentVolume";
    let csi = |rest: &str| {
        volume(&format!(
            r#""csi":{{"driver":"d","volumeHandle":"h"{rest}}}"#
        ))
    };
    let expand = csi(r#","controllerExpandSecretRef":{"name":"a","namespace":"b"}"#);
    assert_eq!(changed(kind, &csi(""), &expand), NOTHING);
    assert_eq!(changed(kind, &expand, &csi("")).len(), 1);
    let other = csi(r#","controllerExpandSecretRef":{"name":"a","namespace":"b"},"readOnly":true"#);
    assert_eq!(changed(kind, &csi(""), &other).len(), 1);
}

#[test]
fn nodes_of_a_volume_may_get_their_stable_label() {
    let kind = "PersistentVolume";
    let beta = nodes("beta.kubernetes.io/os", "linux");
    let stable = nodes("kubernetes.io/os", "linux");
    assert_eq!(changed(kind, &beta, &stable), NOTHING);
    let words = r#"nodeAffinity: Invalid value: {"Required":{"NodeSelectorTerms":[{"MatchExpressions":[{"Key":"beta.kubernetes.io/os","Operator":"In","Values":["linux"]}],"MatchFields":null}]}}: field is immutable, except for updating from beta label to GA"#;
    assert_eq!(changed(kind, &stable, &beta), [words]);
    let none = volume(r#""hostPath":{"path":"/x"}"#);
    assert_eq!(changed(kind, &none, &beta), NOTHING);
    assert_eq!(
        changed(kind, &beta, &none),
        [
            "nodeAffinity: Invalid value: null: field is immutable, except for updating from beta label to GA"
        ]
    );
    // What was stored with a value that is no label's stays.
    let lax = nodes("a", "not a label");
    assert_eq!(changed(kind, &lax, &lax), NOTHING);
    assert_eq!(created(kind, &lax).len(), 1);
}

#[test]
fn the_newer_rules_speak_last_and_show_nothing() {
    let class = |provisioner: &str, rest: &str| format!(r#""provisioner":"{provisioner}"{rest}"#);
    assert_eq!(
        created(
            "StorageClass",
            &class("", r#","allowedTopologies":[{},{}],"reclaimPolicy":"x""#)
        ),
        [
            r#"reclaimPolicy: Unsupported value: "x": supported values: "Delete", "Retain""#,
            r#"allowedTopologies[0].matchLabelExpressions: Duplicate value: """#,
            r#"allowedTopologies[1].matchLabelExpressions: Duplicate value: """#,
            "provisioner: Required value",
        ]
    );
    assert_eq!(
        changed(
            "StorageClass",
            &class("a", ""),
            &class("", r#","parameters":{"a":"b"},"reclaimPolicy":"Retain""#)
        ),
        [
            "provisioner: Required value",
            "provisioner: Invalid value: null: field is immutable",
            "parameters: Invalid value: null: field is immutable",
            "reclaimPolicy: Invalid value: null: field is immutable",
        ]
    );
    assert_eq!(
        changed("RuntimeClass", r#""handler":"a""#, r#""handler":"""#),
        [
            "handler: Invalid value: null: field is immutable",
            "handler: Required value",
        ]
    );
}

#[test]
fn an_attacher_is_judged_by_two_rules() {
    let kind = "VolumeAttachment";
    let attachment = |attacher: &str| {
        format!(
            r#""spec":{{"attacher":"{attacher}","nodeName":"n","source":{{"persistentVolumeName":"v"}}}}"#
        )
    };
    assert_eq!(created(kind, &attachment("CSI.example.com")), NOTHING);
    assert_eq!(
        created(kind, &attachment(&"x".repeat(64))),
        ["spec.attacher: Too long: may not be more than 63 characters"]
    );
    // In bytes it is too long, in characters it is not.
    let errors = created(kind, &attachment(&"é".repeat(40)));
    assert_eq!(errors.len(), 2);
    assert_eq!(
        errors[0],
        "spec.attacher: Too long: may not be more than 63 bytes"
    );
    assert!(errors[1].contains("an RFC 1123 subdomain must consist of alphanumeric"));
    assert_eq!(
        changed(kind, &attachment("a"), &attachment("b")),
        ["spec: Invalid value: null: field is immutable"]
    );
    let long = attachment(&"x".repeat(64));
    assert_eq!(
        changed(kind, &long, &long),
        ["spec.attacher: Too long: may not be more than 63 bytes"]
    );
}

#[test]
fn an_attachment_without_a_claimed_volume_describes_it() {
    let kind = "VolumeAttachment";
    let inline = |spec: &str| {
        format!(
            r#""spec":{{"attacher":"a","nodeName":"n","source":{{"inlineVolumeSpec":{{"accessModes":["ReadWriteOnce"],{spec}}}}}}}"#
        )
    };
    let csi = r#""csi":{"driver":"a","volumeHandle":"h"}"#;
    assert_eq!(created(kind, &inline(csi)), NOTHING);
    assert_eq!(
        created(
            kind,
            &inline(&format!(
                r#"{csi},"storageClassName":"A","capacity":{{"storage":"1"}},"persistentVolumeReclaimPolicy":"Delete""#
            ))
        ),
        [
            "spec.source.inlineVolumeSpec.capacity: Forbidden: may not be specified in the context of inline volumes",
            "spec.source.inlineVolumeSpec.persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of inline volumes",
            "spec.source.inlineVolumeSpec.storageClassName: Forbidden: may not be specified in the context of inline volumes",
        ]
    );
}

#[test]
fn drivers_stay_what_they_are() {
    let node = |rest: &str| format!(r#""spec":{{"drivers":[{{"name":"a",{rest}}}]}}"#);
    let limited = node(r#""nodeID":"i","allocatable":{"count":3}"#);
    assert_eq!(
        changed("CSINode", &limited, &node(r#""nodeID":"i""#)),
        NOTHING
    );
    assert_eq!(
        changed("CSINode", &limited, &node(r#""nodeID":"j""#)),
        [
            r#"spec.drivers: Invalid value: {"Name":"a","NodeID":"j","TopologyKeys":null,"Allocatable":null}: field is immutable"#
        ]
    );
    let plain = r#""spec":{}"#;
    assert_eq!(changed("CSIDriver", plain, plain), NOTHING);
    assert_eq!(
        changed(
            "CSIDriver",
            plain,
            r#""spec":{"attachRequired":false,"volumeLifecycleModes":["Ephemeral"],"fsGroupPolicy":"None"}"#
        ),
        [
            "spec.attachedRequired: Invalid value: false: field is immutable",
            r#"spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: field is immutable"#,
        ]
    );
}

#[test]
fn classes_of_attributes_and_capacities_keep_what_they_are_asked_by() {
    let class = r#""driverName":"d","parameters":{"a":"b"}"#;
    assert_eq!(changed("VolumeAttributesClass", class, class), NOTHING);
    assert_eq!(
        changed(
            "VolumeAttributesClass",
            class,
            r#""driverName":"e","parameters":{}"#
        ),
        [
            "driverName: Forbidden: updates to driverName are forbidden.",
            "parameters: Forbidden: updates to parameters are forbidden.",
            "parameters: Required value: must contain at least one key/value pair",
        ]
    );
    let room = r#""storageClassName":"s","capacity":"1Gi""#;
    let less = r#""storageClassName":"s","capacity":"1Mi""#;
    assert_eq!(changed("CSIStorageCapacity", room, less), NOTHING);
    assert_eq!(
        changed(
            "CSIStorageCapacity",
            room,
            r#""storageClassName":"t","nodeTopology":{"matchLabels":{"a":"b"}}"#
        ),
        [
            r#"nodeTopology: Invalid value: {"matchLabels":{"a":"b"}}: field is immutable"#,
            r#"storageClassName: Invalid value: "t": field is immutable"#,
        ]
    );
}
