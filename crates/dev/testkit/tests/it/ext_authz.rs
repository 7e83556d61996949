//! A real Envoy in the place of a guard: it terminates mutual TLS itself and asks the guard, over gRPC and over HTTP, whether each
//! request may go on. What is not permitted, not known, not unambiguous or not answered does not reach the program.

use crate::envoy::{Envoy, address, cluster, executable, launch, sds};
use bartizan_testkit::{Answer, Deadline, Up, binary, free_ports, wait_for};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const FILTERS: &str = "type.googleapis.com/envoy.extensions.filters";

/// A listener of Envoy: mutual TLS with any identity of the trust domain, then the question `asks`, then the program.
fn listener(port: u16, asks: &Value) -> Value {
    let ours = json!([{"san_type": "URI", "matcher": {"prefix": "spiffe://bank.test/"}}]);
    let tls = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": format!("{TLS}.DownstreamTlsContext"),
        "require_client_certificate": true,
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificate_sds_secret_configs": [sds("default")],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": ours},
                "validation_context_sds_secret_config": sds("spiffe://bank.test"),
            },
        },
    }});
    let mut ext_authz = json!({
        "@type": format!("{FILTERS}.http.ext_authz.v3.ExtAuthz"),
        "transport_api_version": "V3",
        "failure_mode_allow": false,
    });
    ext_authz.as_object_mut().unwrap().extend(asks.as_object().unwrap().clone());
    let manager = json!({
        "@type": format!("{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "t",
        // Envoy mends nothing, so that the guard sees what the program would.
        "normalize_path": false,
        "http_filters": [
            {"name": "ext_authz", "typed_config": ext_authz},
            {"name": "router", "typed_config": {"@type": format!("{FILTERS}.http.router.v3.Router")}},
        ],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "program"}},
        ]}]},
    });
    json!({"name": format!("l{port}"), "address": address(port.into()), "filter_chains": [
        {"filters": [{"name": "http", "typed_config": manager}], "transport_socket": tls},
    ]})
}

