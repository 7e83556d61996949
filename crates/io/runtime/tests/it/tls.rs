//! Handshakes, good and bad, over a pipe in memory.

use crate::pki::{LONG, anybody, expects, identity, leaf, nobody};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::tls::{TlsGroup, TlsGroups};
use bartizan_runtime::tls::{
    Accepted, Client, ClientAuth, ClientStream, HandshakeError, Identity, Judge, Server, ServerStream,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error, HandshakeKind, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

type ServerSide = Result<Accepted<ServerStream<DuplexStream>, String>, HandshakeError>;
type ClientSide = Result<Accepted<ClientStream<DuplexStream>, String>, HandshakeError>;

const SUITES: [&str; 3] = ["TLS13_AES_128_GCM_SHA256", "TLS13_AES_256_GCM_SHA384", "TLS13_CHACHA20_POLY1305_SHA256"];

async fn shake(
    server: &Server,
    of_client: Judge<String>,
    client: &Client,
    of_server: Judge<String>,
) -> (ServerSide, ClientSide) {
    let (near, far) = duplex(64 << 10);
    tokio::join!(server.accept(near, of_client, LONG), client.connect(far, of_server, LONG))
}

fn server(auth: ClientAuth) -> Server {
    Server::new(&identity("accounts"), auth, &["h2", "http/1.1"]).unwrap()
}

fn client(name: &str) -> Client {
    Client::new(Some(&identity(name)), &["http/1.1"]).unwrap()
}

#[tokio::test]
async fn both_ends_learn_who_the_other_is() {
    let (of_client, _) = expects("payment");
    let (of_server, _) = expects("accounts");
    let (server, client) = shake(&server(ClientAuth::Required), of_client, &client("payment"), of_server).await;
    let (mut server, mut client) = (server.unwrap(), client.unwrap());

    assert_eq!(server.peer.as_deref(), Some("spiffe://bank.test/svc/payment"));
    assert_eq!(client.peer.as_deref(), Some("spiffe://bank.test/svc/accounts"));
    for about in [&server.about, &client.about] {
        assert_eq!(&*about.group, "X25519MLKEM768");
        assert!(SUITES.contains(&&*about.suite), "{}", about.suite);
        assert_eq!(about.alpn.as_deref(), Some("http/1.1"));
        assert!(about.took_us > 0);
    }
    client.stream.write_all(b"ping").await.unwrap();
    client.stream.flush().await.unwrap();
    let mut got = [0; 4];
    server.stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"ping");
}

#[tokio::test]
async fn a_client_without_certificate() {
    let nameless = Client::new(None, &[]).unwrap();

    let (server_side, client_side) = shake(&server(ClientAuth::Required), anybody(), &nameless, anybody()).await;
    assert_eq!(server_side.unwrap_err().failure, HandshakeFailure::NoCertificate);
    // As documented: in TLS 1.3 the client is done already, and learns of it when it reads.
    let mut stream = client_side.unwrap().stream;
    assert!(stream.read(&mut [0; 1]).await.is_err(), "the alert arrives with the first read");

    let (server_side, _) = shake(&server(ClientAuth::Optional), anybody(), &nameless, anybody()).await;
    assert_eq!(server_side.unwrap().peer, None);

    // With `None` a certificate is not even asked for.
    let (server_side, _) =
        shake(&server(ClientAuth::None), nobody(HandshakeFailure::BadSvid), &client("payment"), anybody()).await;
    assert_eq!(server_side.unwrap().peer, None);
}

