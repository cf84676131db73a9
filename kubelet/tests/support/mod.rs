//! A containerd of the tests' own, on a private socket, and an image made on the spot.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::disallowed_methods, reason = "it waits for real processes")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use kubelet::containerd::{Containerd, OwnInstance, serve_own};
use kubelet::image::pack::{PackOptions, pack};

pub mod cluster;

pub const IMAGE: &str = "registry.test/payload:1";

/// What is missing to run containers here; tests are skipped then.
pub fn missing() -> Option<&'static str> {
    let program = |name: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|dir| dir.join(name).exists())
    };
    if !nix::unistd::geteuid().is_root() {
        Some("root")
    } else if !program("containerd") || !program("containerd-shim-runc-v2") {
        Some("containerd")
    } else if !program("runc") && !program("crun") {
        Some("an OCI runtime")
    } else {
        None
    }
}

/// The containerd that tests start: the machine's, or that of `GANTRY_CONTAINERD`, by which `hack/test` runs them on 2.x too.
pub fn containerd_program() -> String {
    std::env::var("GANTRY_CONTAINERD").unwrap_or("containerd".into())
}

/// The running test's name, which the harness gives to its thread.
pub fn test_name() -> String {
    std::thread::current().name().unwrap_or("a test").to_owned()
}

/// Ends the test with a line that says so where containers cannot be run.
#[macro_export]
macro_rules! skip_without_containerd {
    () => {
        if let Some(missing) = support::missing() {
            e2e::skip(&support::test_name(), &format!("needs {missing}"));
            return;
        }
    };
}

/// A private containerd, with the payload image loaded. Everything goes when it is dropped.
pub struct Machine {
    pub dir: tempfile::TempDir,
    pub instance: OwnInstance,
    pub containerd: Containerd,
    pub namespace: String,
}

impl Machine {
    pub async fn start() -> Self {
        // OCI runtimes know containers by containerd's namespace and their name, whichever containerd it is.
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self::start_in(&format!("test-{}-{number}", std::process::id())).await
    }

    pub async fn start_in(namespace: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let instance = serve_own(
            &containerd_program(),
            &dir.path().join("containerd"),
            &dir.path().join("run"),
        )
        .await
        .unwrap();
        let containerd = Containerd::connect(instance.socket(), namespace, "overlayfs")
            .await
            .unwrap();
        println!("\nCONTAINERD {}", containerd.version().await.unwrap());
        let archive = dir.path().join("payload.tar");
        let options = PackOptions {
            binary: &payload(),
            name: IMAGE,
            user: "",
        };
        pack(&options, std::fs::File::create(&archive).unwrap()).unwrap();
        images(&containerd).load(&archive, None).await.unwrap();
        Self {
            dir,
            instance,
            containerd,
            namespace: namespace.to_owned(),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Ends everything that runs and the daemon itself.
    pub async fn stop(self) {
        end_all(&self.containerd).await;
        let host = kubelet::oci::Host::detect(None).unwrap();
        kubelet::oci::cgroup::remove(host.cgroups, &format!("/gantry-{}", self.namespace)).unwrap();
        self.instance.stop().await.unwrap();
    }
}

/// A failed test leaves nothing running.
impl Drop for Machine {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let (namespace, instance) = (self.namespace.clone(), self.instance.clone());
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                // A connection of its own: the test's belongs to a runtime that does not run any more.
                if let Ok(containerd) =
                    Containerd::connect(instance.socket(), &namespace, "overlayfs").await
                {
                    let _ =
                        tokio::time::timeout(Duration::from_secs(10), end_all(&containerd)).await;
                }
                let _ = instance.stop().await;
            });
        });
        let _ = cleaner.join();
    }
}

async fn end_all(containerd: &Containerd) {
    // It may have been ended already.
    let Ok(tasks) = containerd.tasks().await else {
        return;
    };
    for task in tasks {
        containerd.kill_task(&task.id, "", 9, true).await.unwrap();
        containerd.wait_task(&task.id, "").await.unwrap();
        containerd.delete_task(&task.id).await.unwrap();
    }
    for container in containerd.containers().await.unwrap() {
        containerd.delete_container(&container.id).await.unwrap();
    }
}

/// The payload program.
pub fn payload() -> PathBuf {
    e2e::payload::payload().unwrap()
}

/// The images of a containerd.
pub fn images(containerd: &Containerd) -> kubelet::image::Images {
    kubelet::image::Images::new(containerd.clone(), runtime::SystemClock::shared())
}

/// Waits until `check` yields something, for at most twenty seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    for _ in 0..1000 {
        if let Some(value) = check().await {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: not within twenty seconds");
}
