//! The console's door, as a browser comes through it: link, session, map, stream, roles; and what the command line says of the same.

use bartizan_testkit::{Answer, Bank, Deadline, free_ports, kill_hard, request, wait_for};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Denied calls whose way to the page is measured, a count.
const DENIED: usize = 200;
/// Above which their 99th percentile fails here, where others use the machine; the goal is 500 ms.
const LATE_MS: u64 = 5_000;

struct Browser {
    url: String,
    cookie: String,
    csrf: String,
}

impl Browser {
    /// Somebody with that role, by a link.
    fn come(bank: &Bank, role: &str) -> Self {
        let made: Value = said(bank, &["console", "link", "--role", role, "--name", role, "--json"]);
        let (page, token) = made["link"].as_str().unwrap().split_once("/link#").unwrap();
        let token = json!({ "token": token }).to_string();
        let sent = |headers: &[&str]| request("POST", &format!("{page}/sign-in/link"), None, headers, Some(&token));
        let foreign = sent(&["content-type: application/json", "origin: https://evil.test"]);
        assert_eq!(foreign.status, 403, "{foreign:?}");
        let origin = format!("origin: {page}");
        let answer = sent(&["content-type: application/json", &origin]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let mut browser = Self { url: page.to_owned(), cookie, csrf: String::new() };
        let me = browser.get("/api/v1/me");
        assert_eq!((me.status, me.json()["role"].as_str()), (200, Some(role)), "{me:?}");
        browser.csrf = me.json()["csrf"].as_str().unwrap().to_owned();
        let again = sent(&["content-type: application/json"]);
        assert_eq!(again.status, 401, "a link works once: {again:?}");
        browser
    }

    fn get(&self, path: &str) -> Answer {
        request("GET", &format!("{}{path}", self.url), None, &[&format!("cookie: {}", self.cookie)], None)
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        let (cookie, mark) = (format!("cookie: {}", self.cookie), format!("bartizan-csrf: {}", self.csrf));
        let origin = format!("origin: {}", self.url);
        let headers = ["content-type: application/json", &cookie, &mark, &origin];
        request("POST", &format!("{}{path}", self.url), None, &headers, Some(&body.to_string()))
    }
}

/// What a command prints as JSON.
fn said(bank: &Bank, args: &[&str]) -> Value {
    let output = bank.up.cli(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {output:?}"))
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// A page that listens.
struct Stream {
    curl: Child,
    /// Name, data, and when it came.
    frames: Receiver<(String, Value, u64)>,
}

impl Stream {
    fn open(browser: &Browser) -> Self {
        let mut curl = Command::new("curl")
            .args(["--silent", "--no-buffer", "--header", &format!("cookie: {}", browser.cookie)])
            .arg(format!("{}/api/v1/stream", browser.url))
            .stdout(Stdio::piped())
            .spawn()
            .expect("curl is installed");
        let (tell, frames) = channel();
        let lines = BufReader::new(curl.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            let mut event = String::new();
            for line in lines.map_while(Result::ok) {
                if let Some(name) = line.strip_prefix("event: ") {
                    event = name.to_owned();
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let data = serde_json::from_str(data).expect("data is JSON");
                    if tell.send((event.clone(), data, now_ms())).is_err() {
                        return;
                    }
                }
            }
        });
        Self { curl, frames }
    }

    fn next(&self, wanted: &str) -> (Value, u64) {
        loop {
            let frame = self.frames.recv_timeout(Duration::from_secs(60));
            let (event, data, at) = frame.unwrap_or_else(|error| panic!("no `{wanted}` came: {error}"));
            if event == wanted {
                return (data, at);
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

#[test]
fn a_viewer_sees_what_is_denied_as_it_happens_and_changes_nothing() {
    let bank = Bank::start(&[]);
    assert!(bank.up.log().contains("console at http://127.0.0.1:"), "`up` says where it is:\n{}", bank.up.log());
    let status: Value = said(&bank, &["console", "status", "--json"]);
    assert_eq!(status["first_run"].as_bool(), Some(true), "{status}");
    let url = status["url"].as_str().unwrap();
    for (path, headers, expected) in [
        ("/api/v1/status", &[][..], 401),
        ("/api/v1/nothing", &[], 401),
        ("/sign-in/state", &[], 200),
        ("/", &[], 200),
        ("/", &["host: evil.test"], 421),
        ("/sign-in/state", &["host: evil.test"], 421),
    ] {
        let answer = request("GET", &format!("{url}{path}"), None, headers, None);
        assert_eq!(answer.status, expected, "{path} {headers:?}: {answer:?}");
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
    }

    let viewer = Browser::come(&bank, "viewer");
    for path in ["/api/v1/reload", "/api/v1/links", "/api/v1/ca/rotate"] {
        assert_eq!(viewer.post(path, &json!({})).status, 403, "{path}");
    }
    let operator = Browser::come(&bank, "operator");
    assert_eq!(operator.post("/api/v1/reload", &json!({})).status, 200);
    assert_eq!(operator.post("/api/v1/links", &json!({ "role": "administrator", "name": "x" })).status, 403);

    // What is denied comes to a page that listens.
    let stream = Stream::open(&viewer);
    assert_eq!(stream.next("hello").0["fleet"], "bank");
    let first = denied(&bank);
    assert_eq!(first, 403);
    for _ in 1..DENIED {
        assert_eq!(denied(&bank), 403);
    }
    let mut late = Vec::new();
    while late.len() < DENIED {
        let (events, at) = stream.next("events");
        let denied = events
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["unmapped"]["bartizan"]["denial"] == true && event["class_uid"] == 4002);
        late.extend(denied.map(|event| at.saturating_sub(event["time"].as_u64().unwrap())));
    }
    late.sort_unstable();
    let (p50, p99) = (late[late.len() / 2], late[late.len() * 99 / 100]);
    println!(
        "from event to page: p50 {p50} ms, p99 {p99} ms, longest {} ms over {} denied calls",
        late[late.len() - 1],
        late.len()
    );
    assert!(p99 < LATE_MS, "{late:?}");
    drop(stream);

    the_map_shows_it(&bank, &viewer);
    what_was_done_is_on_record(&bank);

    // Another control process knows the session still.
    let control = bank.up.find_one(&["bartizan control "]);
    kill_hard(control);
    wait_for("the session to be known by another control", Deadline::default(), || {
        (bank.up.find(&["bartizan control "]) != [control] && viewer.get("/api/v1/me").status == 200).then_some(())
    });
    assert_eq!(said(&bank, &["console", "sessions", "--json"])["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(viewer.post("/sign-in/out", &json!({})).status, 200);
    assert_eq!(viewer.get("/api/v1/me").status, 401);
    assert_eq!(said(&bank, &["console", "sign-out", "--all", "--json"])["ended"], 1);
    assert_eq!(operator.get("/api/v1/me").status, 401);
}

/// A call that policy denies: only payment may. Its status.
fn denied(bank: &Bank) -> u16 {
    bank.call("POST", "/accounts/transfers", &[], Some("{}")).status
}

fn the_map_shows_it(bank: &Bank, viewer: &Browser) {
    let edge = wait_for("the map to show what was denied", Deadline::default(), || {
        let map = viewer.get("/api/v1/map").json();
        let edges = map["edges"].as_array().unwrap().clone();
        edges.into_iter().find(|edge| edge["denied"].as_u64() >= Some(DENIED as u64) && edge["declared"] == true)
    });
    let (from, to) = (edge["from"].as_str().unwrap(), edge["to"].as_str().unwrap());
    let reach = viewer.get(&format!("/api/v1/reach?service={to}")).json();
    let inward = reach["in"].as_array().unwrap();
    assert!(to == "gateway" || inward.iter().any(|it| it["peer"] == from), "{from} -> {to}: {reach}");
    let text = String::from_utf8(bank.up.cli(&["map"]).stdout).unwrap();
    assert!(text.lines().any(|line| line.starts_with(from) && line.contains(to)), "{text}");
    let top = String::from_utf8(bank.up.cli(&["top", "--once"]).stdout).unwrap();
    assert!(top.contains("SERVICE") && top.contains("accounts") && top.contains("MTLS"), "{top}");
    let dot = String::from_utf8(bank.up.cli(&["map", "--dot"]).stdout).unwrap();
    assert!(dot.starts_with("digraph fleet {"), "{dot}");
    let series = viewer.get("/api/v1/series?indicator=M1&seconds=3600").json();
    assert_eq!((series["indicator"].as_str(), series["place"].as_str()), (Some("M1"), Some("fleet")), "{series}");
    assert_eq!(viewer.get("/api/v1/series?indicator=M11").status, 400);
    assert_eq!(viewer.get("/api/v1/reach?service=nobody").status, 404);
}

fn what_was_done_is_on_record(bank: &Bank) {
    let told = wait_for("what was done to be on record", Deadline::default(), || {
        let output = bank.up.cli(&["events", "--class", "person", "--json", "--limit", "100"]);
        let text = String::from_utf8(output.stdout).unwrap();
        ["signed_in", "forbidden", "acted", "invited"].iter().all(|deed| text.contains(deed)).then_some(text)
    });
    assert!(told.contains("POST /v1/reload") || told.contains("POST /api/v1/reload"), "{told}");
    let changes = said(bank, &["changes", "--json"]);
    let kinds: Vec<&str> = changes["changes"].as_array().unwrap().iter().filter_map(|it| it["kind"].as_str()).collect();
    for kind in ["administrator", "policy", "deploy"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    let verified = bank.up.cli(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

/// Where a console with TLS is, and what is in its files.
struct Tls {
    port: u16,
    folder: PathBuf,
}

impl Tls {
    /// A certificate that openssl makes, with that serial number. Each file is replaced as a whole.
    fn write(folder: &Path, serial: u32) {
        let (key, pem) = (folder.join("console.key.new"), folder.join("console.pem.new"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-set_serial", &serial.to_string(), "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&pem)
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{made:?}");
        std::fs::rename(key, folder.join("console.key")).unwrap();
        std::fs::rename(pem, folder.join("console.pem")).unwrap();
    }

    /// The serial number that a client sees; empty where there is no handshake.
    fn seen(&self) -> String {
        let at = format!("127.0.0.1:{}", self.port);
        let client = Command::new("openssl")
            .args(["s_client", "-connect", &at, "-servername", "localhost"])
            .stdin(Stdio::null())
            .output()
            .expect("openssl is installed");
        let mut reader = Command::new("openssl")
            .args(["x509", "-noout", "-serial"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It may have closed its end where there is no certificate.
        let _ = reader.stdin.take().unwrap().write_all(&client.stdout);
        let serial = reader.wait_with_output().unwrap().stdout;
        String::from_utf8_lossy(&serial).trim().trim_start_matches("serial=").to_owned()
    }

    fn wait(&self, serial: &str) {
        wait_for(&format!("the certificate {serial}"), Deadline::default(), || (self.seen() == serial).then_some(()));
    }
}

#[test]
fn a_certificate_that_was_renewed_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let port = free_ports(1)[0];
    let mut folder = PathBuf::new();
    let bank = Bank::start_with(&[], |it| {
        folder = it.to_owned();
        Tls::write(it, 0x11);
        let file = it.join("fleet.yaml");
        let console =
            format!("console: {{ listen: \"127.0.0.1:{port}\", certificate: console.pem, key: console.key }}\n");
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &console).unwrap();
    });
    let control = bank.up.find_one(&["bartizan control "]);
    let tls = Tls { port, folder };
    tls.wait("11");
    let url = format!("https://127.0.0.1:{port}/sign-in/state");
    let problem = || said(&bank, &["console", "status", "--json"])["problem"].clone();
    assert_eq!(problem(), Value::Null);

    Tls::write(&tls.folder, 0x12);
    tls.wait("12");

    for (file, text) in
        [("console.pem", "nonsense"), ("console.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")]
    {
        std::fs::write(tls.folder.join(file), text).unwrap();
        wait_for("control to say so", Deadline::default(), || {
            problem().as_str().is_some_and(|why| why.contains("the one of before is shown")).then_some(())
        });
        assert_eq!(tls.seen(), "12", "the one of before");
        let answer = request("GET", &url, None, &[], None);
        assert_eq!(answer.status, 200, "{answer:?}");
        Tls::write(&tls.folder, 0x13);
        tls.wait("13");
        wait_for("that to be over", Deadline::default(), || problem().is_null().then_some(()));
        Tls::write(&tls.folder, 0x12);
        tls.wait("12");
    }
    // Another's key.
    std::fs::copy(tls.folder.join("console.key"), tls.folder.join("other.key")).unwrap();
    Tls::write(&tls.folder, 0x14);
    tls.wait("14");
    std::fs::rename(tls.folder.join("other.key"), tls.folder.join("console.key")).unwrap();
    let why = wait_for("control to say so", Deadline::default(), || problem().as_str().map(str::to_owned));
    assert!(why.contains("console.key") && tls.seen() == "14", "{why}");
    let told = wait_for("the event", Deadline::default(), || {
        let output = bank.up.cli(&["events", "--class", "config", "--json", "--limit", "100"]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.contains("the new certificate of `console:` cannot be used").then_some(text)
    });
    assert!(!told.contains("PRIVATE KEY"), "{told}");
    assert_eq!(bank.up.find_one(&["bartizan control "]), control, "all by one process");
}

/// The clock of the fleet goes on; nobody waits.
#[test]
fn a_session_that_nobody_uses_ends_while_a_board_asks_and_one_that_is_used_does_not() {
    const STEP: Duration = Duration::from_secs(10 * 60);
    /// More than half an hour.
    const STEPS: u32 = 4;
    let (bank, clock) = Bank::start_by_clock();
    let (board, person) = (Browser::come(&bank, "viewer"), Browser::come(&bank, "operator"));
    let by_itself = |browser: &Browser, path: &str| {
        let headers = [&*format!("cookie: {}", browser.cookie), "bartizan-by-itself: 1"];
        request("GET", &format!("{}{path}", browser.url), None, &headers, None).status
    };
    let paths = ["/api/v1/map", "/api/v1/series?indicator=M1", "/api/v1/alerts"];
    for step in 1..=STEPS {
        clock.set_ahead(step * STEP);
        let ahead = wait_for("control to have that time", Deadline::default(), || {
            let now = bank.up.status()?["now"].as_u64()?;
            (now >= now_ms() + u64::from(step) * STEP.as_millis() as u64 - 1_000).then_some(now)
        });
        for path in paths {
            let status = by_itself(&board, path);
            // Half an hour to the moment is either.
            let expected = step == 3 || status == if step < STEPS { 200 } else { 401 };
            assert!(expected, "{path} in step {step}, at {ahead}: {status}");
        }
        let gone = person.get("/api/v1/policies");
        assert_eq!(gone.status, 200, "somebody went to another page in step {step}: {gone:?}");
        assert_eq!(by_itself(&person, "/api/v1/map"), 200, "whose board asks as well");
    }
    assert_eq!(board.get("/api/v1/me").status, 401, "it does not come back");
    clock.set_ahead(2 * STEPS * STEP);
    let ended = wait_for("the other one to end as well", Deadline::default(), || {
        let status = by_itself(&person, "/api/v1/map");
        (status != 200).then_some(status)
    });
    assert_eq!(ended, 401);
}

/// The document of the API is judged by a validator that others wrote.
#[test]
fn the_document_of_the_api_is_openapi() {
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin/openapi-spec-validator");
    assert!(judge.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", judge.display());
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../planes/control/openapi.json");
    let judged = Command::new(judge).arg(document).output().unwrap();
    assert!(judged.status.success(), "{judged:?}");
}
