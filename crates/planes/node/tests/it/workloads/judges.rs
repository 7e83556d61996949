//! Clients that other people wrote, put into `target/judges` by `xtask/judges.sh`.

use crate::workloads::world::{World, uid};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `xtask/judges.sh` installed under `name`.
pub(crate) fn judge(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let path = root.join("target/judges/bin").join(name);
    assert!(path.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", path.display());
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spiffe_client_of_python_is_content() {
    let python = std::fs::canonicalize(judge("python")).unwrap();
    let world = World::start(&format!(
        "  py: {{ selectors: {{ uid: {}, path: {} }}, ttl_s: 60, jwt: true }}\n",
        uid(),
        python.display()
    ))
    .await;
    world.entries(1).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/spiffe_client.py");
    let socket = world.socket();
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(judge("python")).arg(script).arg(socket).stdin(Stdio::null()).output().unwrap()
    })
    .await
    .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "after {out:?}:\n{errors}");
    assert_eq!(out, "x509\njwt\njwt-offline\nrotation\n");
    world.stop().await;
}
