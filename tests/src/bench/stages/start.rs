//! From an empty directory to an API server that is ready.

use std::io;

use super::milliseconds;
use crate::bench::figures::Figures;
use crate::bench::subject::{ApiServer, Subject};

pub async fn run(subject: Subject, figures: &mut Figures) -> io::Result<()> {
    let server = ApiServer::start(subject).await?;
    figures.add(subject, "start-ready", milliseconds(server.ready_after));
    Ok(())
}
