//! What a full mutual handshake costs, both ends together: ours, with the SPIFFE verifier, the deny list and a policy decision,
//! beside plain rustls with the verifiers it comes with. Same key exchange, suites, kind of certificates; interleaved.
//!
//! `cargo run --release -p bartizan-proxy --example handshakes`. CPU time of the process, one thread.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, dead_code)]

#[path = "../tests/it/world.rs"]
mod world;

use crate::world::{World, name, policies};
use bartizan_core::deny::DenyList;
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, SpiffeId};
use bartizan_crypto::{KeyPair, random};
use bartizan_identity::{DenyIndex, verify_peer};
use bartizan_policy::{Ask, Engine};
use bartizan_runtime::tls::{self, ClientAuth, Judge, JudgeError};
use bartizan_runtime::{clock, process};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::sync::Arc;
use std::time::Duration;

const ROUNDS: usize = 9;
const EACH: usize = 400;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = World::new();
    let (ours, plain) = (Ours::new(&world), Plain::new(&world));
    let mut rows: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let began = process::cpu_us();
        runtime.block_on(async {
            for _ in 0..EACH {
                ours.shake().await;
            }
        });
        let between = process::cpu_us();
        (0..EACH).for_each(|_| plain.shake());
        let ended = process::cpu_us();
        rows[0].push((between - began) as f64 / EACH as f64);
        rows[1].push((ended - between) as f64 / EACH as f64);
    }
    let [ours, plain] = rows.map(|mut row| {
        row.sort_by(f64::total_cmp);
        row[ROUNDS / 2]
    });
    println!(
        "a full mutual handshake, both ends: ours {ours:.0} us of CPU, plain rustls {plain:.0} us; {:.0} % of its rate",
        100.0 * plain / ours
    );
}

struct Ours {
    client: tls::Client,
    server: tls::Server,
    judge: Judge<()>,
}

impl Ours {
    fn new(world: &World) -> Self {
        let client = tls::Client::new(Some(&world.shown("web")), &["http/1.1"]).unwrap();
        let server = tls::Server::new(&world.shown("api"), ClientAuth::Required, &["http/1.1"]).unwrap();
        let (bundles, engine) = (Arc::clone(&world.bundles), Engine::compile(&policies(""), Epoch(1)).unwrap());
        let denied = DenyIndex::read(&DenyList::default(), &world.domain).unwrap();
        let judge: Judge<()> = Arc::new(move |chain: &[&[u8]]| {
            let refuse =
                |refusal: bartizan_identity::Refusal| JudgeError { failure: refusal.failure, detail: refusal.detail };
            let peer = verify_peer(chain, &bundles, clock::now()).map_err(refuse)?;
            assert!(denied.denies(&peer).is_none());
            let ask = Ask {
                user: None,
                id: None,
                principal: &name("web"),
                action: Action::Read,
                resource: &name("api"),
                route: None,
                method: "GET",
                path: "/",
            };
            assert!(engine.decide(&ask).is_allow());
            Ok(())
        });
        Self { client, server, judge }
    }

    async fn shake(&self) {
        let (near, far) = tokio::io::duplex(32 << 10);
        let within = Duration::from_secs(5);
        let (one, other) = tokio::join!(
            self.client.connect(near, Arc::clone(&self.judge), within),
            self.server.accept(far, Arc::clone(&self.judge), within)
        );
        assert!(one.is_ok() && other.is_ok());
    }
}

struct Plain {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Plain {
    fn new(world: &World) -> Self {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519MLKEM768];
        provider.cipher_suites = vec![rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
        let provider = Arc::new(provider);
        let mut roots = RootCertStore::empty();
        for root in world.bundles.roots_of(world.domain.as_str()).unwrap() {
            roots.add(CertificateDer::from(root.clone())).unwrap();
        }
        let roots = Arc::new(roots);
        let id = SpiffeId::parse(&format!("spiffe://{}/workload/plain", world.domain)).unwrap();
        let shown = || {
            let key = KeyPair::generate().unwrap();
            let (ttl, names) = (Duration::from_secs(3600), ["localhost".to_owned()]);
            let svid = world.ca.issue_workload(key.public_spki(), &id, &names, ttl, random::bytes(), clock::now());
            let chain = svid.unwrap().chain.into_iter().map(CertificateDer::from).collect::<Vec<_>>();
            (chain, PrivatePkcs8KeyDer::from(key.pkcs8().expose().clone()).into())
        };
        let ((client_chain, client_key), (server_chain, server_key)) = (shown(), shown());
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(Arc::clone(&roots))
            .with_client_auth_cert(client_chain, client_key)
            .unwrap();
        client.resumption = rustls::client::Resumption::disabled();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build().unwrap();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(server_chain, server_key)
            .unwrap();
        server.send_tls13_tickets = 0;
        Self { client: Arc::new(client), server: Arc::new(server) }
    }

    /// In memory and without a runtime: nothing but rustls.
    fn shake(&self) {
        let host = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::clone(&self.client), host).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&self.server)).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                server.read_tls(&mut rest).unwrap();
                server.process_new_packets().unwrap();
            }
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets().unwrap();
            }
        }
    }
}
