//! Busybox, built from its source as Debian's archive keeps it, without Debian's changes: its shell hands every variable of the
//! environment on to its children, as that of the original images does; Debian's drops those that are no names to it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::packages::output;

/// The release of Debian that has busybox 1.37, as the suite's images do.
const RELEASE: &str = "trixie";

/// The static program, below `cache`; built if it is not there, which takes a minute.
///
/// # Errors
/// What apt or make said.
pub fn build(cache: &Path) -> io::Result<PathBuf> {
    let built = cache.join(format!("busybox-{RELEASE}"));
    if built.exists() {
        return Ok(built);
    }
    fs::create_dir_all(cache)?;
    let work = tempfile::tempdir_in(cache)?;
    let source = source(work.path())?;
    run(make(&source).arg("defconfig"))?;
    let config = source.join(".config");
    // `tc` does not build with the headers of newer kernels.
    let text = fs::read_to_string(&config)?
        .replace("# CONFIG_STATIC is not set", "CONFIG_STATIC=y")
        .replace("CONFIG_TC=y", "# CONFIG_TC is not set");
    fs::write(&config, text)?;
    default_answers(make(&source).arg("oldconfig"))?;
    run(make(&source).args(["-j2", "busybox"]))?;
    fs::copy(source.join("busybox"), work.path().join("built"))?;
    fs::rename(work.path().join("built"), &built)?;
    Ok(built)
}

/// Puts the program below `root`, with a link for each of its applets whose name nothing there has.
///
/// # Errors
/// When a file cannot be written.
pub fn install(program: &Path, root: &Path) -> io::Result<()> {
    let bin = root.join("bin");
    fs::create_dir_all(&bin)?;
    fs::copy(program, bin.join("busybox"))?;
    for name in output(Command::new(program).arg("--list"))?.lines() {
        let taken = ["bin", "sbin", "usr/bin", "usr/sbin"]
            .iter()
            .any(|directory| root.join(directory).join(name).symlink_metadata().is_ok());
        if !taken {
            symlink("busybox", bin.join(name))?;
        }
    }
    Ok(())
}

/// Fetches and unpacks the source; apt is told of the release by files of our own, so that the machine's are left alone.
fn source(work: &Path) -> io::Result<PathBuf> {
    let lists = work.join("lists");
    fs::create_dir_all(lists.join("partial"))?;
    let list = work.join("sources.list");
    let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    fs::write(
        &list,
        format!("deb-src [signed-by={key}] {} {RELEASE} main\n", mirror()?),
    )?;
    fs::write(work.join("status"), "")?;
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.current_dir(work).arg("--quiet");
        for (name, path) in [
            ("Dir::Etc::SourceList", list.as_path()),
            ("Dir::Etc::SourceParts", Path::new("/dev/null")),
            ("Dir::State::Lists", &lists),
            ("Dir::State::status", &work.join("status")),
            ("Dir::Cache", work),
            ("APT::Sandbox::User", Path::new("root")),
        ] {
            apt.arg("--option")
                .arg(format!("{name}={}", path.display()));
        }
        apt
    };
    run(apt().arg("update"))?;
    run(apt().args(["source", "--download-only", "busybox"]))?;
    let archive = entry(work, |name| name.contains(".orig.tar"))?;
    run(Command::new("tar").arg("xf").arg(archive).current_dir(work))?;
    entry(work, |name| name.starts_with("busybox-"))
}

/// Where this machine takes Debian's packages from.
fn mirror() -> io::Result<String> {
    let mut ask = Command::new("apt-get");
    ask.args(["indextargets", "--format", "$(CODENAME) $(REPO_URI)"]);
    let text = output(ask.arg("Created-By: Packages"))?;
    // Those of `bookworm-updates` and the like stand elsewhere, perhaps.
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(codename, _)| !codename.contains('-'))
        .map(|(_, uri)| uri.to_owned())
        .ok_or_else(|| io::Error::other("apt knows no package mirror: /etc/apt has none"))
}

fn entry(directory: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<PathBuf> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if wanted(&entry.file_name().to_string_lossy()) {
            return Ok(entry.path());
        }
    }
    Err(io::Error::other("apt-get fetched no source of busybox"))
}

fn make(source: &Path) -> Command {
    let mut make = Command::new("make");
    make.current_dir(source).stdin(Stdio::null());
    make
}

fn run(command: &mut Command) -> io::Result<()> {
    output(command).map(drop)
}

/// Runs a command that asks, and takes what it proposes.
fn default_answers(command: &mut Command) -> io::Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(mut answers) = child.stdin.take() {
        // It asks less than that; what is left over it does not read.
        let _ = answers.write_all("\n".repeat(2000).as_bytes());
    }
    if child.wait()?.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?} failed")))
}
