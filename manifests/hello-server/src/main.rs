//! The sample application: a small HTTP server which answers `GET /` with its pod's name and a text, and counts its visitors.
//!
//! `POD_NAME` names it; `TEXT`, or the file named by `TEXT_FILE` (read anew each time, so that a mounted ConfigMap shows its
//! changes), is what it says; `PORT` is where it listens (8080). `GET /healthz` answers `ok`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

/// A client that says nothing for so long is left.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines of a request that are read at most.
const MAX_HEADERS: usize = 100;
/// Bytes of a body that are taken, and thrown away.
const MAX_BODY: u64 = 1 << 20;

/// What it answers with.
struct Hello {
    name: String,
    text: String,
    text_file: Option<String>,
    visitors: AtomicU64,
}

impl Hello {
    fn from_environment() -> Self {
        let name = std::env::var("POD_NAME")
            .or_else(|_| std::env::var("HOSTNAME"))
            .unwrap_or_else(|_| "nobody".into());
        let text = std::env::var("TEXT").unwrap_or_else(|_| "Hello!".into());
        Self {
            name,
            text,
            text_file: std::env::var("TEXT_FILE").ok(),
            visitors: AtomicU64::new(0),
        }
    }

    fn page(&self) -> std::io::Result<String> {
        let visitors = self.visitors.fetch_add(1, Ordering::Relaxed) + 1;
        let text = match &self.text_file {
            Some(path) => std::fs::read_to_string(path)?,
            None => self.text.clone(),
        };
        Ok(format!(
            "{}\nI am {}, and you are visitor {visitors}.\n",
            text.trim_end(),
            self.name
        ))
    }

    fn answer(&self, method: &str, path: &str) -> (&'static str, String) {
        match (method, path.split('?').next().unwrap_or_default()) {
            ("GET" | "HEAD", "/") => match self.page() {
                Ok(page) => ("200 OK", page),
                Err(error) => ("500 Internal Server Error", format!("{error}\n")),
            },
            ("GET" | "HEAD", "/healthz") => ("200 OK", "ok\n".into()),
            ("GET" | "HEAD", _) => ("404 Not Found", "not found\n".into()),
            _ => ("405 Method Not Allowed", "only GET\n".into()),
        }
    }

    fn serve(&self, connection: &TcpStream) -> std::io::Result<()> {
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new(connection).lines();
        let Some(request) = lines.next().transpose()? else {
            return Ok(());
        };
        for line in lines.take(MAX_HEADERS) {
            if line?.is_empty() {
                break;
            }
        }
        let mut words = request.split(' ');
        let (method, path) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let (status, body) = self.answer(method, path);
        let length = body.len();
        let body = if method == "HEAD" { "" } else { &body };
        let mut out = connection;
        write!(
            out,
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )?;
        // A connection that is closed with something unread is reset, and the answer may be lost with it.
        connection.shutdown(Shutdown::Write)?;
        std::io::copy(&mut connection.take(MAX_BODY), &mut std::io::sink())?;
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    // The first process of a container gets no signal that it does not ask for.
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGTERM);
    ends.add(Signal::SIGINT);
    ends.thread_block()?;
    std::thread::spawn(move || {
        let signal = ends.wait();
        println!("ending: {signal:?}");
        std::process::exit(0);
    });

    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(8080);
    let hello = Arc::new(Hello::from_environment());
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)))?;
    println!("{} listens on {}", hello.name, listener.local_addr()?);
    for connection in listener.incoming() {
        let connection = connection?;
        let hello = hello.clone();
        std::thread::spawn(move || {
            if let Err(error) = hello.serve(&connection) {
                println!("a visitor left: {error}");
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_the_pod_and_says_the_text_of_the_file_as_it_is_now() {
        let file = std::env::temp_dir().join(format!("hello-text-{}", std::process::id()));
        let hello = Hello {
            name: "pod-1".into(),
            text: String::new(),
            text_file: Some(file.display().to_string()),
            visitors: AtomicU64::new(0),
        };
        assert_eq!(hello.answer("GET", "/").0, "500 Internal Server Error");
        for text in ["one", "two"] {
            std::fs::write(&file, text).unwrap();
            let (status, page) = hello.answer("GET", "/?x");
            assert_eq!(status, "200 OK");
            assert!(page.starts_with(&format!("{text}\nI am pod-1")), "{page}");
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(hello.answer("GET", "/none").0, "404 Not Found");
        assert_eq!(hello.answer("POST", "/").0, "405 Method Not Allowed");
    }
}
