//! Volumes, and what belongs to the storage group.

use serde_json::{Value, json};

pub fn objects() -> Vec<Value> {
    // A volume of one source, and what belongs to the storage group.
    let volume = |extra: Value| {
        let mut spec = json!({"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]});
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v", "annotations": {"volume.beta.kubernetes.io/mount-options": "a"}}, "spec": spec})
    };
    let stored = |kind: &str, extra: Value| {
        let version = match kind {
            "RuntimeClass" => "node.k8s.io/v1",
            _ => "storage.k8s.io/v1",
        };
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}});
        for (key, value) in extra.as_object().unwrap() {
            object[key] = value.clone();
        }
        object
    };
    let attachment = |attacher: &str, source: Value| {
        stored(
            "VolumeAttachment",
            json!({"spec": {"attacher": attacher, "nodeName": "n", "source": source}}),
        )
    };
    let class = |mut extra: Value| {
        extra["provisioner"] = "example.com/p".into();
        stored("StorageClass", extra)
    };
    let many: Value = (0..513)
        .map(|n| (n.to_string(), Value::from("")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    vec![
        volume(json!({})),
        volume(json!({"hostPath": {"path": "/a/.."}, "persistentVolumeReclaimPolicy": "Recycle"})),
        volume(json!({"hostPath": {"path": "/a/../b"}, "nfs": {}, "csi": {}})),
        volume(json!({"flexVolume": {"driver": "d"}, "nfs": {"server": "s", "path": "/p"}})),
        volume(
            json!({"nfs": {"server": "s", "path": "/p"}, "flexVolume": {"options": {"x.K8s.io/a": "b", "kubernetes.io": "c"}}}),
        ),
        volume(json!({"capacity": {}})),
        volume(json!({"capacity": {"cpu": "1", "storage": "-1m"}, "cephfs": {}})),
        volume(json!({"capacity": {}, "accessModes": ["ReadWriteOncePod", "ReadWriteOnce", "x"]})),
        volume(json!({"local": {"path": "../x"}, "volumeAttributesClassName": ""})),
        volume(json!({"local": {}, "nodeAffinity": {}})),
        volume(
            json!({"iscsi": {"targetPortal": "p".repeat(63), "iqn": "x.iqn.2001-04.com:a", "initiatorName": "iqn.2001-04.com", "lun": 256, "chapAuthSession": true}}),
        ),
        volume(
            json!({"iscsi": {"iqn": "iqn-iqn.2001-04.com:a", "initiatorName": "naa.0", "secretRef": {}}}),
        ),
        volume(json!({"fc": {}})),
        volume(json!({"fc": {"targetWWNs": ["a"], "wwids": ["b"], "lun": -1}})),
        volume(json!({"fc": {"targetWWNs": ["a"]}})),
        volume(json!({"flocker": {"datasetName": "a/b", "datasetUUID": "c"}})),
        volume(json!({"flocker": {}})),
        volume(json!({"quobyte": {"registry": "a:1,b", "volume": "v"}})),
        volume(json!({"quobyte": {"registry": "a", "tenant": "t".repeat(65)}})),
        volume(json!({"gcePersistentDisk": {"partition": 256}})),
        volume(json!({"awsElasticBlockStore": {"volumeID": "v", "partition": -1}})),
        volume(
            json!({"azureDisk": {"diskName": "d", "diskURI": "u", "kind": "x", "cachingMode": "<"}}),
        ),
        volume(json!({"azureDisk": {"diskName": "d", "diskURI": "https://u", "kind": "Managed"}})),
        volume(json!({"azureFile": {"secretNamespace": ""}})),
        volume(json!({"glusterfs": {"endpointsNamespace": "a.b"}})),
        volume(json!({"glusterfs": {"endpoints": "e", "path": "p", "endpointsNamespace": ""}})),
        volume(json!({"cinder": {"secretRef": {}}})),
        volume(json!({"scaleIO": {}})),
        volume(json!({"storageos": {"volumeNamespace": "a.b", "secretRef": {}}})),
        volume(json!({"vsphereVolume": {}})),
        volume(json!({"photonPersistentDisk": {}})),
        volume(json!({"portworxVolume": {}})),
        volume(json!({"rbd": {}})),
        attachment("", json!({})),
        attachment("Not Valid", json!({"persistentVolumeName": ""})),
        attachment(
            &"x".repeat(64),
            json!({"persistentVolumeName": "v", "inlineVolumeSpec": {}}),
        ),
        attachment(&"é".repeat(40), json!({"persistentVolumeName": "A"})),
        attachment(&"ß.".repeat(200), json!({"persistentVolumeName": "a"})),
        attachment(
            "a",
            json!({"inlineVolumeSpec": {"claimRef": {}, "capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Recycle", "nodeAffinity": {}, "hostPath": {"path": "/"}, "storageClassName": "A", "volumeMode": "Block", "volumeAttributesClassName": ""}}),
        ),
        class(json!({"parameters": many.clone()})),
        class(json!({"parameters": {"a": "x".repeat(300_000), "": ""}})),
        class(json!({"reclaimPolicy": "", "volumeBindingMode": ""})),
        class(json!({"allowedTopologies": [{}]})),
        class(
            json!({"allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": ["b", "b"]}, {"key": "a", "values": ["c"]}]}, {"matchLabelExpressions": [{"key": "a", "values": ["c"]}]}]}),
        ),
        class(json!({"allowedTopologies": [{"matchLabelExpressions": [{"key": "a b"}]}]})),
        stored("StorageClass", json!({"reclaimPolicy": "Recycle"})),
        stored("StorageClass", json!({"provisioner": "Not Valid/a"})),
        stored("VolumeAttributesClass", json!({})),
        stored(
            "VolumeAttributesClass",
            json!({"driverName": "A b", "parameters": many}),
        ),
        stored(
            "CSIDriver",
            json!({"spec": {"tokenRequests": [{"audience": "a", "expirationSeconds": 599}, {"audience": "a", "expirationSeconds": 1}, {"expirationSeconds": 4_294_967_297_i64}], "fsGroupPolicy": "", "volumeLifecycleModes": ["a", "b"], "nodeAllocatableUpdatePeriodSeconds": 9}}),
        ),
        stored(
            "CSIDriver",
            json!({"spec": {"serviceAccountTokenInSecrets": false}}),
        ),
        stored(
            "CSINode",
            json!({"spec": {"drivers": [{"name": "a", "nodeID": "x".repeat(257), "topologyKeys": ["", "b", "b", "c d"]}, {"name": "a", "nodeID": "", "allocatable": {"count": -1}}, {"name": "", "nodeID": "c"}]}}),
        ),
        stored(
            "RuntimeClass",
            json!({"handler": "a.b", "overhead": {"podFixed": {"what": "1", "hugepages-2Mi": "3Mi", "example.com/x": "500m"}}, "scheduling": {"nodeSelector": {"a b": "c d"}}}),
        ),
        stored(
            "RuntimeClass",
            json!({"handler": "X".repeat(64), "scheduling": {"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}, {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]}}),
        ),
    ]
}