#[tokio::test]
async fn the_judge_decides_at_either_end() {
    let (of_client, _) = expects("payment");
    for auth in [ClientAuth::Required, ClientAuth::Optional] {
        let (server_side, _) = shake(&server(auth), Arc::clone(&of_client), &client("mallory"), anybody()).await;
        let error = server_side.unwrap_err();
        assert_eq!(error.failure, HandshakeFailure::WrongPeer);
        assert!(error.detail.contains("svc/mallory"), "{error}");
    }

    let (of_server, _) = expects("ledger");
    let (server_side, client_side) =
        shake(&server(ClientAuth::Required), anybody(), &client("payment"), of_server).await;
    assert_eq!(client_side.unwrap_err().failure, HandshakeFailure::WrongPeer);
    assert_eq!(server_side.unwrap_err().failure, HandshakeFailure::Protocol, "the client gave up");

    for failure in HandshakeFailure::ALL {
        let (server_side, _) =
            shake(&server(ClientAuth::Required), nobody(failure), &client("payment"), anybody()).await;
        assert_eq!(server_side.unwrap_err().failure, failure, "the judge's cause is handed on");
    }
}

#[tokio::test]
async fn a_stolen_certificate_is_worth_nothing_without_its_key() {
    let (stolen, own) = (leaf("payment"), leaf("mallory"));
    let (near, far) = duplex(64 << 10);
    let thief = foreign_client(&rustls::version::TLS13, Some((&stolen.der, &own.key)));
    let (of_client, asked) = expects("payment");
    let server = server(ClientAuth::Required);
    let (server_side, _) = tokio::join!(server.accept(near, of_client, LONG), dial(&thief, far));
    assert_eq!(server_side.unwrap_err().failure, HandshakeFailure::UntrustedIssuer);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the judge had said yes");
}

/// Over TCP, where closing at once resets the connection of a client that is still sending.
#[tokio::test]
async fn a_refused_client_gets_to_read_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = server(ClientAuth::Required);
    let nameless = foreign_client(&rustls::version::TLS13, None);
    for _ in 0..20 {
        let accepting = async {
            let (socket, _) = listener.accept().await.unwrap();
            server.accept(socket, anybody(), LONG).await.map(drop)
        };
        let asking = async {
            let socket = TcpStream::connect(addr).await.unwrap();
            let mut stream = dial(&nameless, socket).await.unwrap();
            // A hasty client: its request is under way before it can know of the refusal.
            for _ in 0..10 {
                stream.write_all(&[b'x'; 1024]).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            stream.read(&mut [0; 64]).await.unwrap_err()
        };
        let (refused, told) = tokio::join!(accepting, asking);
        assert_eq!(refused.unwrap_err().failure, HandshakeFailure::NoCertificate);
        let alert = told.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        assert_eq!(alert, Some(&Error::AlertReceived(AlertDescription::CertificateRequired)), "{told}");
    }
}

#[test]
fn an_identity_is_a_chain_and_its_own_key() {
    let (one, other) = (leaf("one"), leaf("other"));
    assert!(Identity::new(std::slice::from_ref(&one.der), &other.key).is_err(), "a foreign key");
    assert!(Identity::new(&[], &one.key).is_err(), "no chain");
    assert!(Identity::new(&[b"no certificate".to_vec()], &one.key).is_err(), "no certificate");
    assert_eq!(format!("{:?}", Identity::new(&[one.der], &one.key).unwrap()), "Identity(…)");
}

