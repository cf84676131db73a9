//! A control plane without nodes or pods at rest.

use std::io;
use std::time::Duration;

use super::{Size, megabytes};
use crate::bench::control_plane::ControlPlane;
use crate::bench::figures::Figures;
use crate::bench::subject::{ApiServer, Subject};

pub async fn run(subject: Subject, size: Size, figures: &mut Figures) -> io::Result<()> {
    let mut all = ControlPlane::start(subject, ApiServer::start(subject).await?)?;
    // The first half is for what goes on after a start.
    let half = Duration::from_secs_f64(size.idle / 2.0);
    tokio::time::sleep(half).await;
    let before = all.processor()?;
    tokio::time::sleep(half).await;
    let used = all.processor()?.saturating_sub(before).as_secs_f64();
    let mut add = |row: &str, figure: f64| figures.add(subject, row, figure);
    add("control-idle-cpu", used / half.as_secs_f64() * 100.0);
    let anonymous = all.memory(|memory| memory.anonymous)?;
    add("control-idle-anon", megabytes(anonymous));
    let resident = all.memory(|memory| memory.resident)?;
    add("control-idle-rss", megabytes(resident));
    Ok(())
}
