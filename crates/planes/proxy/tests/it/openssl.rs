//! The doors of guard and gateway as OpenSSL sees them: what of TLS is spoken there, and what is not.

use crate::programs;
use crate::world::{Guard, World};
use bartizan_core::event::{HandshakeFailure, What};
use bartizan_core::fleet::Protocol;
use bartizan_crypto::{cert, key};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `openssl` offers, and what is agreed then, or that nothing is.
type Row = (&'static [&'static str], Option<&'static str>);

const MATRIX: &[Row] = &[
    (&[], Some("TLSv1.3, Cipher is TLS_AES_")),
    (&["-ciphersuites", "TLS_AES_128_GCM_SHA256"], Some("TLS_AES_128_GCM_SHA256")),
    (&["-ciphersuites", "TLS_AES_256_GCM_SHA384"], Some("TLS_AES_256_GCM_SHA384")),
    (&["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], Some("TLS_CHACHA20_POLY1305_SHA256")),
    (&["-groups", "X25519"], Some("Server Temp Key: X25519, 253 bits")),
    (&["-groups", "P-256"], Some("Server Temp Key: ECDH, prime256v1, 256 bits")),
    // A key of a group that is not taken, beside one that is: asked for once more.
    (&["-groups", "P-521:P-256"], Some("Server Temp Key: ECDH, prime256v1, 256 bits")),
    (&["-sigalgs", "ECDSA+SHA256"], Some("Peer signing digest: SHA256")),
    // None of these.
    (&["-tls1_2"], None),
    (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], None),
    (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], None),
    (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], None),
    (&["-ciphersuites", "TLS_AES_128_CCM_SHA256"], None),
    (&["-ciphersuites", "TLS_AES_128_CCM_8_SHA256"], None),
    (&["-groups", "P-521"], None),
    (&["-groups", "ffdhe2048"], None),
    (&["-sigalgs", "RSA-PSS+SHA256"], None),
];

struct Files(tempfile::TempDir);

impl Files {
    /// Certificate and key of `web`, and the CA above.
    fn of(world: &World) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        let (svid, pair) = world.svid(&world.id("web"));
        let (leaf, above) = svid.chain.split_first().unwrap();
        std::fs::write(files.path("web.pem"), cert::pem(leaf)).unwrap();
        std::fs::write(files.path("above.pem"), above.iter().map(|der| cert::pem(der)).collect::<String>()).unwrap();
        std::fs::write(files.path("web.key"), key::pem(&pair).expose()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// What `openssl s_client` says of a handshake, after which it asks for `/`.
fn ask(at: SocketAddr, files: &Path, shown: bool, more: &[&str]) -> String {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &at.to_string(), "-ign_eof"]).args(more);
    if shown {
        client.arg("-cert").arg(files.join("web.pem")).arg("-key").arg(files.join("web.key"));
        client.arg("-cert_chain").arg(files.join("above.pem"));
    }
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().expect("openssl is installed: `apt-get install openssl`");
    // Where the handshake failed, there is nobody to write to.
    let _ = client.stdin.take().unwrap().write_all(b"GET / HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n");
    let said = client.wait_with_output().unwrap();
    String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr)
}

/// Holds a door against the matrix. What is spoken is answered with one of `statuses`, nothing else is answered at all.
async fn hold(at: SocketAddr, world: &World, shown: bool, statuses: &'static str) {
    let files = Files::of(world);
    for (offered, agreed) in MATRIX {
        let folder = files.0.path().to_owned();
        let said = tokio::task::spawn_blocking(move || ask(at, &folder, shown, offered)).await.unwrap();
        let answered = said.contains("HTTP/1.1 ");
        match agreed {
            Some(word) => assert!(said.contains(word) && said.contains("New, TLSv1.3"), "{offered:?}: {said}"),
            // Refused by the door, not by OpenSSL.
            None => assert!(said.contains("SSL alert number"), "{offered:?}: {said}"),
        }
        assert_eq!(answered, agreed.is_some(), "{offered:?}: {said}");
        assert!(!answered || said.contains(statuses), "{offered:?}: {said}");
        assert!(
            !said.contains("Early data was accepted") && !said.contains("Compression: zlib"),
            "{offered:?}: {said}"
        );
    }
}

async fn guarded() -> (World, Guard) {
    let world = World::new();
    let guard = world.sidecar("api", programs::http().await, Protocol::Http).await;
    (world, guard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_speaks_the_newest_of_tls_and_nothing_else() {
    let (world, guard) = guarded().await;
    hold(guard.mesh(), &world, true, "HTTP/1.1 200").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_speaks_the_newest_of_tls_and_nothing_else() {
    let (world, api) = guarded().await;
    let gateway = world.gateway(&api, "").await;
    hold(gateway.edge(), &world, false, "HTTP/1.1 ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_no_certificate_is_told_so_and_hears_no_answer() {
    let (world, guard) = guarded().await;
    let (files, at) = (Files::of(&world), guard.mesh());
    let folder = files.0.path().to_owned();
    let said = tokio::task::spawn_blocking(move || ask(at, &folder, false, &[])).await.unwrap();
    assert!(said.contains("certificate required") && !said.contains("HTTP/1.1 "), "{said}");
    let why = guard.event(|event| match &event.what {
        What::Handshake(handshake) => handshake.failure,
        _ => None,
    });
    assert_eq!(why.await, HandshakeFailure::NoCertificate);
}

/// A session that was taken up again would go past what is asked of certificates now.
#[tokio::test(flavor = "multi_thread")]
async fn no_session_is_taken_up_again() {
    let (world, guard) = guarded().await;
    let (files, at) = (Files::of(&world), guard.mesh());
    let session = files.path("session.pem");
    let (folder, out) = (files.0.path().to_owned(), session.to_string_lossy().into_owned());
    let first = tokio::task::spawn_blocking(move || ask(at, &folder, true, &["-sess_out", &out])).await.unwrap();
    assert!(first.contains("HTTP/1.1 200") && first.contains("New, TLSv1.3"), "{first}");
    if session.exists() {
        let (folder, from) = (files.0.path().to_owned(), session.to_string_lossy().into_owned());
        let second = tokio::task::spawn_blocking(move || ask(at, &folder, true, &["-sess_in", &from])).await.unwrap();
        assert!(second.contains("New, TLSv1.3") && !second.contains("Reused"), "{second}");
    }
}