#[tokio::test]
async fn a_server_judges_again_though_the_client_would_resume() {
    let server = server(ClientAuth::Required);
    let own = leaf("payment");
    // One configuration, so that it could keep a ticket from the first connection to the second.
    let eager = foreign_client(&rustls::version::TLS13, Some((&own.der, &own.key)));
    let (of_client, asked) = expects("payment");
    for round in 1..=2 {
        let (near, far) = duplex(64 << 10);
        let (server_side, client_side) =
            tokio::join!(server.accept(near, Arc::clone(&of_client), LONG), dial(&eager, far));
        let (mut server_side, mut client_side) = (server_side.unwrap().stream, client_side.unwrap());
        assert_eq!(server_side.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        // Tickets come after the handshake; reading something makes sure that they would have arrived.
        server_side.write_all(b"x").await.unwrap();
        server_side.flush().await.unwrap();
        client_side.read_exact(&mut [0]).await.unwrap();
        assert_eq!(client_side.get_ref().1.tls13_tickets_received(), 0);
        assert_eq!(asked.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn a_client_judges_again_though_the_server_hands_out_tickets() {
    let own = leaf("accounts");
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der.into()], PrivatePkcs8KeyDer::from(own.key.pkcs8().expose().clone()).into())
        .unwrap();
    config.send_tls13_tickets = 4;
    let generous = TlsAcceptor::from(Arc::new(config));
    let client = client("payment");
    let (of_server, asked) = expects("accounts");
    for round in 1..=2 {
        let (near, far) = duplex(64 << 10);
        let (server_side, client_side) =
            tokio::join!(generous.accept(near), client.connect(far, Arc::clone(&of_server), LONG));
        let (mut server_side, mut client_side) = (server_side.unwrap(), client_side.unwrap().stream);
        server_side.write_all(b"x").await.unwrap();
        server_side.flush().await.unwrap();
        client_side.read_exact(&mut [0]).await.unwrap();
        assert_eq!(client_side.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(asked.load(Ordering::SeqCst), round);
    }
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let (near, far) = duplex(64 << 10);
    let old = foreign_client(&rustls::version::TLS12, None);
    let server = server(ClientAuth::None);
    let (server_side, client_side) = tokio::join!(server.accept(near, anybody(), LONG), dial(&old, far));
    assert_eq!(server_side.unwrap_err().failure, HandshakeFailure::Protocol);
    assert!(client_side.is_err());
}

#[tokio::test]
async fn classic_clients_get_a_classic_group() {
    let (near, far) = duplex(64 << 10);
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::SECP256R1, aws_lc_rs::kx_group::X25519];
    let classic = foreign_client_with(provider, &rustls::version::TLS13, None);
    let server = server(ClientAuth::None);
    let (server_side, _) = tokio::join!(server.accept(near, anybody(), LONG), dial(&classic, far));
    let group = server_side.unwrap().about.group;
    assert!(["X25519", "secp256r1"].contains(&&*group), "{group}");
}

#[tokio::test]
async fn ends_that_may_use_different_key_exchanges_do_not_meet() {
    let of = |groups: &[TlsGroup]| TlsGroups::of(groups.iter().copied()).unwrap();
    let (hybrid, classic) = (of(&[TlsGroup::X25519Mlkem768]), of(&[TlsGroup::X25519, TlsGroup::P256]));
    let p256 = of(&[TlsGroup::P256]);
    for (of_server, of_client, agreed) in [
        (hybrid, classic, None),
        (classic, hybrid, None),
        (p256, of(&[TlsGroup::X25519]), None),
        (hybrid, TlsGroups::ALL, Some("X25519MLKEM768")),
        (TlsGroups::ALL, hybrid, Some("X25519MLKEM768")),
        (TlsGroups::ALL, p256, Some("secp256r1")),
        (classic, TlsGroups::ALL, Some("X25519")),
    ] {
        let server = server(ClientAuth::Required).limited_to(of_server).unwrap();
        let client = client("payment").limited_to(of_client).unwrap();
        let (server_side, client_side) = shake(&server, anybody(), &client, anybody()).await;
        let why = format!("{of_server:?} and {of_client:?}");
        match agreed {
            Some(group) => assert_eq!(&*server_side.unwrap().about.group, group, "{why}"),
            None => {
                assert_eq!(server_side.unwrap_err().failure, HandshakeFailure::Protocol, "{why}");
                assert!(client_side.is_err(), "{why}");
            }
        }
    }
}

#[tokio::test]
async fn no_name_is_sent() {
    let (mut near, far) = duplex(64 << 10);
    let client = client("payment");
    let hello = async {
        let mut record = vec![0; 4096];
        let read = near.read(&mut record).await.unwrap();
        drop(near);
        record.truncate(read);
        record
    };
    let (hello, failed) = tokio::join!(hello, client.connect(far, anybody(), LONG));
    assert_eq!(failed.unwrap_err().failure, HandshakeFailure::Protocol);
    assert!(hello.len() > 1000, "a hello with a hybrid key share");
    assert!(!hello.windows(9).any(|w| w == b"127.0.0.1"), "the stand-in name is on the wire");
    // An empty-handed extension list would pass the line above: look for the extension itself.
    assert!(!has_extension(&hello, 0), "server_name");
    assert!(has_extension(&hello, 51), "key_share: the reader of this test reads");
}

/// Whether a ClientHello in one record has the extension `wanted` (RFC 8446 section 4.1.2).
fn has_extension(record: &[u8], wanted: u16) -> bool {
    let u16_at = |at: usize| usize::from(u16::from_be_bytes([record[at], record[at + 1]]));
    let mut at = 5 + 4 + 2 + 32; // record header, handshake header, version, random
    at += 1 + usize::from(record[at]); // session id
    at += 2 + u16_at(at); // cipher suites
    at += 1 + usize::from(record[at]); // compression
    let end = at + 2 + u16_at(at);
    at += 2;
    while at < end {
        if u16_at(at) == usize::from(wanted) {
            return true;
        }
        at += 4 + u16_at(at + 2);
    }
    false
}

#[tokio::test]
async fn a_client_that_offers_other_protocols_is_refused() {
    let other = Client::new(Some(&identity("payment")), &["smtp"]).unwrap();
    let (server_side, client_side) = shake(&server(ClientAuth::Required), anybody(), &other, anybody()).await;
    assert_eq!(server_side.unwrap_err().failure, HandshakeFailure::Protocol);
    assert_eq!(client_side.unwrap_err().failure, HandshakeFailure::Protocol);
}

#[tokio::test]
async fn silence_and_noise_end_a_handshake() {
    const SHORT: Duration = Duration::from_millis(30);
    let (silent, near) = duplex(64 << 10);
    let failed = server(ClientAuth::Required).accept(near, anybody(), SHORT).await.unwrap_err();
    assert_eq!(failed.failure, HandshakeFailure::Timeout);
    drop(silent);

    let (silent, far) = duplex(64 << 10);
    let failed = client("payment").connect(far, anybody(), SHORT).await.unwrap_err();
    assert_eq!(failed.failure, HandshakeFailure::Timeout);
    drop(silent);

    let (mut noisy, near) = duplex(64 << 10);
    noisy.write_all(b"GET / HTTP/1.1\r\nHost: accounts\r\n\r\n").await.unwrap();
    let failed = server(ClientAuth::Required).accept(near, anybody(), LONG).await.unwrap_err();
    assert_eq!(failed.failure, HandshakeFailure::Protocol);

    let (gone, near) = duplex(64 << 10);
    drop(gone);
    let failed = server(ClientAuth::Required).accept(near, anybody(), LONG).await.unwrap_err();
    assert_eq!(
        (failed.failure, &*failed.detail),
        (HandshakeFailure::Protocol, "the peer closed the connection during the handshake")
    );
}

/// A client as others build it: rustls with its defaults, which include resumption, and a verifier that says yes.
fn foreign_client(
    version: &'static SupportedProtocolVersion,
    own: Option<(&[u8], &bartizan_crypto::KeyPair)>,
) -> TlsConnector {
    foreign_client_with(aws_lc_rs::default_provider(), version, own)
}

fn foreign_client_with(
    provider: rustls::crypto::CryptoProvider,
    version: &'static SupportedProtocolVersion,
    own: Option<(&[u8], &bartizan_crypto::KeyPair)>,
) -> TlsConnector {
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous));
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((der, key)) => {
            let key =
                aws_lc_rs::sign::any_ecdsa_type(&PrivatePkcs8KeyDer::from(key.pkcs8().expose().as_slice()).into())
                    .unwrap();
            let certified = CertifiedKey::new(vec![CertificateDer::from(der.to_vec())], key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
    };
    TlsConnector::from(Arc::new(config))
}

async fn dial<IO>(connector: &TlsConnector, io: IO) -> std::io::Result<ClientStream<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    connector.connect(ServerName::try_from("accounts.test").unwrap(), io).await
}

#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
