//! Image volumes: the files of images, made on the spot, in pods.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::cluster::Cluster;

const POD_UID: &str = "io.kubernetes.pod.uid";
const TWO_LAYERS: &str = "registry.test/two-layers:1";
const ONE_LAYER: &str = "registry.test/one-layer:1";

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// An image of these layers, the lowest first, as an OCI layout.
fn image(name: &str, layers: &[&[(&str, &[u8])]]) -> Vec<u8> {
    let digest = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let descriptor = |kind: &str, bytes: &[u8]| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": media_type, "digest": format!("sha256:{}", digest(bytes)), "size": bytes.len()})
    };
    let layers: Vec<Vec<u8>> = layers.iter().map(|files| tar(files)).collect();
    let ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", digest(layer)))
        .collect();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({"architecture": architecture, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ids}});
    let config = config.to_string().into_bytes();
    let described: Vec<Value> = layers
        .iter()
        .map(|layer| descriptor("layer.v1.tar", layer))
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", &config), "layers": described,
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor("manifest.v1+json", &manifest);
    entry["annotations"] = json!({"io.containerd.image.name": name});
    entry["platform"] = json!({"architecture": architecture, "os": "linux"});
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]});
    let index = index.to_string().into_bytes();
    let mut files = vec![
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec(),
        ),
        ("index.json".to_owned(), index),
    ];
    for blob in layers.into_iter().chain([config, manifest]) {
        files.push((format!("blobs/sha256/{}", digest(&blob)), blob));
    }
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    tar(&files)
}

async fn load(cluster: &Cluster) {
    let images = support::images(&cluster.machine.containerd);
    let lower: &[(&str, &[u8])] = &[
        ("data/one", b"first\n"),
        ("data/two", b"second\n"),
        ("both", b"lower\n"),
    ];
    let upper: &[(&str, &[u8])] = &[("both", b"upper\n"), ("data/.wh.two", b"")];
    for (name, layers) in [
        (TWO_LAYERS, &[lower, upper][..]),
        (ONE_LAYER, &[&[("only", b"single\n" as &[u8])][..]]),
    ] {
        let archive = cluster.machine.path().join("image.tar");
        std::fs::write(&archive, image(name, layers)).unwrap();
        images.load(&archive, None).await.unwrap();
    }
}

fn volume(name: &str, reference: &str, policy: &str) -> Value {
    json!({"name": name, "image": {"reference": reference, "pullPolicy": policy}})
}

