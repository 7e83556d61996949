//! A real Envoy as a workload: it takes certificate and roots from the node's SDS, calls a guard and is called by one, with the
//! hybrid key exchange and nothing else, and goes on while its leaf is renewed and the root is replaced.

use bartizan_testkit::{Deadline, Up, free_ports, get, wait_for};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ENVOY: &str = "spiffe://bank.test/workload/envoy";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
/// Long enough for a root to be replaced and for what Envoy held of the old one, a minute at most, to run out.
const LOAD_S: u64 = 110;

/// What `xtask/judges.sh` installed under `name`.
fn judge(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin").join(name);
    assert!(path.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", path.display());
    path
}

/// Envoy itself, behind the script that PyPI installs.
pub(super) fn executable() -> PathBuf {
    let code = "import envoy, pathlib; print(next(p for p in pathlib.Path(envoy.__file__).parent.rglob('envoy*') \
                if p.is_file() and p.stat().st_size > 1000000))";
    let out = Command::new(judge("python")).args(["-c", code]).output().unwrap();
    let path = String::from_utf8(out.stdout).unwrap();
    assert!(!path.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    std::fs::canonicalize(path.trim()).unwrap()
}

pub(super) struct Envoy(Child);

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn sds(name: &str) -> Value {
    let service = json!({"envoy_grpc": {"cluster_name": "sds"}});
    let source = json!({"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [service]});
    json!({"name": name, "sds_config": {"resource_api_version": "V3", "api_config_source": source}})
}

/// What both directions have in common: hybrid key exchange, our SDS, and the one name that the peer has to have.
fn tls_context(kind: &str, peer: &str, more: Value) -> Value {
    let san = json!([{"san_type": "URI", "matcher": {"exact": peer}}]);
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

pub(super) fn address(port: u64) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

pub(super) fn cluster(name: &str, to: &Value, more: Value) -> Value {
    let endpoint = json!({"lb_endpoints": [{"endpoint": {"address": to}}]});
    let mut cluster = json!({
        "name": name, "type": "STATIC", "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
    });
    cluster.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cluster
}

/// `inbound` takes mutual TLS from the guard of `caller`; `outbound` takes plain HTTP and passes it to the guard of `accounts`.
fn start(up: &Up, folder: &Path, inbound: u16, outbound: u16, accounts: u64) -> Envoy {
    let h2 = json!({"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }}});
    let answer = json!({"direct_response": {"status": 200, "body": {"inline_string": "from envoy"}}});
    let from = tls_context(
        "DownstreamTlsContext",
        "spiffe://bank.test/svc/caller",
        json!({"require_client_certificate": true}),
    );
    let to =
        json!({"transport_socket": tls_context("UpstreamTlsContext", "spiffe://bank.test/svc/accounts", json!({}))});
    let config = json!({
        "node": {"id": "t", "cluster": "t"},
        "static_resources": {
            "listeners": [
                {"name": "in", "address": address(inbound.into()),
                 "filter_chains": [{"filters": http(&answer), "transport_socket": from}]},
                {"name": "out", "address": address(outbound.into()),
                 "filter_chains": [{"filters": http(&json!({"route": {"cluster": "accounts"}}))}]},
            ],
            "clusters": [
                cluster("sds", &json!({"pipe": {"path": up.data.join("workload.sock")}}), h2),
                cluster("accounts", &address(accounts), to),
            ],
        },
    });
    launch(folder, &config)
}

/// Starts Envoy with `config`; what it says goes to `envoy.log` in `folder`.
pub(super) fn launch(folder: &Path, config: &Value) -> Envoy {
    let log = std::fs::File::create(folder.join("envoy.log")).unwrap();
    let child = Command::new(executable())
        .args(["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning", "--config-yaml"])
        .arg(config.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    Envoy(child)
}

/// Load over two connections that stay open, for [`LOAD_S`] seconds.
fn load(mut h2load: Command, url: &str) -> Child {
    h2load
        .args(["--h1", "--clients", "2", "--duration", &LOAD_S.to_string(), url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("h2load is installed: `apt-get install nghttp2-client`")
}

/// How many requests a load made, all of which have to have been answered well.
fn done(load: Child) -> u64 {
    let out = load.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line =
        |begin: &str| text.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{text}")).to_owned();
    let requests = line("requests:");
    assert!(requests.contains(" 0 failed, 0 errored, 0 timeout"), "{text}");
    assert!(line("status codes:").contains(" 0 3xx, 0 4xx, 0 5xx"), "{text}");
    requests.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn envoy_calls_and_is_called_while_leaf_and_root_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(4);
    let (accounts, caller, inbound, outbound) = (ports[0], ports[1], ports[2], ports[3]);
    std::fs::write(folder.path().join("hello"), "hello").unwrap();
    let service = |name: &str, port: u16, more: &str| {
        format!(
            "  {name}: {{ run: [python3, -m, http.server, \"{port}\", --bind, 127.0.0.1, --protocol, HTTP/1.1], listen: \"127.0.0.1:{port}\", protocol: http, owner: me{more} }}\n"
        )
    };
    let fleet = format!(
        "fleet: bank\ntrust_domain: bank.test\nservices:\n{}{}workloads:\n  envoy:\n    selectors: {{ path: {} }}\n    ttl_s: 60\n    calls: [accounts]\n    mesh: 127.0.0.1:{inbound}\n    protocol: http\n",
        service("accounts", accounts, ""),
        service("caller", caller, ", calls: [envoy]"),
        executable().display()
    );
    let file = folder.path().join("fleet.yaml");
    std::fs::write(&file, fleet).unwrap();
    let up = Up::start(&file, &[]);
    let plan = up.plan();
    let mesh = plan["mesh"]["accounts"].as_str().unwrap();
    let _envoy = start(&up, folder.path(), inbound, outbound, mesh.rsplit(':').next().unwrap().parse().unwrap());
    let log = || std::fs::read_to_string(folder.path().join("envoy.log")).unwrap();

    // Into the guard of `accounts`, which knows Envoy by name; and out of the guard of `caller`, which knows it too.
    let into = format!("http://127.0.0.1:{outbound}/hello");
    let out_of = format!("http://{}/", plan["outbound"]["caller"]["envoy"].as_str().unwrap());
    wait_for(&format!("envoy into a guard: {}", log()), Deadline::default(), || {
        (get(&into, None).body == "hello").then_some(())
    });
    wait_for("a guard into envoy", Deadline::default(), || {
        (up.get_inside("caller", &out_of).body == "from envoy").then_some(())
    });
    // Both guards saw the hybrid key exchange.
    wait_for("the handshakes as events", Deadline::default(), || {
        let events = up.say(&["events", "--json", "--limit", "500"]);
        let hybrid = |service: &str| {
            let mut all = events.lines().filter(|line| line.contains(ENVOY) && line.contains("X25519MLKEM768"));
            all.any(|line| line.contains(&format!("/svc/{service}\"")) || line.contains(&format!("\"{service}\"")))
        };
        (hybrid("accounts") && hybrid("caller")).then_some(())
    });

    // The guard's listener for Envoy is in the namespace of its program.
    let loads = [load(Command::new("h2load"), &into), load(up.inside("caller", "h2load"), &out_of)];
    let leaf = |up: &Up| {
        let issued: Value = serde_json::from_str(&up.say(&["ca", "issued", "--json", "--id", ENVOY])).unwrap();
        let all = issued["issued"].as_array().unwrap().clone();
        (all.len(), all.last().unwrap()["issuer"].as_str().unwrap().to_owned())
    };
    let (leaves, issuer) = leaf(&up);
    let rotation = up.say(&["ca", "rotate", "root", "--soak", "1", "--watch"]);
    assert!(rotation.contains("retired"), "{rotation}");
    let (leaves_after, issuer_after) = leaf(&up);
    assert!(leaves_after > leaves && issuer_after != issuer, "envoy's leaf was renewed, by another issuer");
    let status: Value = serde_json::from_str(&up.say(&["ca", "status", "--json"])).unwrap();
    assert_eq!(status["roots"].as_array().unwrap().len(), 1, "the old root is gone: {status}");
    let [into_guard, out_of_guard] = loads.map(|load| {
        let mut load = load;
        // Both were under load to the end of the rotation and beyond.
        assert!(load.try_wait().unwrap().is_none(), "the load ended before the rotation");
        done(load)
    });
    println!("{into_guard} requests into a guard, {out_of_guard} out of one, none failed: {}", log());
    assert!(into_guard > 1_000 && out_of_guard > 1_000);
    wait_for("calls after it", Deadline(Duration::from_secs(5)), || (get(&into, None).status == 200).then_some(()));
}
