//! What is told of a container's end in its own words: its termination message, or the end of its log.

use std::io::SeekFrom;
use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::logs::LogOptions;

const MAX_MESSAGE_BYTES: u64 = 4096;
const MAX_LOG_BYTES: usize = 2048;
const MAX_LOG_LINES: usize = 80;

/// The end of what a container wrote into its termination message's file; empty without one.
pub(super) async fn written(path: &str) -> String {
    if path.is_empty() {
        return String::new();
    }
    let message = tail(path).await.unwrap_or_default();
    String::from_utf8_lossy(&message).into_owned()
}

/// A file is as long as its container likes: no more of it is read than is wanted.
async fn tail(path: &str) -> std::io::Result<Vec<u8>> {
    let mut file = tokio::fs::File::open(path).await?;
    let start = file
        .metadata()
        .await?
        .len()
        .saturating_sub(MAX_MESSAGE_BYTES);
    file.seek(SeekFrom::Start(start)).await?;
    let mut text = Vec::new();
    file.take(MAX_MESSAGE_BYTES).read_to_end(&mut text).await?;
    Ok(text)
}

/// The end of what a container said.
pub(super) async fn logged(log: PathBuf) -> String {
    let options = LogOptions {
        tail_lines: Some(MAX_LOG_LINES),
        ..Default::default()
    };
    let mut chunks = crate::logs::stream(log, options, || false);
    let mut text = Vec::new();
    while let Some(Ok(chunk)) = chunks.recv().await {
        text.extend_from_slice(&chunk);
        // A line, too, is as long as the container likes.
        let surplus = text.len().saturating_sub(MAX_LOG_BYTES);
        text.drain(..surplus);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_a_long_message_the_end_is_read_and_no_more() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        std::fs::write(&path, "short").unwrap();
        assert_eq!(written(&path).await, "short");
        let long = format!("{}{}", "a".repeat(5000), "the end");
        std::fs::write(&path, &long).unwrap();
        let read = written(&path).await;
        assert_eq!(read.len(), 4096);
        assert!(read.starts_with('a') && read.ends_with("the end"));
        // More than there is memory.
        file.as_file().set_len(1 << 43).unwrap();
        assert_eq!(written(&path).await.len(), 4096);
        assert_eq!(written("/no/such/file").await, "");
        assert_eq!(written("").await, "");
    }
}