fn one_volume(reference: &str, policy: &str, sub_path: &str) -> Value {
    let mount = json!({"name": "files", "mountPath": "/files", "subPath": sub_path});
    json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "args": ["sleep", "1000"], "volumeMounts": [mount]}],
        "volumes": [volume("files", reference, policy)],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_an_image_are_there_to_be_read_as_long_as_the_pod() {
    skip_without_containerd!();
    let mut cluster = Cluster::start().await;
    load(&cluster).await;
    let reads = [
        "/files/both",
        "/files/data/one",
        "/files/data/two",
        "/part/one",
        "/single/only",
    ];
    let mut args: Vec<&str> = reads
        .iter()
        .flat_map(|path| ["cat", path, "then", "say", "", "then"])
        .collect();
    for path in ["/files/new", "/part/one", "/single/only"] {
        args.extend(["write", path, "x", "then"]);
    }
    args.extend(["say", "end"]);
    let mounts = json!([
        {"name": "two", "mountPath": "/files"},
        {"name": "two", "mountPath": "/part", "subPath": "data"},
        {"name": "one", "mountPath": "/single"},
    ]);
    cluster.run("reader", json!({
        "restartPolicy": "Never",
        "containers": [{"name": "c", "args": args, "volumeMounts": mounts}],
        "volumes": [volume("two", TWO_LAYERS, "IfNotPresent"), volume("one", ONE_LAYER, "Never")],
    }));
    cluster.phase("reader", "Succeeded");
    let said = cluster.logs(&["reader"]);
    let expected = [
        "upper\n",
        "first\n",
        "/files/data/two: No such file or directory (os error 2)\n",
        "first\n",
        "single\n",
        "/files/new: Read-only file system (os error 30)",
        "/part/one: Read-only file system (os error 30)",
        "/single/only: Read-only file system (os error 30)",
        "end",
        "",
    ];
    assert_eq!(said, expected.join("\n"));
    let events = cluster.events();
    let present = format!("Container image {TWO_LAYERS:?} already present on machine");
    assert!(events.contains(&present), "{events}");

    // What a pod mounts stays, whatever becomes of the image's name.
    cluster.run("stays", one_volume(TWO_LAYERS, "IfNotPresent", ""));
    cluster.ready("stays");
    let containerd = cluster.containerd().await;
    containerd.delete_image(TWO_LAYERS, true).await.unwrap();
    let exec = ["exec", "stays", "--", "/payload", "cat", "/files/both"];
    assert_eq!(cluster.api.kubectl(&exec).unwrap(), "upper\n");
    // Those of a pod that is over are gone, and so are those of one that nobody has told the kubelet to take away.
    let views = containerd.kept_views(POD_UID).await.unwrap();
    let uid = cluster.pod("stays")["metadata"]["uid"].clone();
    let owners: Vec<&str> = views.iter().map(|(uid, _)| uid.as_str()).collect();
    assert_eq!(owners, [uid.as_str().unwrap()]);
    cluster.kill();
    let force = ["delete", "pod", "stays", "--force", "--grace-period=0"];
    cluster.api.kubectl(&force).unwrap();
    cluster.restart();
    support::eventually("its view is removed", || async {
        let views = containerd.kept_views(POD_UID).await.unwrap();
        views.is_empty().then_some(())
    })
    .await;
    cluster.delete("reader");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_without_its_image_volume_waits_and_disturbs_no_other() {
    skip_without_containerd!();
    let cluster = Cluster::start().await;
    load(&cluster).await;
    let mut never = one_volume("registry.test/none:1", "Never", "");
    let other = json!({"name": "other", "args": ["sleep", "1000"]});
    never["containers"].as_array_mut().unwrap().push(other);
    cluster.run("never", never);
    cluster.run(
        "unreachable",
        one_volume("127.0.0.1:1/none:1", "IfNotPresent", ""),
    );
    cluster.run("no-part", one_volume(TWO_LAYERS, "IfNotPresent", "nothing"));
    cluster.run("file", one_volume(TWO_LAYERS, "IfNotPresent", "both"));
    let status = cluster.waiting("never", "ErrImageNeverPull");
    assert_eq!(
        status["state"]["waiting"]["message"],
        "Container image \"registry.test/none:1\" is not present with pull policy of Never"
    );
    cluster.until("the other container of the pod runs", || {
        let pod = cluster.pod("never");
        let statuses = pod["status"]["containerStatuses"].as_array()?.clone();
        let other = statuses
            .iter()
            .find(|status| status["name"] == "other")?
            .clone();
        other["state"]["running"].is_object().then_some(())
    });
    let status = cluster.waiting("unreachable", "ImagePullBackOff");
    let message = status["state"]["waiting"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.starts_with("Back-off pulling image \"127.0.0.1:1/none:1\": ErrImagePull: "),
        "{message}"
    );
    for (name, said) in [
        (
            "no-part",
            "failed to ensure image subpath \"nothing\" in volume \"files\": No such file or directory (os error 2)",
        ),
        (
            "file",
            "failed to ensure image subpath \"both\" in volume \"files\": subPath \"both\": only directory subpath is supported",
        ),
    ] {
        let status = cluster.waiting(name, "CreateContainerError");
        let message = &status["state"]["waiting"]["message"];
        assert_eq!(message, &format!("ImageVolumeMountFailed: {said}"));
    }
    let events = cluster.events();
    for said in [
        "Error: ErrImageNeverPull",
        "Error: ErrImagePull",
        "Error: ImagePullBackOff",
        "Pulling image \"127.0.0.1:1/none:1\"",
        "Error: ImageVolumeMountFailed",
    ] {
        assert!(events.contains(said), "{said}\n{events}");
    }
    for name in ["never", "unreachable", "no-part", "file"] {
        cluster.delete(name);
    }
    let containerd = cluster.containerd().await;
    assert_eq!(containerd.kept_views(POD_UID).await.unwrap(), []);
    cluster.stop().await;
}
