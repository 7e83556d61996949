//! Nodes that join with a certificate of an outside CA: what is believed, and what strangers can do with challenges.

use crate::support::{Connection, Node, Place, Running};
use bartizan_control::{ControlError, Options, X509Pop};
use bartizan_core::limits::CHAIN_CERTS_MAX;
use bartizan_core::status::{Revoke, Revoked};
use bartizan_crypto::forge::{Ca, ExtKeyUsage, Extension, Forged, Recipe};
use bartizan_crypto::{KeyPair, cert, csr, hash};
use bartizan_identity::machine::{Question, answer};
use bartizan_identity::verify_peer;
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{Code, Status};
use bartizan_runtime::control_v1::{ChallengeNodeRequest, JoinNodeRequest, MachineProof};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DOMAIN: &str = "nodes.bank.example";

struct World {
    root: Forged,
    control: Running,
    _place: Place,
}

fn options(place: &Place, pem: &str) -> Options {
    place.write("machines.pem", pem);
    let x509pop = Some(X509Pop { roots: place.path("machines.pem"), domain: DOMAIN.to_owned() });
    Options { x509pop, ..place.options() }
}

/// The certificate of a machine called `name`.
fn recipe(name: &str) -> Recipe {
    Recipe::leaf("", clock::now()).with(|it| {
        it.uris.clear();
        it.dns_names = vec![format!("{name}.{DOMAIN}")];
        it.ext_key_usage = vec![ExtKeyUsage::ClientAuth];
    })
}

impl World {
    async fn start() -> Self {
        let place = Place::new();
        let root = Recipe::ca("machines", clock::now()).self_signed();
        let control = Running::start_with(&place, options(&place, &cert::pem(&root.der))).await;
        Self { root, control, _place: place }
    }

    async fn challenge(&self) -> Vec<u8> {
        challenge(&self.control).await.unwrap()
    }

    /// A machine that does everything right.
    async fn honest(&self, name: &str) -> JoinNodeRequest {
        let leaf = recipe(name).signed_by(&self.root);
        self.request(name, &[&leaf.der], &leaf.key, self.challenge().await)
    }

    fn request(&self, name: &str, chain: &[&[u8]], key: &KeyPair, challenge: Vec<u8>) -> JoinNodeRequest {
        let csr = csr::make(&KeyPair::generate().unwrap()).unwrap();
        let node = crate::support::service(name);
        let question = Question { domain: &self.control.domain, name: &node, challenge: &challenge, csr: &csr };
        let signature = answer(key, &question).unwrap();
        let chain = chain.iter().map(|der| der.to_vec()).collect();
        let machine = Some(MachineProof { challenge, chain, signature });
        JoinNodeRequest { name: name.to_owned(), csr, machine, ..JoinNodeRequest::default() }
    }

    async fn join(&self, request: JoinNodeRequest) -> Result<String, Status> {
        join(&self.control, request).await
    }

    async fn refused(&self, request: JoinNodeRequest, why: &str) {
        let status = self.join(request).await.expect_err(why);
        assert_eq!(status.code(), Code::PermissionDenied, "{why}");
        assert!(!status.message().contains("machine"), "a stranger is told nothing: {}", status.message());
    }
}

async fn challenge(control: &Running) -> Result<Vec<u8>, Status> {
    let mut client = Connection::open(control, None).await.client;
    Ok(client.challenge_node(ChallengeNodeRequest {}).await?.into_inner().challenge)
}

