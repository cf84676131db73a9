//! The suite's images, made from Debian's packages and upstream's programs: they hold what the originals hold, and nothing
//! about any test.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::busybox;
use super::oci::{Defaults, Layout, layer};
use super::packages::{self, output};
use crate::upstream;

/// How an image is made.
struct Recipe {
    /// The last part of its names.
    name: &'static str,
    /// The part before it that its names must have; any if empty.
    folder: &'static str,
    /// Debian packages beside busybox; none of both if `None`.
    packages: Option<&'static [&'static str]>,
    /// Programs by where they lie.
    programs: &'static [(Program, &'static str)],
    /// Pages from upstream's source: what, and where to.
    files: &'static [(&'static str, &'static str)],
    defaults: Defaults<'static>,
}

/// Where a program comes from.
#[derive(Clone, Copy)]
enum Program {
    /// `hack/upstream/build` makes it.
    Go(&'static str),
    /// A C source of upstream's module.
    C(&'static str),
}

const FOLDER: &str = "e2e-test-images";

/// What upstream's agnhost adds to its base.
const AGNHOST: &[&str] = &[
    "bash",
    "bind9-dnsutils",
    "bind9-host",
    "curl",
    "iperf",
    "iproute2",
    // getent
    "libc-bin",
    "netcat-openbsd",
    "socat",
];

const AGNHOST_PROGRAMS: &[(Program, &str)] = &[(Program::Go("agnhost"), "agnhost")];

const AGNHOST_FILES: &[(&str, &str)] = &[
    ("test/images/agnhost/porter/localhost.crt", "localhost.crt"),
    ("test/images/agnhost/porter/localhost.key", "localhost.key"),
];

const fn agnhost(name: &'static str, files: &'static [(&'static str, &'static str)]) -> Recipe {
    Recipe {
        name,
        folder: FOLDER,
        packages: Some(AGNHOST),
        programs: AGNHOST_PROGRAMS,
        files,
        defaults: Defaults {
            entrypoint: &["/agnhost"],
            cmd: &["pause"],
            user: "",
        },
    }
}

const fn shell(name: &'static str, defaults: Defaults<'static>) -> Recipe {
    Recipe {
        name,
        folder: FOLDER,
        packages: Some(&[]),
        programs: &[],
        files: &[],
        defaults,
    }
}

const SHELL: Defaults<'static> = Defaults {
    entrypoint: &[],
    cmd: &["sh"],
    user: "",
};

const RECIPES: &[Recipe] = &[
    agnhost("agnhost", AGNHOST_FILES),
    Recipe {
        defaults: Defaults {
            entrypoint: &["/agnhost"],
            cmd: &["test-webserver"],
            user: "",
        },
        ..agnhost(
            "nautilus",
            &[
                ("test/images/nautilus/html/data.json", "data.json"),
                ("test/images/nautilus/html/nautilus.jpg", "nautilus.jpg"),
            ],
        )
    },
    Recipe {
        defaults: Defaults {
            entrypoint: &["/agnhost"],
            cmd: &["test-webserver"],
            user: "",
        },
        ..agnhost(
            "kitten",
            &[
                ("test/images/kitten/html/data.json", "data.json"),
                ("test/images/kitten/html/kitten.jpg", "kitten.jpg"),
            ],
        )
    },
    shell("busybox", SHELL),
    // `dig` of Debian, which agnhost's base has: one layer serves both.
    Recipe {
        packages: Some(AGNHOST),
        ..shell("glibc-dns-testing", SHELL)
    },
    shell(
        "nonroot",
        Defaults {
            user: "1234",
            ..SHELL
        },
    ),
    Recipe {
        programs: &[(Program::Go("nonewprivs"), "usr/local/bin/nnp")],
        ..shell(
            "nonewprivs",
            Defaults {
                cmd: &["nnp"],
                ..SHELL
            },
        )
    },
    Recipe {
        packages: Some(&["nginx-light"]),
        ..shell(
            "nginx",
            Defaults {
                cmd: &["nginx", "-g", "daemon off;"],
                ..SHELL
            },
        )
    },
    Recipe {
        packages: Some(&["perl-base"]),
        ..shell("perl", SHELL)
    },
    Recipe {
        programs: &[(Program::Go("sample-apiserver"), "sample-apiserver")],
        ..shell(
            "sample-apiserver",
            Defaults {
                entrypoint: &["/sample-apiserver"],
                cmd: &[],
                user: "",
            },
        )
    },
    Recipe {
        name: "pause",
        folder: "",
        packages: None,
        programs: &[(Program::C("build/pause/linux/pause.c"), "pause")],
        files: &[],
        defaults: Defaults {
            entrypoint: &["/pause"],
            cmd: &[],
            user: "65535:65535",
        },
    },
    Recipe {
        name: "etcd",
        folder: "",
        packages: Some(&[]),
        programs: &[(Program::Go("etcd"), "usr/local/bin/etcd")],
        files: &[],
        defaults: Defaults {
            entrypoint: &[],
            cmd: &["etcd"],
            user: "",
        },
    },
];

/// Programs by names that a package's installation gives them, where they are: Debian's alternatives.
const ALTERNATIVES: &[(&str, &str)] = &[("bin/nc", "nc.openbsd")];

/// Where a program's setuid bit is set, as upstream's recipe of the image does.
const SETUID: &str = "usr/local/bin/nnp";

/// Users and groups as in the originals.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    daemon:x:1:1:daemon:/usr/sbin:/bin/false\n\
    www-data:x:33:33:www-data:/var/www:/bin/false\n\
    user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n\
    nobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nuser-defined-in-image:x:1000:\n\
    group-defined-in-image:x:50000:user-defined-in-image\nnogroup:x:65533:\nnobody:x:65534:\n";

/// The system that agnhost and what is made from it stand on, as the originals say in `/etc/os-release`.
const OS_RELEASE: &str = "NAME=\"Alpine Linux\"\nID=alpine\nPRETTY_NAME=\"Alpine Linux\"\n";

impl Recipe {
    /// True for a full name such as `HOST/FOLDER/NAME:TAG`.
    fn makes(&self, image: &str) -> bool {
        let mut parts = image.rsplit('/');
        let name = parts.next().and_then(|last| last.split(':').next());
        let folder = parts.next().unwrap_or_default();
        // A name of two parts has the registry's host before it.
        let above = parts.next();
        name == Some(self.name)
            && if self.folder.is_empty() {
                above.is_none()
            } else {
                folder == self.folder
            }
    }
}

/// Makes those of `wanted` that there is a recipe for, in one layout at `archive`; the names of those that there is none for.
///
/// # Errors
/// When a part cannot be had.
pub fn make(wanted: &[String], cache: &Path, archive: &Path) -> io::Result<Vec<String>> {
    let mut layout = Layout::default();
    let mut bases: BTreeMap<&[&str], Vec<u8>> = BTreeMap::new();
    for recipe in RECIPES {
        let names: Vec<String> = wanted
            .iter()
            .filter(|image| recipe.makes(image))
            .cloned()
            .collect();
        if names.is_empty() {
            continue;
        }
        let own = own_layer(recipe)?;
        let Some(packages) = recipe.packages else {
            layout.add(&names, &[&own], recipe.defaults);
            continue;
        };
        let base = match bases.entry(packages) {
            Entry::Occupied(base) => base.into_mut(),
            Entry::Vacant(place) => place.insert(base_layer(packages, cache)?),
        };
        layout.add(&names, &[base, &own], recipe.defaults);
    }
    layout.write(archive)?;
    let known = |image: &&String| RECIPES.iter().any(|recipe| recipe.makes(image));
    Ok(wanted.iter().filter(|i| !known(i)).cloned().collect())
}

/// Busybox, some packages, and what they expect around them.
fn base_layer(extra: &[&str], cache: &Path) -> io::Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    for package in packages::fetch(&cache.join("packages"), extra)? {
        packages::unpack(&package, root)?;
    }
    for bulk in ["usr/share/doc", "usr/share/man", "usr/share/locale"] {
        let _ = fs::remove_dir_all(root.join(bulk));
    }
    for (name, program) in ALTERNATIVES {
        let name = root.join(name);
        if name.with_file_name(program).exists() {
            symlink(program, name)?;
        }
    }
    busybox::install(&busybox::build(cache)?, root)?;
    for directory in ["etc", "root", "var/log", "var/run", "home", "usr/local/bin"] {
        make_directory(&root.join(directory), 0o755)?;
    }
    fs::write(root.join("etc/passwd"), PASSWD)?;
    fs::write(root.join("etc/group"), GROUP)?;
    finish_nginx(root)?;
    layer(root)
}

