//! A fleet that is only watched: what gateways, meshes, programs and Kubernetes log comes in by the doors, alerts come of it, and nothing is
//! enforced or handed out.

use bartizan_testkit::{Deadline, Up, free_ports, listening, request, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Where the services are said to be: nobody is there, and nobody is asked.
const NOWHERE: &str = "127.0.0.1";

struct Scene {
    _folder: TempDir,
    up: Up,
    http: u16,
    syslog: u16,
    lines: u16,
}

fn fleet(folder: &Path, more: &str, ports: &[u16]) -> std::path::PathBuf {
    let [http, syslog, lines] = ports[..] else { panic!("three ports") };
    let service = |name: &str, port: u16, calls: &str| {
        format!("  {name}: {{ at: \"{NOWHERE}:{port}\", protocol: http, owner: bank{calls} }}\n")
    };
    let text = format!(
        "fleet: watched\ntrust_domain: watched.test\nprofile: observe\nintake:\n  otlp_http: 127.0.0.1:{http}\n  syslog: 127.0.0.1:{syslog}\n  \
         ndjson: 127.0.0.1:{lines}\nservices:\n{}{}{}{more}",
        service("web", 80, ", calls: [accounts]"),
        service("accounts", 81, ""),
        service("ledger", 82, ""),
    );
    let file = folder.join("fleet.yaml");
    std::fs::write(&file, text).unwrap();
    file
}

impl Scene {
    fn start() -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(3));
        let up = Up::start(&fleet(folder.path(), "", &ports), &[]);
        wait_for("all doors", Deadline::default(), || ports.iter().all(|port| listening(*port)).then_some(()));
        Self { _folder: folder, up, http: ports[0], syslog: ports[1], lines: ports[2] }
    }

    fn post(&self, path: &str, kind: &str, body: &str) {
        let url = format!("http://127.0.0.1:{}{path}", self.http);
        let answer = request("POST", &url, None, &[&format!("content-type: {kind}")], Some(body));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn alerts(&self) -> Vec<Value> {
        let said: Value = serde_json::from_str(&self.up.say(&["alerts", "--json"])).unwrap();
        said["alerts"].as_array().unwrap_or_else(|| panic!("{said}")).clone()
    }

    fn wait_for_alert(&self, rule: &str) -> Value {
        wait_for(&format!("alert {rule}"), Deadline::default(), || {
            self.alerts().into_iter().find(|it| it["rule"] == rule)
        })
    }
}

fn kubernetes(user: &str, verb: &str, resource: &str, sub: &str) -> String {
    format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{{"level":"Metadata","stage":"ResponseComplete","verb":"{verb}","requestURI":"/api/v1/{resource}",
        "user":{{"username":"{user}"}},"sourceIPs":["203.0.113.9"],"objectRef":{{"resource":"{resource}","namespace":"bank","name":"ledger-1","subresource":"{sub}"}},
        "responseStatus":{{"code":201}}}}]}}"#
    )
}