/// The identity that was given.
async fn join(control: &Running, request: JoinNodeRequest) -> Result<String, Status> {
    let reply = Connection::open(control, None).await.client.join_node(request).await?;
    let chain = reply.into_inner().svid.unwrap().chain;
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    Ok(verify_peer(&chain, &control.bundles, clock::now()).unwrap().id().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_roots_for_machines_no_certificate_vouches() {
    let place = Place::new();
    let control = Running::start(&place).await;
    assert_eq!(challenge(&control).await.unwrap_err().code(), Code::PermissionDenied);
    let machine = Some(MachineProof::default());
    let csr = csr::make(&KeyPair::generate().unwrap()).unwrap();
    let request = JoinNodeRequest { name: "edge-3".into(), csr, machine, ..JoinNodeRequest::default() };
    assert_eq!(join(&control, request).await.unwrap_err().code(), Code::PermissionDenied);
    control.stop().await;

    let leaf = recipe("edge-3").self_signed();
    for (pem, why) in [(String::new(), "empty"), (cert::pem(&leaf.der), "no CA"), ("x".repeat(100_000), "too long")] {
        let refused = bartizan_control::serve(options(&place, &pem), Default::default()).await;
        assert!(matches!(refused, Err(ControlError::NodeRoots { .. })), "{why}: {refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_becomes_its_own_node_and_no_other() {
    let world = World::start().await;
    let edge_3 = recipe("edge-3").signed_by(&world.root);
    let edge_4 = recipe("edge-4").signed_by(&world.root);
    let other = Recipe::ca("machines", clock::now()).self_signed();
    let foreign = recipe("edge-3").signed_by(&other);
    let late = recipe("edge-3").with(|it| it.not_after = clock::now().minus(Duration::from_secs(1)));
    let late = late.signed_by(&world.root);
    let ask = async |leaf: &Forged, key: &KeyPair, name: &str, why: &str| {
        let request = world.request(name, &[&leaf.der], key, world.challenge().await);
        world.refused(request, why).await;
    };
    ask(&edge_3, &edge_3.key, "edge-4", "another machine's name").await;
    ask(&edge_3, &edge_4.key, "edge-3", "another machine's key").await;
    ask(&foreign, &foreign.key, "edge-3", "another root").await;
    ask(&late, &late.key, "edge-3", "expired").await;

    // Verified is one document, trusted another: the leaf of one beside the leaf of the other, in either order.
    for chain in [[&edge_3, &edge_4], [&edge_4, &edge_3]] {
        let both = [chain[0].der.as_slice(), &chain[1].der];
        world.refused(world.request("edge-3", &both, &edge_3.key, world.challenge().await), "two leaves").await;
    }
    let good = world.honest("edge-3").await;
    let two_proofs = JoinNodeRequest { token: world.control.token().await, ..good.clone() };
    assert_eq!(world.join(two_proofs).await.unwrap_err().code(), Code::InvalidArgument, "two proofs at once");
    let other_name = JoinNodeRequest { name: "edge-4".to_owned(), ..good.clone() };
    world.refused(other_name, "a name put in afterwards").await;
    let csr = csr::make(&KeyPair::generate().unwrap()).unwrap();
    world.refused(JoinNodeRequest { csr, ..good.clone() }, "a request put in afterwards").await;
    assert_eq!(world.join(good).await.unwrap(), "spiffe://bank.test/bartizan/node/edge-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_also_where_many_send_it_at_once() {
    let world = Arc::new(World::start().await);
    let good = world.honest("edge-3").await;
    let tries: Vec<_> = (0..16)
        .map(|_| {
            let (world, good) = (Arc::clone(&world), good.clone());
            tokio::spawn(async move { world.join(good).await })
        })
        .collect();
    let mut let_in = 0;
    for attempt in tries {
        match attempt.await.unwrap() {
            Ok(_) => let_in += 1,
            Err(status) => assert!(matches!(status.code(), Code::PermissionDenied | Code::ResourceExhausted)),
        }
    }
    assert_eq!(let_in, 1);
    world.refused(good, "replayed").await;

    // Answers to challenges that were never given, or by another control.
    let leaf = recipe("edge-3").signed_by(&world.root);
    let elsewhere = World::start().await;
    for (challenge, why) in
        [(Vec::new(), "none"), (vec![7; 37], "made up"), (elsewhere.challenge().await, "another control's")]
    {
        world.refused(world.request("edge-3", &[&leaf.der], &leaf.key, challenge), why).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_machine_or_node_stays_out() {
    let world = World::start().await;
    let issuing = Recipe::ca("issuing", clock::now()).with(|it| it.ca = Ca::Below(0)).signed_by(&world.root);
    let (key, serial) = (recipe("edge-1").signed_by(&world.root), recipe("edge-2").signed_by(&world.root));
    let below = recipe("edge-3").signed_by(&issuing);
    let serial_hex = cert::read(&serial.der).unwrap().serial_hex().to_owned();
    let fingerprint = |key: &KeyPair| hash::hex(&hash::sha256(key.public_spki()));
    for subject in [
        format!("key:{}", fingerprint(&key.key)),
        format!("serial:{serial_hex}"),
        format!("issuer:{}", fingerprint(&issuing.key)),
        "node:edge-4".to_owned(),
    ] {
        let wanted = Revoke { subject, reason: "stolen".to_owned() };
        world.control.post::<Revoked>("/v1/revoke", &wanted).await.unwrap();
    }
    let ask = async |name: &str, chain: &[&[u8]], key: &KeyPair| {
        let request = world.request(name, chain, key, world.challenge().await);
        world.refused(request, name).await;
    };
    ask("edge-1", &[&key.der], &key.key).await;
    ask("edge-2", &[&serial.der], &serial.key).await;
    ask("edge-3", &[&below.der, &issuing.der], &below.key).await;
    let named = recipe("edge-4").signed_by(&world.root);
    ask("edge-4", &[&named.der], &named.key).await;
    world.join(world.honest("edge-5").await).await.unwrap();
}

/// Server-side request forgery through a challenge: nothing that a certificate names is ever dialled.
#[tokio::test(flavor = "multi_thread")]
async fn control_dials_nothing_that_a_machine_names() {
    let world = World::start().await;
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", trap.local_addr().unwrap());
    let tagged = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let uri = tagged(0x86, url.as_bytes());
    let method = |last: u8| {
        let oid = tagged(0x06, &[0x2b, 6, 1, 5, 5, 7, 0x30, last]);
        tagged(0x30, &[oid, uri.clone()].concat())
    };
    let access = tagged(0x30, &[method(1), method(2)].concat()); // OCSP and issuers (RFC 5280 section 4.2.2.1)
    let points = tagged(0x30, &tagged(0x30, &tagged(0xa0, &tagged(0xa0, &uri)))); // lists (section 4.2.1.13)
    let leaf = recipe("edge-3").with(|it| {
        it.uris = vec![url.clone()];
        it.extensions = vec![
            Extension { oid: vec![1, 3, 6, 1, 5, 5, 7, 1, 1], critical: false, value: access },
            Extension { oid: vec![2, 5, 29, 31], critical: false, value: points },
        ];
    });
    let leaf = leaf.signed_by(&world.root);
    let good = world.request("edge-3", &[&leaf.der], &leaf.key, world.challenge().await);
    world.join(good).await.unwrap();
    let foreign = leaf.der.clone();
    world.refused(world.request("edge-4", &[&foreign], &leaf.key, world.challenge().await), "another name").await;
    assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody was dialled");
}

/// Strangers with chains that are made to cost time: each is refused soon, and others are served meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_chains_do_not_stop_others() {
    let world = Arc::new(World::start().await);
    let now = clock::now();
    let issuers: Vec<Forged> = (1..CHAIN_CERTS_MAX).map(|_| Recipe::ca("machines", now).self_signed()).collect();
    let leaf = recipe("edge-3").signed_by(&issuers[0]);
    let chain: Vec<&[u8]> = std::iter::once(&leaf).chain(&issuers).map(|it| it.der.as_slice()).collect();
    let challenge = world.challenge().await;
    let hostile = world.request("edge-3", &chain, &leaf.key, challenge);
    let began = Instant::now();
    let attackers: Vec<_> = (0..32)
        .map(|_| {
            let (world, hostile) = (Arc::clone(&world), hostile.clone());
            tokio::spawn(async move { world.join(hostile).await.unwrap_err().code() })
        })
        .collect();
    let token = world.control.token().await;
    Node::join(&world.control, "honest", &token).await.expect("a token is no certificate, and is served");
    let honest = began.elapsed();
    for attacker in attackers {
        let code = attacker.await.unwrap();
        assert!(matches!(code, Code::PermissionDenied | Code::ResourceExhausted), "{code:?}");
    }
    println!("honest after {honest:?}, 32 hostile chains refused after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // The same challenge is still good for whoever has the key: a failure uses nothing up.
    let good = recipe("edge-3").signed_by(&world.root);
    let again = hostile.machine.unwrap().challenge;
    world.join(world.request("edge-3", &[&good.der], &good.key, again)).await.unwrap();
}
