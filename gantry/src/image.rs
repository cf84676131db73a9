//! `gantry image pack|load`: images without a registry.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use clap::Args;
use kubelet::image::Images;
use kubelet::image::pack::{PackOptions, pack};

use runtime::SystemClock;

use crate::node::NodeOptions;

/// Flags of `gantry image pack`.
#[derive(Args, Clone, Debug)]
pub struct Pack {
    /// A statically linked program, which becomes the image's entry point.
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// The image's name, such as gantry.local/hello:1.
    #[arg(long)]
    name: String,
    /// `user[:group]` that it runs as, in numbers.
    #[arg(long, default_value = "65532:65532")]
    user: String,
    /// Where the archive is written.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// Flags of `gantry image load`.
#[derive(Args, Clone, Debug)]
pub struct Load {
    /// The cluster's data directory.
    #[arg(long, default_value = "/var/lib/gantry", value_name = "DIR")]
    data_dir: PathBuf,
    #[command(flatten)]
    node: NodeOptions,
    /// An OCI image layout in a tar file.
    archive: PathBuf,
}

/// Packs one static program as an image.
///
/// # Errors
/// When the program cannot be read or is linked dynamically, or the archive cannot be written.
pub fn pack_image(args: &Pack) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(&args.output)?);
    pack(
        &PackOptions {
            binary: &args.binary,
            name: &args.name,
            user: &args.user,
        },
        &mut out,
    )?;
    out.flush()
}

/// Loads an archive's images into the containerd that this node's kubelet uses; gives their names.
///
/// # Errors
/// When no containerd answers, or the archive is none.
pub async fn load_image(args: &Load) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let config = args.node.kubelet(&args.data_dir);
    let containerd = kubelet::running_containerd(&config).await?;
    Ok(Images::new(containerd, SystemClock::shared())
        .load(&args.archive, None)
        .await?)
}
