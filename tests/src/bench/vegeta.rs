//! vegeta, a load program that others wrote: what it finds is held beside what ours finds.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::load::credentials::Credentials;
use crate::upstream;

/// One request that is sent again and again.
pub struct Attack<'a> {
    /// `GET` or another.
    pub method: &'a str,
    /// Where to.
    pub path: &'a str,
    /// What, or nothing.
    pub body: &'a [u8],
    /// On so many connections, one request after the other on each.
    pub connections: usize,
    /// For so long.
    pub seconds: f64,
}

/// What it found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Requests in all.
    pub requests: f64,
    /// Answers in a second.
    pub per_second: f64,
}

impl Attack<'_> {
    /// Runs it as the user of a kubeconfig; `directory` is for its files.
    ///
    /// # Errors
    /// If it does not run, and if one answer was not a success.
    pub async fn run(&self, kubeconfig: &Path, directory: &Path) -> io::Result<Found> {
        let program = upstream::binary("vegeta")?;
        let credentials = Credentials::read(kubeconfig)?;
        let target = format!(
            "{} {}{}\nContent-Type: application/json\nAccept: application/json\n",
            self.method, credentials.server, self.path
        );
        let mut attack = Command::new(&program);
        attack.args(["attack", "-rate=0", "-http2=false", "-max-body=0"]);
        for flag in ["workers", "max-workers", "connections", "max-connections"] {
            attack.arg(format!("-{flag}={}", self.connections));
        }
        attack.arg(format!("-duration={}s", self.seconds));
        for (flag, name, content) in [
            ("targets", "targets", target.as_bytes()),
            ("body", "body", self.body),
            ("root-certs", "authority.crt", &credentials.authority[..]),
            ("cert", "client.crt", &credentials.certificate),
            ("key", "client.key", &credentials.key),
        ] {
            let file = directory.join(name);
            fs::write(&file, content)?;
            attack.arg(format!("-{flag}={}", file.display()));
        }
        let results = directory.join("results");
        attack.arg(format!("-output={}", results.display()));
        output(attack).await?;
        let mut report = Command::new(program);
        report.args(["report", "-type=json"]).arg(&results);
        found(&serde_json::from_slice(&output(report).await?)?)
    }
}

async fn output(mut command: Command) -> io::Result<Vec<u8>> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("vegeta: {said}")))
}

/// Out of its report.
fn found(report: &Value) -> io::Result<Found> {
    match (&report["requests"].as_f64(), report["throughput"].as_f64()) {
        (Some(requests), Some(per_second)) if report["success"] == 1.0 => Ok(Found {
            requests: *requests,
            per_second,
        }),
        _ => Err(io::Error::other(format!(
            "vegeta: not all went well: {} {}",
            report["status_codes"], report["errors"]
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_report_without_failures_counts() {
        let good =
            json!({"requests": 20, "throughput": 9.5, "success": 1, "status_codes": {"200": 20}});
        let wanted = Found {
            requests: 20.0,
            per_second: 9.5,
        };
        assert_eq!(found(&good).ok(), Some(wanted));
        let bad = json!({"requests": 20, "throughput": 9.5, "success": 0.95, "errors": ["500"]});
        assert!(found(&bad).is_err());
    }
}
