//! Deliveries of watches.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;

use super::client::Target;
use super::closed_loop::{JSON, MERGE_PATCH, Outcome};
use super::objects;
use super::scenario::maps;
use super::timing::Latencies;

/// One part in so many may be lost: the rate is of those that arrived, and says little when most did not.
const MOST_LOST: usize = 2;

/// So often it is tried, where most was lost.
const ATTEMPTS: usize = 4;

/// Deliveries to watchers while objects are updated. A server may close the watch of one that it finds slow, as upstream's does:
/// what that one did not get is not waited for, and where it closed so many that the rate would say little, it is measured anew.
pub async fn watch(
    target: &Target,
    namespace: &str,
    watchers: usize,
    updates: usize,
    objects: usize,
) -> io::Result<Outcome> {
    let mut attempt = 1;
    loop {
        // Each attempt writes values of its own: what was there already would make no event.
        let first = attempt * updates;
        match measure(target, namespace, watchers, first..first + updates, objects).await? {
            Ok(outcome) => return Ok(outcome),
            Err(why) if attempt == ATTEMPTS => return Err(io::Error::other(why)),
            Err(why) => println!("          {why}; again"),
        }
        attempt += 1;
    }
}

/// Once, an update for each of the values; `Err` in the result says that most was lost.
async fn measure(
    target: &Target,
    namespace: &str,
    watchers: usize,
    values: Range<usize>,
    objects: usize,
) -> io::Result<Result<Outcome, String>> {
    let path = maps(namespace);
    let updates = values.len();
    let delivered = Arc::new(AtomicUsize::new(0));
    let lost = Arc::new(AtomicUsize::new(0));
    let expected = watchers * updates;
    let mut readers = Vec::new();
    for _ in 0..watchers {
        let mut connection = target.connect().await?;
        // From the present on: a resourceVersion of the list that was just read.
        let list = connection.get_json(&format!("{path}?limit=1")).await?;
        let version = list["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let uri = format!("{path}?watch=true&resourceVersion={version}&timeoutSeconds=600");
        let mut body = connection
            .send(Method::GET, &uri, JSON, Bytes::new())
            .await?
            .into_body();
        let (delivered, lost) = (Arc::clone(&delivered), Arc::clone(&lost));
        readers.push(tokio::spawn(async move {
            let _open = connection;
            let mut got = 0;
            while let Some(Ok(frame)) = body.frame().await {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                let events = data.iter().filter(|byte| **byte == b'\n').count();
                got += events;
                delivered.fetch_add(events, Ordering::Relaxed);
            }
            lost.fetch_add(updates.saturating_sub(got), Ordering::Relaxed);
        }));
    }
    let start = Instant::now();
    let writers: Vec<_> = (0..16)
        .map(|worker| {
            let (target, path, values) = (target.clone(), path.clone(), values.clone());
            tokio::spawn(async move {
                let mut connection = target.connect().await?;
                for value in values.skip(worker).step_by(16) {
                    let object = format!("{path}/object-{}", value % objects);
                    connection
                        .expect(
                            Method::PATCH,
                            &object,
                            MERGE_PATCH,
                            objects::touch(value).into(),
                        )
                        .await?;
                }
                Ok::<_, io::Error>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await.map_err(io::Error::other)??;
    }
    let limit = Instant::now() + Duration::from_secs(60);
    let settled = || delivered.load(Ordering::Relaxed) + lost.load(Ordering::Relaxed);
    while settled() < expected && Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let elapsed = start.elapsed();
    let count = delivered.load(Ordering::Relaxed);
    for reader in &readers {
        reader.abort();
    }
    let lost = lost.load(Ordering::Relaxed);
    if count + lost < expected || lost > expected / MOST_LOST {
        return Ok(Err(format!(
            "watch: {count} of {expected} deliveries arrived, and {lost} were lost to watches that the server closed"
        )));
    }
    if lost > 0 {
        println!(
            "          watch: the server closed some as too slow, with {lost} of {expected} deliveries to come"
        );
    }
    Ok(Ok(Outcome {
        count,
        elapsed,
        latencies: Latencies::default(),
    }))
}
