//! Starts upstream's kube-apiserver and etcd and prints where they are; ends at the end of standard input.
//!
//! `cargo run -p e2e --example upstream` gives a real API server to compare a behaviour with.

fn main() -> std::io::Result<()> {
    let upstream = e2e::upstream::UpstreamApiserver::start(&[])?;
    println!("KUBECONFIG={}", upstream.admin.display());
    println!("ETCD={}", upstream.etcd.url);
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
