//! `/livez`, `/readyz` and `/healthz`: named checks, together and one by one.
//!
//! A check must answer at once: it looks at what is known, it does not try. The reason of a failure is logged, and shown at
//! the check's own path only, since the summary is public.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use parking_lot::RwLock;

use crate::request::Query;
use crate::status::plain_text;

/// Where a check counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Is the process worth keeping?
    Livez,
    /// Should it get requests?
    Readyz,
    /// The deprecated union of the former.
    Healthz,
}

impl Endpoint {
    /// The path's first part.
    pub const fn as_str(self) -> &'static str {
        match self {
            Endpoint::Livez => "livez",
            Endpoint::Readyz => "readyz",
            Endpoint::Healthz => "healthz",
        }
    }
}

type Probe = dyn Fn() -> Result<(), String> + Send + Sync;

struct Check {
    name: String,
    ready_only: bool,
    probe: Arc<Probe>,
}

/// The checks.
#[derive(Default)]
pub struct Health(RwLock<Vec<Check>>);

impl Health {
    /// The checks of a server that does nothing yet: `ping`.
    pub fn new() -> Health {
        let health = Health::default();
        health.add("ping", || Ok(()));
        health
    }

    /// Adds a check to every endpoint.
    pub fn add(&self, name: &str, probe: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.0.write().push(Check {
            name: name.to_owned(),
            ready_only: false,
            probe: Arc::new(probe),
        });
    }

    /// Adds a check to `/readyz` alone.
    pub fn add_ready(
        &self,
        name: &str,
        probe: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.0.write().push(Check {
            name: name.to_owned(),
            ready_only: true,
            probe: Arc::new(probe),
        });
    }

    /// The names of the checks of an endpoint.
    pub fn names(&self, endpoint: Endpoint) -> Vec<String> {
        self.0
            .read()
            .iter()
            .filter(|c| counts(c, endpoint))
            .map(|c| c.name.clone())
            .collect()
    }

    /// Whether every check of the endpoint passes.
    pub fn is_ok(&self, endpoint: Endpoint) -> bool {
        self.0
            .read()
            .iter()
            .filter(|c| counts(c, endpoint))
            .all(|c| (c.probe)().is_ok())
    }

    /// Answers `/ENDPOINT` (`name` empty) or `/ENDPOINT/NAME`.
    pub fn answer(&self, endpoint: Endpoint, name: &str, query: &Query) -> Response<Body> {
        if name.is_empty() {
            self.summary(endpoint, query)
        } else {
            self.single(endpoint, name)
        }
    }

    fn single(&self, endpoint: Endpoint, name: &str) -> Response<Body> {
        let probe = self
            .0
            .read()
            .iter()
            .find(|c| counts(c, endpoint) && c.name == name)
            .map(|c| Arc::clone(&c.probe));
        match probe.map(|probe| probe()) {
            None => plain_text(StatusCode::NOT_FOUND, "404 page not found"),
            Some(Ok(())) => ok("ok".to_owned()),
            Some(Err(why)) => plain_text(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("internal server error: {why}"),
            ),
        }
    }

    fn summary(&self, endpoint: Endpoint, query: &Query) -> Response<Body> {
        let excluded: Vec<&str> = query.all("exclude").collect();
        let mut unknown = excluded.clone();
        let (mut lines, mut failed) = (String::new(), Vec::new());
        for check in self.0.read().iter().filter(|c| counts(c, endpoint)) {
            let name = &check.name;
            if excluded.contains(&name.as_str()) {
                unknown.retain(|u| u != name);
                lines += &format!("[+]{name} excluded: ok\n");
                continue;
            }
            match (check.probe)() {
                Ok(()) => lines += &format!("[+]{name} ok\n"),
                Err(why) => {
                    lines += &format!("[-]{name} failed: reason withheld\n");
                    failed.push(format!("{name}: {why}"));
                }
            }
        }
        if !unknown.is_empty() {
            unknown.sort_unstable();
            let quoted: Vec<String> = unknown.iter().map(|u| api::field::quote(u)).collect();
            lines += &format!(
                "warn: some health checks cannot be excluded: no matches for {}\n",
                quoted.join(", ")
            );
        }
        let endpoint = endpoint.as_str();
        if !failed.is_empty() {
            tracing::warn!(endpoint, ?failed, "health check failed");
            return plain_text(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("{lines}{endpoint} check failed"),
            );
        }
        match query.get("verbose") {
            None => ok("ok".to_owned()),
            Some(_) => ok(format!("{lines}{endpoint} check passed\n")),
        }
    }
}

fn counts(check: &Check, endpoint: Endpoint) -> bool {
    endpoint == Endpoint::Readyz || !check.ready_only
}

fn ok(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    async fn get(health: &Health, endpoint: Endpoint, name: &str, query: &str) -> (u16, String) {
        let response = health.answer(endpoint, name, &Query::parse(query));
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn checks_answer_as_upstreams_do() {
        let (health, up) = (Health::new(), Arc::new(AtomicBool::new(true)));
        let probe = Arc::clone(&up);
        health.add("store", move || {
            if probe.load(Relaxed) {
                Ok(())
            } else {
                Err("disk full".to_owned())
            }
        });
        health.add_ready("shutdown", || Ok(()));
        let ok = |body: &str| (200, body.to_owned());
        assert_eq!(get(&health, Endpoint::Livez, "", "").await, ok("ok"));
        assert_eq!(
            get(&health, Endpoint::Readyz, "", "verbose").await,
            ok("[+]ping ok\n[+]store ok\n[+]shutdown ok\nreadyz check passed\n")
        );
        assert_eq!(
            get(
                &health,
                Endpoint::Livez,
                "",
                "verbose&exclude=store&exclude=foo"
            )
            .await,
            ok(
                "[+]ping ok\n[+]store excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"foo\"\n\
                livez check passed\n"
            )
        );
        assert_eq!(get(&health, Endpoint::Livez, "ping", "").await, ok("ok"));
        assert_eq!(
            get(&health, Endpoint::Livez, "nope", "").await,
            (404, "404 page not found\n".to_owned())
        );
        assert_eq!(get(&health, Endpoint::Livez, "shutdown", "").await.0, 404);

        up.store(false, Relaxed);
        assert_eq!(
            get(&health, Endpoint::Healthz, "", "").await,
            (
                500,
                "[+]ping ok\n[-]store failed: reason withheld\nhealthz check failed\n".to_owned()
            )
        );
        assert_eq!(
            get(&health, Endpoint::Healthz, "store", "").await,
            (500, "internal server error: disk full\n".to_owned())
        );
        assert!(!health.is_ok(Endpoint::Readyz));
    }
}
