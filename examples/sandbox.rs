//! A sandbox to try things on: `cargo run --example sandbox [PORT]`, until Ctrl-C.
#![expect(clippy::print_stdout, reason = "it is a program for people")]

use std::error::Error;

use headstay::sandbox::{Options, Sandbox};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let sandbox = Sandbox::start(Options { port, ..Options::default() }).await?;
    let kubeconfig = tempfile::Builder::new().prefix("sandbox-").suffix(".yaml").tempfile()?;
    std::fs::write(kubeconfig.path(), sandbox.kubeconfig())?;
    println!("A sandbox runs at {}. It is no cluster: nothing runs in it.\n", sandbox.url());
    println!("  export KUBECONFIG={}\n  kubectl get namespaces", kubeconfig.path().display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
