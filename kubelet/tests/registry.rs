//! Pulling from a registry that speaks the distribution API over plain HTTP on loopback, with and without a login.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kubelet::image::pack::{PackOptions, pack};
use kubelet::image::{Credentials, Error, PullOptions, Registries};
use support::Machine;

/// `user:secret` in base64.
const LOGIN: &str = "Basic dXNlcjpzZWNyZXQ=";

struct Registry {
    address: SocketAddr,
    blobs_served: Arc<AtomicUsize>,
}

/// Serves the image of an archive as `team/app:1`; `private/app:1` needs a login.
fn serve(archive: &[u8]) -> Registry {
    serve_or_break_off(archive, false)
}

/// The same; or each blob breaks off in its middle.
fn serve_or_break_off(archive: &[u8], breaks_off: bool) -> Registry {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().display().to_string(), bytes);
    }
    let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let manifest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let blobs_served = Arc::new(AtomicUsize::new(0));
    let served = blobs_served.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            let (files, manifest, served) = (files.clone(), manifest.clone(), served.clone());
            std::thread::spawn(move || answer(&connection, &files, &manifest, &served, breaks_off));
        }
    });
    Registry {
        address,
        blobs_served,
    }
}

fn answer(
    connection: &std::net::TcpStream,
    files: &BTreeMap<String, Vec<u8>>,
    manifest: &str,
    served: &AtomicUsize,
    breaks_off: bool,
) {
    let mut reader = BufReader::new(connection);
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut login = None;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("authorization")
            {
                login = Some(value.to_owned());
            }
        }
        let target = request.split(' ').nth(1).unwrap();
        // A mirror is told whose image it is.
        let path = target.split('?').next().unwrap().to_owned();
        let blob = |digest: &str| files.get(&format!("blobs/{}", digest.replace(':', "/")));
        let last = path.rsplit('/').next().unwrap();
        let (mut status, mut kind, mut body): (&str, &str, &[u8]) = (
            "404 Not Found",
            "application/json",
            br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#,
        );
        let wants_login = path.starts_with("/v2/private/");
        let mut extra = String::new();
        if path == "/v2/" || wants_login && login.as_deref() != Some(LOGIN) {
            if login.as_deref() == Some(LOGIN) {
                (status, body) = ("200 OK", b"{}");
            } else {
                (status, body) = ("401 Unauthorized", br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":{}}]}"#);
                extra = "WWW-Authenticate: Basic realm=\"test\"\r\n".into();
            }
        } else if path.contains("/manifests/") && (last == "1" || last == manifest) {
            (status, kind, body) = (
                "200 OK",
                "application/vnd.oci.image.manifest.v1+json",
                blob(manifest).unwrap(),
            );
            extra = format!("Docker-Content-Digest: {manifest}\r\n");
        } else if path.contains("/blobs/")
            && let Some(bytes) = blob(last)
        {
            served.fetch_add(1, Ordering::Relaxed);
            (status, kind, body) = ("200 OK", "application/octet-stream", bytes);
        }
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{extra}\r\n",
            body.len()
        );
        let mut out = connection;
        let broken = breaks_off && path.contains("/blobs/");
        let body = match &request[..4] {
            "HEAD" => &[][..],
            _ if broken => &body[..body.len() / 2],
            _ => body,
        };
        if out
            .write_all(head.as_bytes())
            .and_then(|()| out.write_all(body))
            .is_err()
            || broken
        {
            return;
        }
    }
}

/// The archive of an image.
fn app(machine: &Machine) -> Vec<u8> {
    let binary = machine.path().join("app");
    std::fs::write(&binary, b"another program").unwrap();
    let mut archive = Vec::new();
    let options = PackOptions {
        binary: &binary,
        name: "app:1",
        user: "7",
    };
    pack(&options, &mut archive).unwrap();
    archive
}

fn configured_in(dir: &Path) -> Registries {
    Registries {
        config_dir: Some(dir.to_owned()),
        ..Default::default()
    }
}

/// Says whom to ask for images of `mirrored.test`.
fn write_hosts(dir: &Path, text: &str) {
    std::fs::create_dir_all(dir.join("mirrored.test")).unwrap();
    std::fs::write(dir.join("mirrored.test/hosts.toml"), text).unwrap();
}

