//! What is handed in over TLS, beyond loopback, by programs that nobody here wrote: who is refused, and that nobody else is held up.

use crate::support::{Authority, Place, Running, judge, wait_for};
use bartizan_core::balance::Balance;
use bartizan_core::snapshot::Kind;
use bartizan_core::status::{Revoke, Revoked};
use bartizan_crypto::forge::Recipe;
use bartizan_crypto::{cert, key};
use bartizan_runtime::clock;
use bartizan_runtime::ports::{Claimed, claim_loopback_ports};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A control that listens on every address, with a certificate from outside.
struct Scene {
    place: Place,
    control: Running,
    claimed: Claimed,
}

impl Scene {
    async fn start() -> Self {
        let (place, claimed) = (Place::new(), claim_loopback_ports(4).unwrap());
        let outside = Authority::new(place.path("outside"));
        // Without 127.0.0.1, so that who dials that is dialling somebody else.
        outside.issue("intake", "DNS:localhost");
        Authority::new(place.path("other"));
        place.write("collector.token", TOKEN);
        let [http, grpc, syslog, lines] = claimed.ports[..] else { panic!("four ports") };
        place.edit_fleet(
            "gateway:",
            &format!(
                "intake:\n  otlp_http: 0.0.0.0:{http}\n  otlp_grpc: 0.0.0.0:{grpc}\n  syslog_tls: 0.0.0.0:{syslog}\n  ndjson: 0.0.0.0:{lines}\n  \
                certificate: outside/intake.pem\n  key: outside/intake.key\n  tokens: {{ collector: collector.token }}\ngateway:"
            ),
        );
        let control = Running::start(&place).await;
        for port in &claimed.ports {
            wait_for("the doors", async || TcpStream::connect(("127.0.0.1", *port)).ok()).await;
        }
        Self { place, control, claimed }
    }

    fn port(&self, nth: usize) -> u16 {
        self.claimed.ports[nth]
    }

    fn roots(&self) -> String {
        self.place.path("outside/ca.pem").to_str().unwrap().to_owned()
    }

    /// The certificate and key of a service of the fleet, in files.
    async fn svid(&self, service: &str) -> (String, String) {
        let proxy = self.control.proxy_of(service).await;
        self.write_pair(service, &proxy.chain, &proxy.key)
    }

    fn write_pair(&self, name: &str, chain: &[Vec<u8>], key: &key::KeyPair) -> (String, String) {
        let issuers = &chain[1..];
        let chain: String = chain.iter().map(|der| cert::pem(der)).collect();
        self.place.write(&format!("{name}.pem"), &chain);
        let issuers: String = issuers.iter().map(|der| cert::pem(der)).collect();
        self.place.write(&format!("{name}.issuers.pem"), &issuers);
        self.place.write(&format!("{name}.key"), key::pem(key).expose());
        let path = |end: &str| self.place.path(&format!("{name}.{end}")).to_str().unwrap().to_owned();
        (path("pem"), path("key"))
    }

    /// A certificate that says it is `accounts`, from another authority or long run out.
    fn forged(&self, name: &str, ago: Duration) -> (String, String) {
        let then = bartizan_core::Timestamp::from_secs(clock::now().as_secs() - ago.as_secs());
        let root = Recipe::ca("bank.test", then).self_signed();
        let leaf = Recipe::leaf("spiffe://bank.test/svc/accounts", then).signed_by(&root);
        self.write_pair(name, &[leaf.der, root.der], &leaf.key)
    }

    async fn balance(&self) -> Balance {
        let balance: Balance = self.control.get("/v1/balance").await;
        assert!(balance.unequal().next().is_none(), "{balance:?}");
        balance
    }

    /// Of a door: what was stored, and what was refused as a stranger's.
    async fn counted(&self, door: &str) -> (u64, u64) {
        let balance = self.balance().await;
        let arrow = balance.arrows.into_iter().find(|it| it.arrow == format!("intake.{door}"));
        arrow.map_or((0, 0), |it| (it.stored, it.refused.get("stranger").copied().unwrap_or(0)))
    }