#[test]
fn what_others_log_becomes_alerts_and_nothing_is_enforced() {
    let scene = Scene::start();
    // Nothing but control: no node, no guard, no gateway, no program.
    assert!(scene.up.find(&["bartizan-proxy"]).is_empty(), "no guard runs");
    assert!(scene.up.find(&["bartizan", "node"]).is_empty(), "no node runs");
    let plan = scene.up.plan();
    assert_eq!(plan["mesh"].as_object().map(serde_json::Map::len), Some(0), "{plan}");
    let control: std::net::SocketAddr = plan["control"].as_str().unwrap().parse().unwrap();
    assert!(TcpStream::connect(control).is_err(), "nobody can ask for an identity");
    let token = scene.up.cli(&["token", "node"]);
    assert!(!token.status.success() && String::from_utf8_lossy(&token.stderr).contains("observe"), "{token:?}");
    assert_eq!(scene.alerts(), Vec::<Value>::new(), "nothing has happened");

    // Envoy's default format, in datagrams of syslog: somebody tries passwords.
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..40 {
        let line = format!(
            "<190>1 - edge envoy - - - [2027-01-15T08:00:00.{n:03}Z] \"POST /login HTTP/2\" 401 - 20 40 9 8 \"203.0.113.5\" \"bot\" \"id\" \"accounts.bank\" \
             \"10.0.0.7:80\""
        );
        udp.send_to(line.as_bytes(), ("127.0.0.1", scene.syslog)).unwrap();
    }
    // nginx, by syslog over TCP: somebody searches.
    let mut tcp = TcpStream::connect(("127.0.0.1", scene.syslog)).unwrap();
    for path in
        ["/.env", "/.git/config", "/wp-login.php", "/.aws/credentials", "/backup.zip", "/dump.sql", "/phpmyadmin/"]
    {
        writeln!(
            tcp,
            "<190>1 - edge web - - - 203.0.113.6 - - [15/Jan/2027:08:00:01 +0000] \"GET {path} HTTP/1.1\" 404 150 \"-\" \"zgrab\""
        )
        .unwrap();
    }
    // Istio's JSON, by lines: a call that nobody declared, and a probe with a secret in its query.
    let mut lines = TcpStream::connect(("127.0.0.1", scene.lines)).unwrap();
    let planted = "PlantedQuery51d3";
    for (from, to, path) in [
        ("web", "accounts", "/a"),
        ("web", "ledger", "/b"),
        ("web", "accounts", "/c?q=1'%20OR%20'1'='1&key=PlantedQuery51d3"),
    ] {
        writeln!(
            lines,
            "{{\"method\":\"GET\",\"path\":\"{path}\",\"response_code\":200,\"bytes_sent\":10,\"downstream_remote_address\":\"10.1.1.1:9\",\
             \"upstream_cluster\":\"outbound|80||{to}.bank.svc.cluster.local\",\"downstream_peer_uri_san\":\"spiffe://cluster.local/ns/bank/sa/{from}\"}}"
        )
        .unwrap();
    }
    // A program's own log, by OTLP: somebody counts through accounts.
    let record = |n: u32| {
        format!(
            r#"{{"body":{{"stringValue":"request"}},"attributes":[{{"key":"http.request.method","value":{{"stringValue":"GET"}}}},{{"key":"url.path","value":{{"stringValue":"/accounts/{n}"}}}},
            {{"key":"http.response.status_code","value":{{"intValue":"404"}}}},{{"key":"enduser.id","value":{{"stringValue":"mallory"}}}}]}}"#
        )
    };
    let records: Vec<String> = (0..30).map(|n| record(700 + n)).collect();
    let logs = format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"accounts"}}}}]}},"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#,
        records.join(",")
    );
    scene.post("/v1/logs", "application/json", &logs);
    // The webhook of a Kubernetes API server.
    scene.post("/kubernetes/audit", "application/json", &kubernetes("eve", "create", "pods", "exec"));
    scene.post("/kubernetes/audit", "application/json", &kubernetes("eve", "create", "clusterrolebindings", ""));

    for (rule, service) in [
        ("SignInsGuessed", Some("accounts")),
        ("PathsSearched", Some("web")),
        ("CallUndeclared", Some("ledger")),
        ("AttackProbed", Some("accounts")),
        ("IdsWalked", Some("accounts")),
        ("PodEntered", None),
        ("AdminGranted", None),
    ] {
        let alert = scene.wait_for_alert(rule);
        assert_eq!(alert["service"].as_str(), service, "{alert}");
        assert_eq!(alert["owner"], "security", "{alert}");
    }
    let about: String =
        scene.alerts().iter().map(|it| it["summary"].as_str().unwrap_or_default().to_owned() + "\n").collect();
    for who in ["203.0.113.5", "203.0.113.6", "web to ledger", "mallory", "by eve"] {
        assert!(about.contains(who), "{who} is named: {about}");
    }

    // As OCSF: requests, calls of an API; and no query.
    let stored = scene.up.say(&["events", "--all", "--json", "--class", "telemetry"]);
    let classes: BTreeSet<u64> = stored
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["class_uid"].as_u64().unwrap())
        .collect();
    assert_eq!(classes, [4002, 6003].into(), "{stored}");
    assert!(!stored.contains(planted) && stored.contains("sql_injection"), "{stored}");
    let all = scene.up.say(&["events", "--all", "--json"]);
    assert!(!all.contains(planted));
    // Nobody was denied anything, and nobody has an identity beside control itself.
    assert_eq!(scene.up.say(&["events", "--all", "--deny", "--json"]), "");
    let issued = scene.up.say(&["ca", "issued", "--json"]);
    assert!(!issued.contains("/svc/") && !issued.contains("/node/"), "{issued}");
}

#[test]
fn a_file_that_asks_for_more_than_watching_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (more, word) in [
        ("gateway: { listen: \"127.0.0.1:8443\", routes: [{ path: /**, to: web }] }\n", "there is no gateway"),
        ("guards: all\n", "there are no guards"),
        ("policies: policies/\n", "no policy is enforced"),
        ("workloads: {}\n", "no identities are handed out"),
        ("isolate: true\n", "nobody leads in and out"),
    ] {
        let file = fleet(folder.path(), more, &[1, 2, 3]);
        let done = Command::new(bartizan_testkit::binary("bartizan")).arg("check").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(1) && said.contains(word), "{more}: {said}");
    }
    let file = fleet(folder.path(), "", &[1, 2, 3]);
    let text = std::fs::read_to_string(&file).unwrap().replace("profile: observe", "profile: observ");
    std::fs::write(&file, text).unwrap();
    let done = Command::new(bartizan_testkit::binary("bartizan")).arg("check").arg(&file).output().unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("did you mean `observe`?"), "{done:?}");
}