#[tokio::test]
async fn images_are_pulled_once_with_the_login_that_they_need() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    let registry = serve(&app(&machine));
    let images = support::images(&machine.containerd);

    let name = format!("{}/team/app:1", registry.address);
    let image = images.pull(&name, &PullOptions::default()).await.unwrap();
    assert_eq!(
        (image.name.as_str(), image.config.user.as_str()),
        (name.as_str(), "7")
    );
    assert_eq!(
        registry.blobs_served.load(Ordering::Relaxed),
        2,
        "the config and one layer"
    );
    images.pull(&name, &PullOptions::default()).await.unwrap();
    assert_eq!(
        registry.blobs_served.load(Ordering::Relaxed),
        2,
        "what is there is not fetched again"
    );
    assert!(images.find(&name).await.unwrap().is_some());

    let private = format!("{}/private/app:1", registry.address);
    let refused = images
        .pull(&private, &PullOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Error::Registry { name, .. } if *name == private),
        "{refused}"
    );
    let credentials = |password: &str| PullOptions {
        credentials: vec![Credentials {
            username: "user".into(),
            password: password.into(),
        }],
        ..Default::default()
    };
    assert!(images.pull(&private, &credentials("wrong")).await.is_err());
    images.pull(&private, &credentials("secret")).await.unwrap();

    let missing = images
        .pull(
            &format!("{}/team/app:2", registry.address),
            &PullOptions::default(),
        )
        .await
        .unwrap_err();
    println!("{refused}\n{missing}");
    assert!(missing.to_string().contains("/team/app:2"), "{missing}");
    let invalid = images
        .pull("no image", &PullOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(invalid, Error::InvalidName { .. }));
    assert!(
        machine.containerd.leases().await.unwrap().is_empty(),
        "no lease is left"
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_are_asked_one_after_the_other_and_get_no_logins() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    let registry = serve(&app(&machine));
    let images = support::images(&machine.containerd);
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (dir, live) = (machine.path().join("certs.d"), registry.address);
    let options = PullOptions {
        credentials: vec![Credentials {
            username: "user".into(),
            password: "secret".into(),
        }],
        registries: configured_in(&dir),
    };
    let hosts = |text: String| write_hosts(&dir, &text);
    // The name of the registry leads nowhere.
    let server = format!("server = \"http://{gone}\"\n");

    hosts(format!(
        "{server}[host.\"http://{gone}\"]\n[host.\"http://{live}\"]\n"
    ));
    let name = "mirrored.test/team/app:1";
    let image = images.pull(name, &options).await.unwrap();
    assert_eq!(image.name, name);

    let private = "mirrored.test/private/app:1";
    let refused = images.pull(private, &options).await.unwrap_err();
    let told = refused.to_string();
    assert!(
        told.contains(&format!("{live}: 401 Unauthorized without a login")),
        "each says why, and a mirror gets no login: {told}"
    );
    assert!(told.contains(&format!("{gone}: ")), "{told}");

    hosts(format!("server = \"http://{live}\"\n"));
    images.pull(private, &options).await.unwrap();

    hosts(format!(
        "{server}[host.\"http://{live}\"]\ncapabilities = [\"pull\"]\n"
    ));
    let other = "mirrored.test/other/app";
    let tagged = images.pull(&format!("{other}:1"), &options).await;
    assert!(tagged.is_err(), "that mirror does not know tags");
    let by_digest = format!("{other}@{}", image.id.rsplit_once('@').unwrap().1);
    images.pull(&by_digest, &options).await.unwrap();

    hosts("header = {}".to_owned());
    let error = images.pull(name, &options).await.unwrap_err().to_string();
    assert!(
        error.ends_with("mirrored.test/hosts.toml: `header` is not supported"),
        "{error}"
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_off_is_passed_over() {
    skip_without_containerd!();
    let machine = Machine::start().await;
    let archive = app(&machine);
    let (broken, whole) = (serve_or_break_off(&archive, true), serve(&archive));
    let images = support::images(&machine.containerd);
    let dir = machine.path().join("certs.d");
    let options = PullOptions {
        registries: configured_in(&dir),
        ..Default::default()
    };
    let text = format!(
        "server = \"http://{}\"\n[host.\"http://{}\"]\n",
        whole.address, broken.address
    );
    write_hosts(&dir, &text);
    // Both have the same layers, and come at once.
    let (one, other) = tokio::join!(
        images.pull("mirrored.test/team/app:1", &options),
        images.pull("mirrored.test/other/app:1", &options),
    );
    assert_eq!(one.unwrap().chain, other.unwrap().chain);
    assert_eq!(
        whole.blobs_served.load(Ordering::Relaxed),
        2,
        "a blob that two images have is fetched once"
    );
    assert!(
        machine.containerd.leases().await.unwrap().is_empty(),
        "no lease is left"
    );
    machine.stop().await;
}
