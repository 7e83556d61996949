//! A real Envoy: takes its certificate and its roots from our SDS, and speaks mutual TLS with our own TLS ends both ways, with
//! the hybrid key exchange and nothing else.

use crate::workloads::judges::judge;
use crate::workloads::world::{DEADLINE, World, uid, wait_for, with_header};
use bartizan_core::{Secret, TrustDomain};
use bartizan_crypto::{KeyPair, cert};
use bartizan_identity::{TrustBundles, VerifiedPeer, verify_peer};
use bartizan_runtime::clock;
use bartizan_runtime::tls::{About, Client, ClientAuth, Identity, Judge, JudgeError, Server};
use bartizan_runtime::workload_v1::X509svidRequest;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const US: &str = "spiffe://bank.test/workload/us";
const ENVOY: &str = "spiffe://bank.test/workload/envoy";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// Envoy itself, behind the script that PyPI installs.
fn executable() -> PathBuf {
    let code = "import envoy, pathlib; print(next(p for p in pathlib.Path(envoy.__file__).parent.rglob('envoy*') \
                if p.is_file() and p.stat().st_size > 1000000))";
    let out = Command::new(judge("python")).args(["-c", code]).output().unwrap();
    let path = String::from_utf8(out.stdout).unwrap();
    assert!(!path.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    std::fs::canonicalize(path.trim()).unwrap()
}

struct Envoy {
    child: Child,
    /// Mutual TLS comes in here.
    inbound: SocketAddr,
    /// Plain HTTP comes in here and goes out by mutual TLS.
    outbound: SocketAddr,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sds(name: &str) -> Value {
    let service = json!({"envoy_grpc": {"cluster_name": "sds"}});
    let source = json!({"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [service]});
    json!({"name": name, "sds_config": {"resource_api_version": "V3", "api_config_source": source}})
}

/// What both directions have in common: hybrid key exchange, our SDS, and one name that the peer has to have.
fn tls_context(kind: &str, more: Value) -> Value {
    let san = json!([{"san_type": "URI", "matcher": {"exact": US}}]);
    let mut context = json!({
        "@type": format!("{TLS}.{kind}"),
        "common_tls_context": {
            "tls_params": {
                "tls_minimum_protocol_version": "TLSv1_3",
                "tls_maximum_protocol_version": "TLSv1_3",
                "ecdh_curves": ["X25519MLKEM768"],
            },
            "tls_certificate_sds_secret_configs": [sds("default")],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": san},
                "validation_context_sds_secret_config": sds("spiffe://bank.test"),
            },
        },
    });
    context.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
}

fn http(route: &Value) -> Value {
    const HCM: &str =
        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let mut route = route.clone();
    route["match"] = json!({"prefix": "/"});
    json!([{"name": "http", "typed_config": {
        "@type": HCM, "stat_prefix": "t",
        "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }}])
}

fn address(addr: SocketAddr) -> Value {
    json!({"socket_address": {"address": addr.ip().to_string(), "port_value": addr.port()}})
}

fn cluster(name: &str, to: &Value, more: Value) -> Value {
    let endpoint = json!({"lb_endpoints": [{"endpoint": {"address": to}}]});
    let mut cluster = json!({
        "name": name, "type": "STATIC", "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
    });
    cluster.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cluster
}

async fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn start(world: &World, peer: SocketAddr) -> Envoy {
    let (inbound, outbound) = (free().await, free().await);
    let h2 = json!({"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }}});
    let answer = json!({"direct_response": {"status": 200, "body": {"inline_string": "from envoy"}}});
    let required = json!({"require_client_certificate": true});
    let config = json!({
        "node": {"id": "t", "cluster": "t"},
        "static_resources": {
            "listeners": [
                {"name": "in", "address": address(inbound), "filter_chains": [
                    {"filters": http(&answer), "transport_socket": tls_context("DownstreamTlsContext", required)}]},
                {"name": "out", "address": address(outbound), "filter_chains": [
                    {"filters": http(&json!({"route": {"cluster": "peer"}}))}]},
            ],
            "clusters": [
                cluster("sds", &json!({"pipe": {"path": world.socket()}}), h2),
                cluster("peer", &address(peer), json!({"transport_socket": tls_context("UpstreamTlsContext", json!({}))})),
            ],
        },
    });
    let log = std::fs::File::create(world.path("envoy.log")).unwrap();
    let child = Command::new(executable())
        .args(["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning", "--config-yaml"])
        .arg(config.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    Envoy { child, inbound, outbound }
}

/// Our own end: an identity from the same socket, and the verifier that guards use.
struct Own {
    identity: Identity,
    bundles: Arc<TrustBundles>,
}

impl Own {
    async fn fetch(world: &World) -> Self {
        let mut client = world.client().await;
        let mut stream = client.fetch_x509svid(with_header(X509svidRequest {})).await.unwrap().into_inner();
        let svid = stream.message().await.unwrap().unwrap().svids.remove(0);
        assert_eq!(svid.spiffe_id, US);
        let owned = |der: &[u8]| cert::split(der).unwrap().into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        let key = KeyPair::from_pkcs8(&Secret::new(svid.x509_svid_key)).unwrap();
        let identity = Identity::new(&owned(&svid.x509_svid), &key).unwrap();
        let bundles = TrustBundles::of(&TrustDomain::parse("bank.test").unwrap(), owned(&svid.bundle)).unwrap();
        Self { identity, bundles: Arc::new(bundles) }
    }

    fn judge(&self) -> Judge<VerifiedPeer> {
        let bundles = Arc::clone(&self.bundles);
        Arc::new(move |chain| {
            let judged = verify_peer(chain, &bundles, clock::now());
            judged.map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
        })
    }

    /// Asks Envoy over mutual TLS. `None` while it does not answer yet.
    async fn ask(&self, envoy: &Envoy) -> Option<(VerifiedPeer, About, String)> {
        let socket = TcpStream::connect(envoy.inbound).await.ok()?;
        let client = Client::new(Some(&self.identity), &["http/1.1"]).unwrap();
        let accepted = client.connect(socket, self.judge(), DEADLINE).await.ok()?;
        let mut stream = accepted.stream;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.ok()?;
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await; // it may end without saying goodbye
        Some((accepted.peer.unwrap(), accepted.about, text))
    }
}

fn workloads(envoy: &str, ttl_s: u32) -> String {
    let us = std::env::current_exe().unwrap();
    format!(
        "  us: {{ selectors: {{ uid: {uid}, path: {} }} }}\n  envoy: {{ selectors: {{ path: {envoy} }}, ttl_s: {ttl_s} }}\n",
        us.display(),
        uid = uid()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_lives_on_our_secrets() {
    let executable = executable().display().to_string();
    let world = World::start(&workloads(&executable, 3600)).await;
    world.entries(2).await;
    let own = Own::fetch(&world).await;

    // Whoever Envoy calls: our TLS server.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let envoy = start(&world, listener.local_addr().unwrap()).await;
    let log = || std::fs::read_to_string(world.path("envoy.log")).unwrap();

    let answered = wait_for("answer of envoy", async || {
        let answer = own.ask(&envoy).await;
        answer.filter(|(_, _, text)| text.contains("from envoy"))
    });
    let (peer, about, text) = answered.await;
    assert!(text.starts_with("HTTP/1.1 200"), "{text}: {}", log());
    assert_eq!((peer.id().as_str(), &*about.group), (ENVOY, "X25519MLKEM768"));

    // Out of Envoy, into our server.
    let server = Server::new(&own.identity, ClientAuth::Required, &["http/1.1"]).unwrap();
    let served = async {
        let (socket, _) = listener.accept().await.unwrap();
        let accepted = server.accept(socket, own.judge(), DEADLINE).await.unwrap();
        let mut stream = accepted.stream;
        let mut head = vec![0; 4096];
        let _ = stream.read(&mut head).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nfrom us").await.unwrap();
        stream.flush().await.unwrap();
        (accepted.peer.unwrap(), accepted.about, stream)
    };
    let asked = async {
        let mut socket = TcpStream::connect(envoy.outbound).await.unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).await.unwrap();
        text
    };
    let ((called_by, about, _open), text) = tokio::time::timeout(DEADLINE, async { tokio::join!(served, asked) })
        .await
        .unwrap_or_else(|_| panic!("{}", log()));
    assert!(text.ends_with("from us"), "{text}");
    assert_eq!((called_by.id().as_str(), &*about.group), (ENVOY, "X25519MLKEM768"));

    // Another certificate is pushed; Envoy shows it without being started anew.
    world.reload(&workloads(&executable, 600)).await;
    let renewed = wait_for("another certificate", async || {
        own.ask(&envoy).await.filter(|(again, _, _)| again.spki() != peer.spki())
    });
    let (again, _, text) = renewed.await;
    assert_eq!(again.id().as_str(), ENVOY);
    assert!(text.contains("from envoy"), "{text}");
    drop(envoy);
    world.stop().await;
}