    async fn failed(&self, cause: &str) -> usize {
        let all = self.control.events("?class=handshake&limit=1000").await;
        let cause = format!("\"{cause}\"");
        all.iter().filter(|it| it.to_string().contains(&cause)).count()
    }
}

/// What a script of the judges says to each of `cases`.
async fn outcomes(script: &'static str, cases: Vec<Value>) -> Vec<String> {
    let count = cases.len();
    let done = tokio::task::spawn_blocking(move || {
        let mut python = judge(script);
        let python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut python = python.spawn().expect("the judge runs");
        python.stdin.take().unwrap().write_all(Value::from(cases).to_string().as_bytes()).unwrap();
        python.wait_with_output().unwrap()
    });
    let done = done.await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let lines: Vec<String> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), count, "{said} {}", String::from_utf8_lossy(&done.stderr));
    lines
}

fn with(mut case: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    case.as_object_mut().unwrap().extend(more);
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog_over_tls_is_taken_from_the_fleet_alone() {
    let scene = Scene::start().await;
    let (chain, key) = scene.svid("accounts").await;
    let (other, other_key) = scene.forged("forged", Duration::ZERO);
    let (old, old_key) = scene.forged("old", Duration::from_secs(30 * 86_400));
    Authority::new(scene.place.path("person")).issue("ana", "DNS:ana");
    let person = |end: &str| scene.place.path(&format!("person/ana.{end}")).to_str().unwrap().to_owned();
    let text = "<34>1 - host web - - - planted by a stranger";
    let text = format!("{} {text}", text.len());
    let case = json!({ "port": scene.port(2), "roots": scene.roots(), "text": text });
    let elsewhere = scene.place.path("other/ca.pem").to_str().unwrap().to_owned();
    let good = json!({ "certificate": chain, "key": key });
    let refused = [
        ("no certificate", json!({}), "certificate required"),
        ("of another authority", json!({ "certificate": other, "key": other_key }), "unknown ca"),
        ("of another authority, and run out", json!({ "certificate": old, "key": old_key }), "alert"),
        ("a person's", json!({ "certificate": person("pem"), "key": person("key") }), "alert"),
        ("TLS 1.2", with(good.clone(), json!({ "tls12": true })), "version"),
        ("plaintext", json!({ "plain": true }), ""),
        (
            "our certificate is of an unknown authority",
            with(good.clone(), json!({ "roots": elsewhere })),
            "certificate verify failed",
        ),
        (
            "our certificate has another name",
            with(good.clone(), json!({ "name": "127.0.0.1" })),
            "not valid for '127.0.0.1'",
        ),
    ];
    let cases = refused.iter().map(|(_, more, _)| with(case.clone(), more.clone())).collect();
    for (said, (why, _, expected)) in outcomes("tls_send.py", cases).await.iter().zip(&refused) {
        assert!(said != "taken" && said.to_lowercase().contains(&expected.to_lowercase()), "{why}: {said}");
    }
    assert_eq!(scene.counted("syslog_tls").await.0, 0, "nothing of it was stored");
    for (cause, least) in [("no_certificate", 1), ("untrusted_issuer", 1), ("protocol", 3)] {
        wait_for(cause, async || (scene.failed(cause).await >= least).then_some(())).await;
    }

    // By length, in pieces of seven bytes over many records; too long and a lie are refused and what is behind them is read.
    let long = "x".repeat(70_000);
    let body = "<38>1 - host accounts - - - \u{fc}ber\nzwei Zeilen";
    let text = format!("{} {body}{} {long}<14>1 - host accounts - - - behind it\n", body.len(), long.len());
    let cases = vec![with(with(case.clone(), good.clone()), json!({ "text": text, "pieces": 7_000 }))];
    assert_eq!(outcomes("tls_send.py", cases).await, ["taken"]);
    wait_for("both messages", async || (scene.counted("syslog_tls").await.0 == 2).then_some(())).await;
    let found = scene.control.events("?class=telemetry&service=accounts").await;
    let body_of = |it: &Value| it["unmapped"]["bartizan"]["body"].as_str().unwrap().to_owned();
    let bodies: Vec<String> = found.iter().map(body_of).collect();
    assert!(
        bodies.contains(&"\u{fc}ber\nzwei Zeilen".to_owned()) && bodies.contains(&"behind it".to_owned()),
        "{bodies:?}"
    );
    let from = &found[0]["unmapped"]["bartizan"]["from"];
    assert_eq!(from, "spiffe://bank.test/svc/accounts", "the certificate says who it was");
    let arrow = scene.balance().await.arrows.into_iter().find(|it| it.arrow == "intake.syslog_tls").unwrap();
    assert_eq!(arrow.refused["too_long"], 1, "{arrow:?}");

    // Another program that nobody here wrote; it speaks for itself alone.
    let issuers = chain.replace(".pem", ".issuers.pem");
    let mut client = std::process::Command::new("openssl");
    let at = format!("localhost:{}", scene.port(2));
    client.args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", "-connect", &at]);
    client.args(["-CAfile", &scene.roots(), "-cert", &chain, "-key", &key, "-cert_chain", &issuers]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let lines = "<14>1 - host accounts - - - by openssl\n<14>1 - host ledger - - - in the name of another\n";
    client.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    wait_for("what openssl sent", async || (scene.counted("syslog_tls").await.0 == 3).then_some(())).await;
    let arrow = wait_for("the other's name", async || {
        let arrow = scene.balance().await.arrows.into_iter().find(|it| it.arrow == "intake.syslog_tls")?;
        arrow.refused.contains_key("foreign_service").then_some(arrow)
    })
    .await;
    assert_eq!(arrow.refused["foreign_service"], 1, "{arrow:?}");
    let _ = client.kill();
    let _ = client.wait();
    scene.control.stop().await;
}

/// Who stands on the deny list is not heard any more, also on a connection that was open before.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_connection_ends_with_the_right_to_it() {
    let scene = Scene::start().await;
    let (chain, key) = scene.svid("accounts").await;
    let issuers = chain.replace(".pem", ".issuers.pem");
    let mut client = std::process::Command::new("openssl");
    let at = format!("localhost:{}", scene.port(2));
    client.args(["s_client", "-quiet", "-connect", &at, "-CAfile", &scene.roots()]);
    client.args(["-cert", &chain, "-key", &key, "-cert_chain", &issuers]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut pipe = client.stdin.take().unwrap();
    pipe.write_all(b"<14>1 - host accounts - - - before\n").unwrap();
    wait_for("the first", async || (scene.counted("syslog_tls").await.0 == 1).then_some(())).await;
    let subject = "id:spiffe://bank.test/svc/accounts".to_owned();
    let done: Revoked =
        scene.control.post("/v1/revoke", &Revoke { subject, reason: "stolen".to_owned() }).await.unwrap();
    assert_eq!(scene.control.status().await.epochs[&Kind::DenyList], done.epoch);
    pipe.write_all(b"<14>1 - host accounts - - - after\n").unwrap();
    wait_for("the end of the connection", async || client.try_wait().unwrap()).await;
    assert_eq!(scene.counted("syslog_tls").await, (1, 1), "what came after is a stranger's");
    // And a new one is refused in the handshake; over HTTP as well.
    let text = "<14>1 - host accounts - - - again\n";
    let case = json!({ "port": scene.port(2), "roots": scene.roots(), "text": text, "certificate": chain, "key": key });
    let said = outcomes("tls_send.py", vec![case]).await;
    assert_ne!(said, ["taken"]);
    assert_eq!(scene.counted("syslog_tls").await.0, 1);
    scene.control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_exports_over_tls_where_it_proves_who_it_is() {
    let scene = Scene::start().await;
    let (chain, key) = scene.svid("accounts").await;
    let (other, other_key) = scene.forged("forged", Duration::ZERO);
    let elsewhere = scene.place.path("other/ca.pem").to_str().unwrap().to_owned();
    let mut refused = Vec::new();
    let mut taken = Vec::new();
    for (protocol, nth) in [("http", 0), ("grpc", 1)] {
        let port = scene.port(nth);
        let scheme = if protocol == "http" { "https://" } else { "" };
        let plain = if protocol == "http" { "http://" } else { "" };
        let case =
            json!({ "protocol": protocol, "endpoint": format!("{scheme}localhost:{port}"), "roots": scene.roots() });
        let good = with(case.clone(), json!({ "token": TOKEN }));
        refused.extend([
            ("nothing is shown", case.clone()),
            ("another token", with(case.clone(), json!({ "token": "0123456789abcdef0123456789abcdee" }))),
            ("of another authority", with(good.clone(), json!({ "certificate": other, "key": other_key }))),
            ("ours is of another", with(good.clone(), json!({ "roots": elsewhere }))),
            ("ours has another name", with(good.clone(), json!({ "endpoint": format!("{scheme}127.0.0.1:{port}") }))),
            (
                "plaintext",
                with(good.clone(), json!({ "endpoint": format!("{plain}localhost:{port}"), "insecure": true })),
            ),
        ]);
        let patient = json!({ "patience": 30 });
        taken.push(("a token", with(good, patient.clone())));
        let shown = with(case, json!({ "certificate": chain, "key": key }));
        taken.push(("a certificate", with(shown.clone(), patient.clone())));
        taken.push(("in the name of another", with(with(shown, patient), json!({ "service": "ledger" }))));
    }
    let cases = refused.iter().map(|(_, case)| case.clone()).collect();
    for (said, (why, case)) in outcomes("otlp_send.py", cases).await.iter().zip(&refused) {
        assert_eq!(said, "FAILURE", "{why}: {case}");
    }
    for door in ["otlp_http", "otlp_grpc"] {
        let (stored, strangers) = scene.counted(door).await;
        assert!(stored == 0 && strangers >= 2, "{door}: {stored} stored, {strangers} strangers");
    }
    let cases = taken.iter().map(|(_, case)| case.clone()).collect();
    for (said, (why, case)) in outcomes("otlp_send.py", cases).await.iter().zip(&taken) {
        assert_eq!(said, "SUCCESS", "{why}: {case}");
    }
    for door in ["otlp_http", "otlp_grpc"] {
        // The third was told that none was taken, as the protocol has it: a success with `rejected_log_records`.
        assert_eq!(scene.counted(door).await.0, 2, "{door}");
        let arrow = scene.balance().await.arrows.into_iter().find(|it| it.arrow == format!("intake.{door}")).unwrap();
        assert_eq!(arrow.refused["foreign_service"], 1, "{arrow:?}");
    }
    let found = scene.control.events("?class=telemetry&service=accounts").await;
    let from = |name: &str| found.iter().filter(|it| it["unmapped"]["bartizan"]["from"] == name).count();
    assert_eq!((from("collector"), from("spiffe://bank.test/svc/accounts")), (2, 2), "{found:?}");
    scene.control.stop().await;
}

/// Somebody opens what he can and says nothing, or half of it: he loses his connections, and nobody else waits.
#[tokio::test(flavor = "multi_thread")]
async fn slow_handshakes_hold_up_nobody_else() {
    let scene = Scene::start().await;
    let (chain, key) = scene.svid("accounts").await;
    // A record of a ClientHello that is announced and does not come.
    let half = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let from: std::net::SocketAddr = "127.0.0.2:0".parse().unwrap();
    let mut slow = Vec::new();
    for n in 0..600 {
        let to: std::net::SocketAddr = ([127, 0, 0, 1], scene.port(2)).into();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(from).unwrap();
        let Ok(Ok(mut stream)) = tokio::time::timeout(Duration::from_secs(5), socket.connect(to)).await else { break };
        if n % 2 == 0 {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &half).await; // one that was refused at once is no fault
        }
        slow.push(stream.into_std().unwrap());
    }
    assert_eq!(slow.len(), 600, "the kernel takes them");
    let text = "<14>1 - host accounts - - - in time\n";
    let case = json!({ "port": scene.port(2), "roots": scene.roots(), "text": text, "certificate": chain, "key": key });
    let began = Instant::now();
    assert_eq!(outcomes("tls_send.py", vec![case]).await, ["taken"]);
    wait_for("the message", async || (scene.counted("syslog_tls").await.0 == 1).then_some(())).await;
    println!("{} ms beside 600 slow handshakes", began.elapsed().as_millis());
    let ended = tokio::task::spawn_blocking(move || {
        for mut stream in slow {
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut said = Vec::new();
            match stream.read_to_end(&mut said) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                _ => {} // an end or a reset
            }
        }
        true
    });
    assert!(ended.await.unwrap(), "a connection without a handshake is open after a minute");
    wait_for("an event of it", async || (scene.failed("timeout").await > 0).then_some(())).await;
    scene.control.stop().await;
}

/// Doors stay open, and so do connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_renewed_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let scene = Scene::start().await;
    let outside = Authority::new(scene.place.path("renewed"));
    let (chain, key) = scene.svid("accounts").await;
    let renewed = outside.file("ca.pem");
    let case = json!({ "port": scene.port(2), "text": "<14>1 - host accounts - - - hello\n", "certificate": chain, "key": key });
    let says = async |roots: &str| outcomes("tls_send.py", vec![with(case.clone(), json!({ "roots": roots }))]).await;
    assert_eq!(says(&scene.roots()).await, ["taken"]);
    assert_ne!(says(&renewed).await, ["taken"], "nothing of the new authority is shown yet");
    let issuers = chain.replace(".pem", ".issuers.pem");
    let mut client = std::process::Command::new("openssl");
    let at = format!("localhost:{}", scene.port(2));
    client.args(["s_client", "-quiet", "-connect", &at, "-CAfile", &scene.roots()]);
    client.args(["-cert", &chain, "-key", &key, "-cert_chain", &issuers]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut pipe = client.stdin.take().unwrap();
    pipe.write_all(b"<14>1 - host accounts - - - before\n").unwrap();
    wait_for("both", async || (scene.counted("syslog_tls").await.0 == 2).then_some(())).await;

    // As whoever renews does it: one file after the other.
    let put = |name: &str| {
        for end in ["key", "pem"] {
            std::fs::copy(outside.file(&format!("{name}.{end}")), scene.place.path(&format!("outside/intake.{end}")))
                .unwrap();
        }
    };
    outside.issue("intake", "DNS:localhost");
    put("intake");
    wait_for("the renewed one", async || (says(&renewed).await == ["taken"]).then_some(())).await;
    assert_ne!(says(&scene.roots()).await, ["taken"], "the one of before is not shown any more");
    // Every door shows it.
    for nth in [0, 1, 3] {
        let at = format!("localhost:{}", scene.port(nth));
        let seen = std::process::Command::new("openssl")
            .args([
                "s_client",
                "-verify_return_error",
                "-connect",
                &at,
                "-CAfile",
                &renewed,
                "-cert",
                &chain,
                "-key",
                &key,
            ])
            .args(["-cert_chain", &issuers])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&seen.stdout).contains("Verify return code: 0"), "door {nth}: {seen:?}");
    }
    let before = scene.counted("syslog_tls").await.0;
    pipe.write_all(b"<14>1 - host accounts - - - on the connection of before\n").unwrap();
    wait_for("the open connection", async || (scene.counted("syslog_tls").await.0 == before + 1).then_some(())).await;

    let problems = async || {
        let all = scene.control.events("?class=config&limit=1000").await;
        all.iter().filter(|it| it.to_string().contains("the new certificate of `intake:` cannot be used")).count()
    };
    // One that ran out is not better than what is shown; nor is what is none.
    outside.issue_expired("old", "DNS:localhost");
    put("old");
    wait_for("the word about it", async || (problems().await == 1).then_some(())).await;
    assert_eq!(says(&renewed).await, ["taken"]);
    std::fs::write(scene.place.path("outside/intake.pem"), "nonsense").unwrap();
    wait_for("another word", async || (problems().await == 2).then_some(())).await;
    assert_eq!(says(&renewed).await, ["taken"]);
    let all = scene.control.events("?class=config&limit=1000").await;
    assert!(!Value::from(all).to_string().contains("PRIVATE KEY"));
    let _ = client.kill();
    let _ = client.wait();
    scene.control.stop().await;
}
