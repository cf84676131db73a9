//! Pods whose images come from Debian's docker-registry on loopback, behind a login.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may, and waits for real processes"
)]

mod support;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use e2e::net::free_port;
use e2e::process::Process;
use kubelet::image::pack::{PackOptions, pack};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::json;
use support::cluster::Cluster;

/// The password `s3cret` by bcrypt, as htpasswd writes it.
const HTPASSWD: &str = "puller:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

struct Registry {
    address: String,
    process: Process,
}

/// Starts it with its files in `dir`.
fn serve(dir: &Path) -> Registry {
    let dir = dir.join("registry");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("htpasswd"), HTPASSWD).unwrap();
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let config = json!({
        "version": 0.1, "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": dir.join("data")}},
        "http": {"addr": address},
        "auth": {"htpasswd": {"realm": "test", "path": dir.join("htpasswd")}},
    });
    // JSON is YAML.
    let path = dir.join("config.yml");
    std::fs::write(&path, config.to_string()).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(path);
    let process = Process::start("docker-registry", &dir, command).unwrap();
    e2e::wait::until("the registry listens", Duration::from_secs(10), || {
        std::net::TcpStream::connect(&address)
    });
    Registry { address, process }
}

/// Puts an archive as `gantry image pack` makes it into the registry.
async fn push(archive: &[u8], name: &str) {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().display().to_string(), bytes);
    }
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    let blob = |digest: &str| files[&format!("blobs/{}", digest.replace(':', "/"))].clone();
    let index = json(&files["index.json"]);
    let manifest = blob(index["manifests"][0]["digest"].as_str().unwrap());
    let content = json(&manifest);
    let reference: Reference = name.parse().unwrap();
    let client = Client::new(ClientConfig {
        protocol: ClientProtocol::Http,
        ..Default::default()
    });
    let login = RegistryAuth::Basic("puller".into(), "s3cret".into());
    client
        .auth(&reference, &login, oci_client::RegistryOperation::Push)
        .await
        .unwrap();
    let layers = content["layers"].as_array().unwrap().iter();
    for part in layers.chain([&content["config"]]) {
        let digest = part["digest"].as_str().unwrap();
        client
            .push_blob(&reference, blob(digest), digest)
            .await
            .unwrap();
    }
    client
        .push_manifest_raw(
            &reference,
            manifest,
            "application/vnd.oci.image.manifest.v1+json"
                .parse()
                .unwrap(),
        )
        .await
        .unwrap();
}

/// What a pull secret holds.
fn docker_config(registry: &str, password: &str) -> String {
    let login = base64::engine::general_purpose::STANDARD.encode(format!("puller:{password}"));
    json!({"auths": {registry: {"auth": login}}}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_gets_its_image_with_its_pull_secret_and_says_what_the_registry_said_without() {
    skip_without_containerd!();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cluster = Cluster::start().await;
    let mut registry = serve(cluster.machine.path());
    let image = format!("{}/team/payload:1", registry.address);
    let mut archive = Vec::new();
    let options = PackOptions {
        binary: &support::payload(),
        name: &image,
        user: "",
    };
    pack(&options, &mut archive).unwrap();
    push(&archive, &image).await;

    for (name, password) in [("right", "s3cret"), ("wrong", "guessed")] {
        cluster.create(&json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": docker_config(&registry.address, password)},
        }));
    }
    let spec = |secret: Option<&str>| {
        let secrets: Vec<_> = secret.iter().map(|name| json!({"name": name})).collect();
        json!({
            "terminationGracePeriodSeconds": 0,
            "imagePullSecrets": secrets,
            "containers": [{"name": "c", "image": image, "imagePullPolicy": "Always", "args": ["say", "pulled", "then", "sleep", "1000"]}],
        })
    };
    // First those that must fail: nothing is there that they could use.
    for (name, secret, said) in [
        (
            "anonymous",
            None,
            "401 Unauthorized without a login: http://",
        ),
        (
            "refused",
            Some("wrong"),
            "401 Unauthorized with the login of \"puller\": http://",
        ),
    ] {
        cluster.run(name, spec(secret));
        let status = cluster.until(&format!("{name} is refused"), || {
            let status = cluster.pod(name)["status"]["containerStatuses"][0].clone();
            let reason = status["state"]["waiting"]["reason"].as_str()?;
            ["ErrImagePull", "ImagePullBackOff"]
                .contains(&reason)
                .then_some(status)
        });
        let message = status["state"]["waiting"]["message"].as_str().unwrap();
        println!("{name}: {message}");
        assert!(message.contains(&image), "{message}");
        assert!(message.contains(said), "{message}");
        let status = cluster.waiting(name, "ImagePullBackOff");
        let message = status["state"]["waiting"]["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("Back-off pulling image {image:?}: ErrImagePull: ")),
            "{message}"
        );
    }
    cluster.run("allowed", spec(Some("right")));
    cluster.ready("allowed");
    assert_eq!(cluster.logs(&["allowed"]), "pulled\n");
    let events = cluster.events();
    for (pod, said) in [
        ("allowed", format!("Pulling image {image:?}")),
        (
            "allowed",
            format!("Successfully pulled image {image:?} in "),
        ),
        ("refused", format!("Failed to pull image {image:?}: ")),
        ("refused", format!("Back-off pulling image {image:?}")),
    ] {
        assert!(
            events
                .lines()
                .any(|line| line.starts_with(pod) && line.contains(&said)),
            "{said}\n{events}"
        );
    }
    // A secret put right is enough: the next try uses it.
    cluster
        .api
        .kubectl(&["patch", "secret", "wrong", "-p", &json!({"stringData": {".dockerconfigjson": docker_config(&registry.address, "s3cret")}}).to_string()])
        .unwrap();
    cluster.ready("refused");
    // The files of an image are asked for in the same way, at each start of a container that mounts them.
    cluster.run("mounts", json!({
        "terminationGracePeriodSeconds": 0,
        "imagePullSecrets": [{"name": "right"}],
        "containers": [{"name": "c", "args": ["exists", "/files/payload"], "volumeMounts": [{"name": "files", "mountPath": "/files"}]}],
        "volumes": [{"name": "files", "image": {"reference": image, "pullPolicy": "Always"}}],
    }));
    let status = cluster.waiting("mounts", "CrashLoopBackOff");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 0, "{status}");
    let asked = cluster
        .api
        .kubectl(&["get", "events", "-o", "json"])
        .unwrap();
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    let asked = asked["items"].as_array().unwrap().iter().filter(|event| {
        event["involvedObject"]["name"] == "mounts" && event["reason"] == "Pulling"
    });
    let times: u64 = asked
        .map(|event| event["count"].as_u64().unwrap_or(1))
        .sum();
    assert_eq!(times, 2, "{}", cluster.events());
    for name in ["allowed", "refused", "anonymous", "mounts"] {
        cluster.delete(name);
    }
    cluster.stop().await;
    assert!(registry.process.is_running());
}
