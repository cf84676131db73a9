//! Counters: requests by verb and code, and the CPU ledger by stage. In the text format that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::request::{RequestContext, Stage};

/// What has been counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    panics: AtomicU64,
    stages: [StageCounter; Stage::ALL.len()],
    /// What others count.
    sources: Mutex<Vec<Source>>,
}

/// A number that is kept elsewhere, and read when it is asked for.
struct Source {
    name: &'static str,
    kind: &'static str,
    read: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

#[derive(Debug, Default)]
struct StageCounter {
    count: AtomicU64,
    nanos: AtomicU64,
}

impl Metrics {
    /// Counts a request that was answered with `code`.
    pub fn record(&self, cx: &RequestContext, code: u16) {
        self.record_refused(cx.info.verb.as_str(), code);
        for stage in Stage::ALL {
            let took = cx.timings().get(stage).as_nanos();
            if took > 0 {
                let counter = &self.stages[stage as usize];
                counter.count.fetch_add(1, Relaxed);
                counter
                    .nanos
                    .fetch_add(u64::try_from(took).unwrap_or(u64::MAX), Relaxed);
            }
        }
    }

    /// Counts a request that was refused before it had a context.
    pub fn record_refused(&self, verb: &'static str, code: u16) {
        *self.requests.lock().entry((verb, code)).or_default() += 1;
    }

    /// Counts a handler that panicked.
    pub fn record_panic(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// Adds a counter (`kind` is `counter`) or a present value (`gauge`) that is kept elsewhere.
    pub fn add(
        &self,
        name: &'static str,
        kind: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let read = Box::new(read);
        self.sources.lock().push(Source { name, kind, read });
    }

    /// The counters as text.
    pub fn render(&self) -> String {
        let mut out = String::from("# TYPE apiserver_request_total counter\n");
        // Writing to a String cannot fail.
        for ((verb, code), count) in self.requests.lock().iter() {
            let _ = writeln!(
                out,
                "apiserver_request_total{{verb=\"{verb}\",code=\"{code}\"}} {count}"
            );
        }
        let _ = writeln!(out, "# TYPE gantry_apiserver_panics_total counter");
        let _ = writeln!(
            out,
            "gantry_apiserver_panics_total {}",
            self.panics.load(Relaxed)
        );
        for Source { name, kind, read } in self.sources.lock().iter() {
            let _ = writeln!(out, "# TYPE {name} {kind}\n{name} {}", read());
        }
        let _ = writeln!(out, "# TYPE gantry_apiserver_stage_seconds summary");
        for stage in Stage::ALL {
            let (counter, name) = (&self.stages[stage as usize], stage.as_str());
            let seconds = counter.nanos.load(Relaxed) as f64 / 1e9;
            let _ = writeln!(
                out,
                "gantry_apiserver_stage_seconds_sum{{stage=\"{name}\"}} {seconds}"
            );
            let count = counter.count.load(Relaxed);
            let _ = writeln!(
                out,
                "gantry_apiserver_stage_seconds_count{{stage=\"{name}\"}} {count}"
            );
        }
        out
    }
}