fn start(up: &Up, folder: &Path, [grpc, plain, accounts, guard]: [u16; 4]) -> Envoy {
    let h2 = json!({"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }}});
    let over_grpc = json!({
        "include_peer_certificate": true,
        "grpc_service": {"envoy_grpc": {"cluster_name": "guard"}, "timeout": "1s"},
    });
    let over_http = json!({"http_service": {
        "server_uri": {"uri": format!("http://127.0.0.1:{guard}"), "cluster": "guard_http", "timeout": "1s"},
        "authorization_request": {"headers_to_add": [{"key": "x-bartizan-principal", "value": "%DOWNSTREAM_PEER_URI_SAN%"}]},
        "authorization_response": {
            "allowed_upstream_headers": {"patterns": [{"exact": "x-bartizan-peer"}, {"exact": "traceparent"}]},
            "allowed_client_headers": {"patterns": [{"prefix": "x-"}]},
        },
    }});
    let config = json!({"node": {"id": "t", "cluster": "t"}, "static_resources": {
        "listeners": [listener(grpc, &over_grpc), listener(plain, &over_http)],
        "clusters": [
            cluster("sds", &json!({"pipe": {"path": up.data.join("workload.sock")}}), h2.clone()),
            cluster("guard", &address(guard.into()), h2),
            cluster("guard_http", &address(guard.into()), json!({})),
            cluster("program", &address(accounts.into()), json!({})),
        ],
    }});
    launch(folder, &config)
}

/// A program that tells who the caller is, by the header that the guard set; and counts what reaches it.
const PROGRAM: &str = r#"
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (self.headers.get("x-bartizan-peer", "nobody") + " " + self.path).encode()
        open("reached", "ab").write(body + b"\n")
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
    do_POST = do_DELETE = do_GET
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

const POLICY: &str = r#"
@id("accounts-are-read") @reason("accounts are only read")
forbid (principal, action == Action::"write", resource in Service::"accounts");
@id("no-admin")
forbid (principal, action, resource in Service::"accounts") when { context.path like "/admin*" };
"#;

struct Ground {
    up: Up,
    folder: tempfile::TempDir,
    _envoy: Envoy,
    /// Ports of Envoy that ask over gRPC and over HTTP.
    ports: [u16; 2],
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = free_ports(5);
        let (accounts, guard) = (ports[0], ports[1]);
        std::fs::write(folder.path().join("program.py"), PROGRAM).unwrap();
        std::fs::create_dir(folder.path().join("policies")).unwrap();
        std::fs::write(folder.path().join("policies/own.cedar"), POLICY).unwrap();
        let bartizan = std::fs::canonicalize(binary("bartizan")).unwrap();
        let fleet = format!(
            "fleet: bank\ntrust_domain: bank.test\npolicies: policies\nservices:\n  accounts:\n    run: [python3, program.py, \"{accounts}\"]\n    \
             listen: 127.0.0.1:{accounts}\n    protocol: http\n    owner: me\n    ext_authz: 127.0.0.1:{guard}\nworkloads:\n  \
             envoy: {{ selectors: {{ path: {} }} }}\n  tool: {{ selectors: {{ path: {bartizan} }}, calls: [accounts] }}\n  \
             stranger: {{ selectors: {{ path: {bartizan} }} }}\n",
            executable().display(),
            bartizan = bartizan.display(),
        );
        let file = folder.path().join("fleet.yaml");
        std::fs::write(&file, fleet).unwrap();
        let up = Up::start(&file, &[]);
        let _envoy = start(&up, folder.path(), [ports[2], ports[3], accounts, guard]);
        Self { up, folder, _envoy, ports: [ports[2], ports[3]] }
    }

    /// Certificate and key of a workload, from the node.
    fn identity(&self, name: &str) -> (PathBuf, PathBuf) {
        let out = self.folder.path().join("svids");
        std::fs::create_dir_all(&out).unwrap();
        let said = self.up.say(&["svid", "fetch", "--json", "--out", out.to_str().unwrap()]);
        let all: Value = serde_json::from_str(&said).unwrap();
        let wanted = format!("spiffe://bank.test/workload/{name}");
        let at = all.as_array().unwrap().iter().position(|it| it["spiffe_id"] == *wanted).unwrap();
        (out.join(format!("svid.{at}.pem")), out.join(format!("svid.{at}.key")))
    }

    fn ask(&self, who: &(PathBuf, PathBuf), port: u16, method: &str, path: &str) -> Answer {
        let (cert, key) = (who.0.to_str().unwrap(), who.1.to_str().unwrap());
        let url = format!("https://127.0.0.1:{port}{path}");
        let curl =
            ["-s", "-i", "-k", "--max-time", "20", "--path-as-is", "--cert", cert, "--key", key, "-X", method, &url];
        let output = Command::new("curl").args(curl).output().expect("curl is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned(), curl: output.status.code().unwrap_or(-1) }
    }

    fn reached(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("reached")).unwrap_or_default()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn an_envoy_lets_in_whom_the_guard_does_and_nobody_else() {
    let ground = Ground::new();
    let (tool, stranger) = (ground.identity("tool"), ground.identity("stranger"));
    wait_for(&format!("envoy to be ready: {}", ground.log()), Deadline::default(), || {
        ground.ports.iter().all(|port| ground.ask(&tool, *port, "GET", "/warm").status == 200).then_some(())
    });

    for port in ground.ports {
        let denied = |who, method, path, status, reason: &str| {
            let answer = ground.ask(who, port, method, path);
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("x-bartizan-reason"), Some(reason), "{answer:?}");
            answer
        };
        let by_policy = denied(&tool, "POST", "/balance", 403, "denied");
        assert_eq!(by_policy.json()["reason"], "accounts are only read");
        denied(&tool, "GET", "/%61dmin/x", 403, "denied"); // one form of paths for policies
        denied(&stranger, "GET", "/balance", 403, "unknown_caller");
        for path in ["/balance/../admin", "/balance//x", "/balance%2fx", "/a;b"] {
            denied(&tool, "GET", path, 400, "path_ambiguous");
        }
        // Who calls is not for the caller to say.
        let url = format!("https://127.0.0.1:{port}/claimed");
        let (cert, key) = (stranger.0.to_str().unwrap(), stranger.1.to_str().unwrap());
        let claim = "x-bartizan-principal: spiffe://bank.test/workload/tool";
        let peer = "x-bartizan-peer: spiffe://bank.test/workload/tool";
        let curl = ["-s", "-k", "-w", "%{http_code}", "--cert", cert, "--key", key, "-H", claim, "-H", peer, &url];
        let said = Command::new("curl").args(curl).output().unwrap();
        assert!(String::from_utf8_lossy(&said.stdout).ends_with("403"), "{said:?}");

        let good = ground.ask(&tool, port, "GET", "/balance?of=ann");
        assert_eq!((good.status, good.body.as_str()), (200, "spiffe://bank.test/workload/tool /balance?of=ann"));
    }
    let reached = ground.reached();
    assert!(reached.lines().all(|line| line.ends_with("/warm") || line.ends_with("/balance?of=ann")), "{reached}");

    // Each is an event, and the denials can be explained.
    wait_for("the events", Deadline::default(), || {
        let events = ground.up.say(&["events", "--json", "--limit", "200"]);
        let has = |words: &[&str]| events.lines().any(|line| words.iter().all(|word| line.contains(word)));
        let all = has(&["accounts-are-read", "\"envoy\"", "/balance"])
            && has(&["unknown_caller", "workload/stranger"])
            && has(&["path_ambiguous"])
            && has(&["\"envoy\"", "fleet:calls/tool->accounts"]);
        all.then_some(())
    });

    // Each policy is enforced by the one guard that it concerns; once that is gone, by none.
    let enforced = |up: &Up| {
        let status: Value = serde_json::from_str(&up.say(&["policies", "--json"])).unwrap();
        let policies = status["policies"].as_array().unwrap().clone();
        assert_eq!(policies.len(), 2, "{status}");
        policies.iter().map(|it| (it["enforced_by"].to_string(), it["missing"].to_string())).collect::<Vec<_>>()
    };
    let (guarded, bare) =
        (("[\"accounts\"]".to_owned(), "[]".to_owned()), ("[]".to_owned(), "[\"accounts\"]".to_owned()));
    assert_eq!(enforced(&ground.up), [guarded.clone(), guarded]);

    // Revoked: at once.
    let by_name = "id:spiffe://bank.test/workload/tool";
    let issued = ground.up.say(&["ca", "issued", "--json", "--id", "spiffe://bank.test/workload/tool"]);
    let issued: Value = serde_json::from_str(&issued).unwrap();
    let serials = issued["issued"].as_array().unwrap().iter().map(|it| it["serial"].as_str().unwrap());
    let serials: Vec<String> = serials.map(|serial| format!("serial:{serial}")).collect();
    for serial in &serials {
        ground.up.say(&["revoke", serial, "--reason", "test"]);
    }
    wait_for("the revocation of its certificate", Deadline::default(), || {
        let answer = ground.ask(&tool, ground.ports[0], "GET", "/balance");
        (answer.status == 403 && answer.header("x-bartizan-reason") == Some("revoked")).then_some(())
    });
    for serial in &serials {
        ground.up.say(&["restore", serial]);
    }
    ground.up.say(&["revoke", by_name, "--reason", "test"]);
    wait_for("the revocation", Deadline::default(), || {
        let answer = ground.ask(&tool, ground.ports[0], "GET", "/balance");
        (answer.status == 403 && answer.header("x-bartizan-reason") == Some("revoked")).then_some(())
    });
    ground.up.say(&["restore", by_name]);
    wait_for("it to be restored", Deadline::default(), || {
        (ground.ask(&tool, ground.ports[0], "GET", "/balance").status == 200).then_some(())
    });

    // A guard that does not answer, and one that is gone: nobody comes in.
    let guard = ground.up.find_one(&["bartizan-proxy", "--service accounts"]);
    let before = ground.reached().len();
    signal(guard, rustix::process::Signal::STOP);
    for port in ground.ports {
        assert_eq!(ground.ask(&tool, port, "GET", "/while-it-is-silent").status, 403);
    }
    signal(guard, rustix::process::Signal::CONT);
    assert_eq!(ground.reached().len(), before, "nothing reached the program");
    wait_for("the guard again", Deadline::default(), || {
        (ground.ask(&tool, ground.ports[0], "GET", "/balance").status == 200).then_some(())
    });
    signal(ground.up.pid(), rustix::process::Signal::STOP); // or it would start another guard
    signal(guard, rustix::process::Signal::KILL);
    for port in ground.ports {
        assert_eq!(ground.ask(&tool, port, "GET", "/while-it-is-gone").status, 403);
    }
    assert!(!ground.reached().contains("while-it-is"));
    wait_for("control to know", Deadline::default(), || {
        (enforced(&ground.up) == [bare.clone(), bare.clone()]).then_some(())
    });
}
