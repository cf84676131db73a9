//! What containers of the tests run: one static program with a few verbs. Compiled by the tests themselves; not part of a crate.

use std::ffi::{CString, c_char};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

unsafe extern "C" {
    fn ioctl(file: i32, request: u64, argument: *mut u16) -> i32;
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn mount(source: *const c_char, target: *const c_char, kind: *const c_char, flags: u64, data: *const c_char) -> i32;
}

static TOLD: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: i32) {
    TOLD.store(true, Ordering::Relaxed);
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    run(&words);
}

fn run(words: &[&str]) {
    match words {
        // Several verbs, one after the other.
        [first @ .., "then"] => run(first),
        words if words.contains(&"then") => {
            let at = words.iter().position(|word| *word == "then").unwrap();
            run(&words[..at]);
            run(&words[at + 1..]);
        }
        ["say", text] => println!("{text}"),
        // Without an end of line.
        ["mutter", text] => print!("{text}"),
        ["complain", text] => eprintln!("{text}"),
        ["sleep", seconds] => std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap())),
        ["exit", code] => std::process::exit(code.parse().unwrap()),
        ["count", total, micros] => {
            let pause = Duration::from_micros(micros.parse().unwrap());
            for number in 0..total.parse::<u64>().unwrap() {
                println!("{number}");
                std::thread::sleep(pause);
            }
        }
        ["env", name] => println!("{name}={}", std::env::var(name).unwrap_or("(unset)".into())),
        ["cat", path] => match std::fs::read_to_string(path) {
            Ok(text) => print!("{text}"),
            Err(error) => println!("{path}: {error}"),
        },
        // Says what stands in the file whenever that has changed, until the end.
        ["follow", path] => {
            let mut last = String::new();
            loop {
                let text = std::fs::read_to_string(path).unwrap_or_default();
                if text != last {
                    println!("{text}");
                    last = text;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        ["until", path] => {
            while !std::path::Path::new(path).exists() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // Until it is told to end, by SIGTERM; and so much longer.
        ["linger", seconds] => {
            // SAFETY: the handler does nothing but store into an atomic.
            unsafe { signal(15, note) };
            while !TOLD.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap()));
        }
        ["write", path, text] => match std::fs::write(path, text) {
            Ok(()) => println!("wrote {path}"),
            Err(error) => println!("{path}: {error}"),
        },
        ["status", field] => {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            println!("{}", status.lines().find(|line| line.starts_with(field)).unwrap());
        }
        ["exists", path] => std::process::exit(i32::from(!std::path::Path::new(path).exists())),
        ["eat", mebibytes] => {
            let mut all = Vec::new();
            for _ in 0..mebibytes.parse::<usize>().unwrap() {
                all.push(vec![1_u8; 1 << 20]);
            }
            println!("ate {}", all.len());
        }
        // An empty file system.
        ["mount", path] => {
            let path = CString::new(*path).unwrap();
            // SAFETY: all that is read are texts that end.
            let failed = unsafe { mount(c"none".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), 0, std::ptr::null()) };
            println!("mounted {}", failed == 0);
        }
        // Gives back what it is given.
        ["echo"] => {
            std::io::copy(&mut std::io::stdin().lock(), &mut std::io::stdout().lock()).unwrap();
        }
        ["lines"] => {
            for line in std::io::stdin().lines() {
                println!("got {}", line.unwrap());
            }
            println!("no more");
        }
        ["gush", mebibytes] => {
            let mut out = std::io::stdout().lock();
            for _ in 0..mebibytes.parse::<usize>().unwrap() {
                out.write_all(&[b'x'; 1 << 20]).unwrap();
            }
        }
        // Says the size of its terminal, once that has so many rows: a client that attaches makes it one larger first.
        ["size", rows] => {
            let (mut size, rows) = ([0_u16; 4], rows.parse().unwrap());
            for _ in 0..30_000 {
                // SAFETY: the call writes four numbers of 16 bits there.
                let failed = unsafe { ioctl(0, 0x5413, size.as_mut_ptr()) };
                if failed != 0 || size[0] == rows {
                    println!("terminal {} rows {} columns {}", failed == 0, size[0], size[1]);
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // Gives back what comes over each connection, and its end.
        ["mirror", port] => {
            let listener = std::net::TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
            println!("listening");
            for connection in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut &connection, &mut &connection);
                    let _ = connection.shutdown(std::net::Shutdown::Write);
                });
            }
        }
        ["serve", port] => {
            let listener = std::net::TcpListener::bind(("0.0.0.0", port.parse().unwrap())).unwrap();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut request = [0; 1024];
                let _ = connection.read(&mut request);
                let status = if std::path::Path::new("/tmp/unwell").exists() { "500 Unwell" } else { "200 OK" };
                let _ = write!(connection, "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            }
        }
        // Sends whoever asks to a place that is unwell.
        ["redirect", port] => {
            let listener = std::net::TcpListener::bind(("0.0.0.0", port.parse().unwrap())).unwrap();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut request = [0; 1024];
                let read = connection.read(&mut request).unwrap_or(0);
                let status = if request[..read].starts_with(b"GET /unwell ") { "500 Unwell" } else { "302 Found" };
                let _ = write!(connection, "HTTP/1.1 {status}\r\nlocation: /unwell\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        }
        other => {
            eprintln!("unknown verb {other:?}");
            std::process::exit(64);
        }
    }
}