/// What an image has of its own.
fn own_layer(recipe: &Recipe) -> io::Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    // Mount points that the runtime would have to make; with them the root can be read-only.
    for directory in ["dev", "etc", "proc", "sys", "uploads"] {
        make_directory(&root.join(directory), 0o755)?;
    }
    make_directory(&root.join("tmp"), 0o1777)?;
    for (program, path) in recipe.programs {
        let to = root.join(path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        match program {
            Program::Go(name) => {
                fs::copy(upstream::binary(name)?, &to)?;
            }
            Program::C(source) => compile(&source_root()?.join(source), &to)?,
        }
        let mode = if *path == SETUID { 0o6755 } else { 0o755 };
        fs::set_permissions(&to, fs::Permissions::from_mode(mode))?;
    }
    for (source, path) in recipe.files {
        fs::copy(source_root()?.join(source), root.join(path))?;
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o644))?;
    }
    if recipe.programs.iter().any(|(_, path)| *path == "agnhost") {
        symlink("agnhost", root.join("agnhost-2"))?;
        fs::write(root.join("etc/os-release"), OS_RELEASE)?;
    }
    layer(root)
}

/// What the package's installation would do: its site is switched on, and its logs are the container's.
fn finish_nginx(root: &Path) -> io::Result<()> {
    let logs = root.join("var/log/nginx");
    if !root.join("usr/sbin/nginx").exists() {
        return Ok(());
    }
    make_directory(&logs, 0o755)?;
    symlink("/dev/stdout", logs.join("access.log"))?;
    symlink("/dev/stderr", logs.join("error.log"))?;
    let enabled = root.join("etc/nginx/sites-enabled");
    make_directory(&enabled, 0o755)?;
    symlink(
        "/etc/nginx/sites-available/default",
        enabled.join("default"),
    )?;
    for directory in ["var/lib/nginx", "var/www/html", "run"] {
        make_directory(&root.join(directory), 0o755)?;
    }
    let page = root.join("usr/share/nginx/html/index.html");
    fs::copy(page, root.join("var/www/html/index.html")).map(drop)
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn compile(source: &Path, to: &Path) -> io::Result<()> {
    let mut cc = Command::new("cc");
    cc.args(["-Os", "-static", "-DVERSION=gantry", "-o"]);
    output(cc.arg(to).arg(source)).map(drop)
}

/// Where Go keeps the source that the suite is built from.
fn source_root() -> io::Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/upstream");
    let mut go = Command::new("go");
    go.args([
        "list",
        "-mod=mod",
        "-m",
        "-f",
        "{{.Dir}}",
        "k8s.io/kubernetes",
    ]);
    let path = output(go.current_dir(module))?;
    Ok(PathBuf::from(path.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_found_by_the_last_parts_of_a_name() {
        let made = |image: &str| {
            RECIPES
                .iter()
                .find(|recipe| recipe.makes(image))
                .map(|r| r.name)
        };
        assert_eq!(made("host/e2e-test-images/agnhost:2.66.1"), Some("agnhost"));
        assert_eq!(made("host/pause:3.10.2"), Some("pause"));
        assert_eq!(made("host/etcd:3.7.0-0"), Some("etcd"));
        // Behind a login: the suite wants its pull to fail.
        assert_eq!(made("host/authenticated/agnhost:2.6"), None);
        assert_eq!(made("host/e2e-test-images/resource-consumer:1.14"), None);
    }
}
