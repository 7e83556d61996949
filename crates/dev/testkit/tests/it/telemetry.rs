//! What others say, handed in by programs that nobody here wrote: the SDK of OpenTelemetry for Python, and `logger` of util-linux.

use bartizan_testkit::{Deadline, Up, free_ports, listening, request, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const EXPORTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judges/otel_export.py");
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PLANTED: [&str; 2] = ["PlantedJudge7f3a9c51e2", "4111 1111 1111 1111"];

struct Stopped(Child);
impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A fleet of one web server that runs already, with all doors open.
struct Scene {
    folder: TempDir,
    ports: Vec<u16>,
    up: Up,
    _web: Stopped,
}

impl Scene {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = free_ports(6);
        let [web, edge, http, grpc, syslog, lines] = ports[..] else { panic!("six ports") };
        std::fs::write(folder.path().join("hello.txt"), "hello\n").unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        let mut server = Command::new("python3");
        server.args(["-m", "http.server", &web.to_string(), "--bind", "127.0.0.1", "--directory"]).arg(folder.path());
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("python3 is installed");
        let server = Stopped(server);
        wait_for("the web server", Deadline::default(), || listening(web).then_some(()));
        let text = format!(
            "fleet: mine\ntrust_domain: mine.test\nservices:\n  web:\n    at: 127.0.0.1:{web}\n    protocol: http\n    owner: me\n    data: [pii]\n\
            intake:\n  otlp_http: 127.0.0.1:{http}\n  otlp_grpc: 127.0.0.1:{grpc}\n  syslog: 127.0.0.1:{syslog}\n  ndjson: 127.0.0.1:{lines}\n{more}\
            gateway:\n  listen: 127.0.0.1:{edge}\n  routes:\n    - {{ path: /**, to: web }}\n"
        );
        let fleet = folder.path().join("fleet.yaml");
        std::fs::write(&fleet, text).unwrap();
        let up = Up::start(&fleet, &[]);
        wait_for("all doors", Deadline::default(), || {
            [http, grpc, syslog, lines].into_iter().all(listening).then_some(())
        });
        Self { folder, ports, up, _web: server }
    }

    fn call(&self, traceparent: &str) {
        let url = format!("https://127.0.0.1:{}/hello.txt", self.ports[1]);
        let answer = request("GET", &url, Some(&self.up.ca()), &[&format!("traceparent: {traceparent}")], None);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn export(&self, protocol: &str, service: &str, traceparent: &str, more: &[&str]) -> Output {
        let endpoint = match protocol {
            "http" => format!("http://127.0.0.1:{}", self.ports[2]),
            _ => format!("127.0.0.1:{}", self.ports[3]),
        };
        let mut python = Command::new(judge("python3"));
        python.arg(EXPORTER).args([protocol, &endpoint, service, traceparent]).args(more);
        python.output().expect("the judge runs")
    }

    fn found(&self, args: &[&str]) -> Vec<Value> {
        let said = self.up.say(&[&["events", "--json", "--class", "telemetry"], args].concat());
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn balance(&self) -> Value {
        serde_json::from_str(&self.up.say(&["balance", "--json"])).unwrap()
    }
}

fn judge(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin").join(name);
    assert!(path.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", path.display());
    path
}

#[test]
fn an_sdk_hands_in_spans_logs_and_points_that_stand_in_the_trace() {
    let scene = Scene::start("");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    scene.call(&traceparent);
    for (protocol, packed) in [("http", &[][..]), ("grpc", &[]), ("http", &["gzip"]), ("grpc", &["gzip"])] {
        let exported = scene.export(protocol, "web", &traceparent, packed);
        assert!(exported.status.success(), "{protocol} {packed:?}: {exported:?}");
    }
    let stored = wait_for("what was exported", Deadline::default(), || {
        Some(scene.found(&["--service", "web"])).filter(|it| it.len() >= 12)
    });
    let own = |record: &Value, key: &str| record["unmapped"]["bartizan"][key].clone();
    let of = |signal: &str| stored.iter().filter(|it| own(it, "signal") == signal).collect::<Vec<_>>();
    assert_eq!((of("span").len(), of("log").len(), of("metric").len()), (4, 4, 4), "{stored:?}");
    let span = of("span")[0];
    assert_eq!(
        (own(span, "request"), own(span, "owner"), own(span, "security")),
        (trace.into(), "me".into(), true.into())
    );
    let attributes = own(span, "attributes");
    assert_eq!(
        (&attributes["enduser.id"], &attributes["db.password"]),
        (&"ana".into(), &"[redacted]".into()),
        "{span}"
    );
    assert_eq!(attributes["exception.type"], "RuntimeError", "{span}");
    assert_eq!(of("log")[0]["class_uid"], 6008, "a log of an error: {}", of("log")[0]);
    assert_eq!(own(of("metric")[0], "body"), "7", "{}", of("metric")[0]);

    // In the trace, beside what the guards saw.
    let traced = wait_for("the hops of the guards", Deadline::default(), || {
        Some(scene.up.say(&["trace", trace])).filter(|it| it.contains("web inbound"))
    });
    assert!(traced.contains("work by http took") && !traced.contains("gap:"), "{traced}");
    // Another one, in which somebody else tells a span, and `web` does not.
    let other = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{other}-00f067aa0ba902b7-01");
    scene.call(&traceparent);
    assert!(scene.export("http", "app", &traceparent, &[]).status.success());
    let traced = wait_for("the other trace", Deadline::default(), || {
        Some(scene.up.say(&["trace", other])).filter(|it| it.contains("web inbound") && it.contains("work by http"))
    });
    assert!(traced.contains("gap: no span of web"), "{traced}");

    let balance = scene.balance();
    let arrows = balance["arrows"].as_array().unwrap();
    let stored = |name: &str| {
        arrows.iter().find(|it| it["arrow"] == name).unwrap_or_else(|| panic!("{balance}"))["stored"].clone()
    };
    assert_eq!((stored("intake.otlp_http"), stored("intake.otlp_grpc")), (9.into(), 6.into()), "{balance}");
    let metrics = scene.up.say(&["metrics"]);
    assert!(
        metrics.contains("bartizan_arrow_events_total{arrow=\"intake.otlp_grpc\",fate=\"stored\",cause=\"\"} 6"),
        "{metrics}"
    );
    nothing_planted_is_in(&scene.up.data);
}

#[test]
fn an_sdk_without_the_token_is_told_and_keeps_what_it_has() {
    let scene = Scene::start("  tokens: { collector: token }\n");
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for protocol in ["http", "grpc"] {
        let refused = scene.export(protocol, "web", traceparent, &[]);
        assert!(!refused.status.success(), "{protocol}: {refused:?}");
        let taken = scene.export(protocol, "web", traceparent, &[TOKEN]);
        assert!(taken.status.success(), "{protocol}: {taken:?}");
    }
    let stored =
        wait_for("what was exported", Deadline::default(), || Some(scene.found(&[])).filter(|it| it.len() >= 6));
    assert!(stored.iter().all(|it| it["unmapped"]["bartizan"]["from"] == "collector"), "{stored:?}");
    let arrows = scene.balance()["arrows"].clone();
    for name in ["intake.otlp_http", "intake.otlp_grpc"] {
        let arrow = arrows.as_array().unwrap().iter().find(|it| it["arrow"] == name).unwrap();
        assert!(arrow["refused"]["stranger"].as_u64().is_some_and(|count| count >= 3), "{arrow}");
    }
    assert!(scene.folder.path().join("token").exists());
}

#[test]
fn logger_hands_in_syslog_in_all_its_forms() {
    let scene = Scene::start("");
    let port = scene.ports[4].to_string();
    for (how, text) in [
        (&["--udp", "--rfc5424", "--priority", "auth.err"][..], "udp new"),
        (&["--udp", "--rfc3164"], "udp old"),
        (&["--tcp", "--rfc5424"], "tcp new"),
        (&["--tcp", "--rfc5424", "--octet-count"], "tcp counted"),
        (&["--tcp", "--rfc3164"], "tcp old"),
    ] {
        let mut logger = Command::new("logger");
        logger.args(["--server", "127.0.0.1", "--port", &port, "--tag", "web", "--id=77"]).args(how).arg(text);
        let sent = logger.output().expect("`logger` is there: `apt-get install bsdutils`");
        assert!(sent.status.success(), "{how:?}: {sent:?}");
        let found = wait_for(text, Deadline::default(), || {
            scene.found(&["--service", "web", "--text", text]).into_iter().next()
        });
        let own = &found["unmapped"]["bartizan"];
        assert_eq!(
            (&own["body"], &own["emitter"], &own["source"]),
            (&text.into(), &"web".into(), &"syslog".into()),
            "{found}"
        );
        assert_eq!(own["attributes"]["process.pid"], "77", "{found}");
        assert_eq!(own["security"], how.contains(&"auth.err"), "{found}");
        assert!(own["said_at"].is_u64() && own["came_at"].is_u64(), "{found}");
    }
    assert!(scene.up.cli(&["balance"]).status.success(), "{}", scene.balance());
}

fn nothing_planted_is_in(data: &Path) {
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                for planted in PLANTED {
                    let found = bytes.windows(planted.len()).any(|it| it == planted.as_bytes());
                    assert!(!found, "{} holds `{planted}`", path.display());
                }
            }
        }
    }
}
