//! Signed events at the gateway of a whole fleet, sent by libraries that nobody here wrote.

use bartizan_testkit::{Deadline, Up, binary, free_ports, request, wait_for};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const SENDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/webhooks.py");
const BILLING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT: &str = "whsec_C2FVsBQIhrscChlQIMV7b5sSYspob7oD";
/// A function: says what came, and for whom its guard was told.
const PROGRAM: &str = "import http.server, os\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_POST(self):\n\
    \x20       body = self.rfile.read(int(self.headers['content-length']))\n\
    \x20       self.send_response(500 if b'fail' in body else 200)\n\
    \x20       self.send_header('content-length', str(len(body)))\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(body)\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
    http.server.ThreadingHTTPServer((host, int(port)), It).serve_forever()\n";
const POLICY: &str = "@reason(\"this is for billing\")\nforbid (principal, action, resource == Service::\"pay\")\nwhen { context.path like \"/hooks/pay/own*\" }\n\
    unless { context has user && context.user.issuer == \"bartizan:events\" && context.user.subject == \"sender:billing\" };\n";

fn judge(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin").join(name);
    assert!(path.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", path.display());
    path
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

struct Place {
    folder: TempDir,
    ports: Vec<u16>,
}

impl Place {
    fn new() -> Self {
        let it = Self { folder: tempfile::tempdir().unwrap(), ports: free_ports(3) };
        std::fs::create_dir(it.file("policies")).unwrap();
        for (file, text) in [("it.py", PROGRAM), ("policies/own.cedar", POLICY), ("billing", BILLING)] {
            std::fs::write(it.file(file), text).unwrap();
        }
        for (file, text) in [("hub", "It's a Secret to Everybody"), ("till", "whsec_0123456789abcdef")] {
            std::fs::write(it.file(file), text).unwrap();
        }
        std::fs::write(it.file("chat"), "8f742231b10e8888abcd99yyyzzz85a5").unwrap();
        let made = Command::new(binary("bartizan")).args(["token", "keygen", "--out"]).arg(it.file("partner")).output();
        assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{made:?}");
        it
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, billing: &str) -> PathBuf {
        let [pay, build, edge] = self.ports[..] else { unreachable!() };
        let text = format!(
            "fleet: one\ntrust_domain: one.test\npolicies: policies\nservices:\n  \
             pay: {{ run: [python3, it.py], listen: \"127.0.0.1:{pay}\", protocol: http, owner: me }}\n  \
             build: {{ run: [python3, it.py], listen: \"127.0.0.1:{build}\", protocol: http, owner: me }}\n\
             gateway:\n  listen: 127.0.0.1:{edge}\n  senders:\n    \
             billing: {{ scheme: standard, secret_file: {billing} }}\n    \
             hub: {{ scheme: github, secret_file: hub }}\n    \
             till: {{ scheme: stripe, secret_file: till }}\n    \
             chat: {{ scheme: slack, secret_file: chat, tolerance: 90s }}\n    \
             partner: {{ scheme: http-signatures, keys_file: partner.jwks }}\n  routes:\n    \
             - {{ path: /hooks/pay, to: pay, methods: [POST], events: [billing, till], event_bytes_max: 4096 }}\n    \
             - {{ path: /hooks/pay/own, to: pay, methods: [POST], events: [billing, till] }}\n    \
             - {{ path: /hooks/build, to: build, methods: [POST], events: [hub, chat, partner] }}\n"
        );
        let file = self.file("fleet.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Sends an event of `scheme` to `path`, with `more` said of it.
    fn send(&self, up: &Up, path: &str, scheme: &str, more: Value) -> (u16, String, String) {
        self.try_send(up, path, scheme, more).unwrap_or_else(|said| panic!("no answer: {said}"))
    }

    /// Status, body and request id; else what the sender's library says.
    fn try_send(&self, up: &Up, path: &str, scheme: &str, more: Value) -> Result<(u16, String, String), String> {
        let port = self.ports[2];
        let mut said = json!({
            "url": format!("https://127.0.0.1:{port}{path}"), "connect": format!("127.0.0.1:{port}"), "ca": up.ca(),
            "scheme": scheme, "at": now(), "id": "m1", "body": "{\"event\":\"paid\"}",
        });
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut sender = Command::new(judge("python"));
        let mut child =
            sender.arg(SENDER).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(said.to_string().as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        let answer: Value = serde_json::from_slice(&done.stdout).map_err(|error| format!("{error}: {done:?}"))?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Ok((u16::try_from(answer["status"].as_u64().unwrap()).unwrap(), text("body"), text("request")))
    }

    /// Until the gateway takes one: it vouches for nobody before control let it, and for nothing that was signed before it began.
    fn until_taken(&self, up: &Up, id: &str) {
        wait_for("the first event to be taken", Deadline::default(), || {
            let answer = self.send(up, "/hooks/pay", "standard", json!({ "secret": BILLING, "id": id }));
            (answer.0 == 200).then_some(())
        });
    }
}

#[test]
fn what_could_not_be_enforced_is_refused_before_anything_starts() {
    let place = Place::new();
    let check = |billing: &str| {
        let done = Command::new(binary("bartizan")).arg("check").arg(place.write(billing)).output().unwrap();
        (
            done.status.success(),
            String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout),
        )
    };
    let (good, said) = check("billing");
    assert!(good, "{said}");
    let (good, said) = check("missing");
    assert!(!good && said.contains("sender `billing`: cannot use `") && said.contains("missing"), "{said}");
    std::fs::write(place.file("weak"), "whsec_c2hvcnQ=").unwrap();
    let (good, said) = check("weak");
    assert!(!good && said.contains("at least 16 bytes") && !said.contains("c2hvcnQ"), "{said}");
}

#[test]
fn events_of_five_kinds_of_senders_come_in_once_each_to_their_own_function() {
    let place = Place::new();
    let up = Up::start(&place.write("billing"), &[]);
    place.until_taken(&up, "m0");
    let key = place.file("partner.key");
    let kid = std::fs::read(place.file("partner.jwks")).unwrap();
    let kid = serde_json::from_slice::<Value>(&kid).unwrap()["keys"][0]["kid"].as_str().unwrap().to_owned();
    let (at, wrong_function) = (now(), "is not signed");
    for (sender, scheme, path, other, secret) in [
        ("billing", "standard", "/hooks/pay", "/hooks/build", json!({ "secret": BILLING })),
        ("till", "stripe", "/hooks/pay", "/hooks/build", json!({ "secret": "whsec_0123456789abcdef" })),
        ("hub", "github", "/hooks/build", "/hooks/pay", json!({ "secret": "It's a Secret to Everybody" })),
        ("chat", "slack", "/hooks/build", "/hooks/pay", json!({ "secret": "8f742231b10e8888abcd99yyyzzz85a5" })),
        ("partner", "http-signatures", "/hooks/build?a=b", "/hooks/pay", json!({ "key": key, "kid": kid })),
    ] {
        let send = |path: &str, more: Value| {
            let mut said = secret.clone();
            let moment = json!({ "at": at });
            said.as_object_mut().unwrap().extend(moment.as_object().unwrap().clone());
            said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            place.send(&up, path, scheme, said)
        };
        let why = |answer: (u16, String, String), wanted: u16, part: &str| {
            let (status, body, request) = answer;
            assert_eq!(status, wanted, "{sender}: {body}");
            assert!(body.contains("\"event_refused\"") && body.contains(&request) && !body.contains(sender), "{body}");
            wait_for("the reason", Deadline::default(), || {
                let said = up.cli(&["explain", &request]);
                let said = String::from_utf8_lossy(&said.stdout).into_owned();
                (said.contains("fleet:events") && said.contains(part)).then_some(())
            });
        };
        why(
            send(path, json!({ "sent": "{\"event\":\"Paid\"}" })),
            401,
            if sender == "partner" { "digest" } else { "no signature is the sender's" },
        );
        why(send(other, json!({})), 401, wrong_function);
        if sender != "hub" {
            why(send(path, json!({ "at": at - 400 })), 401, "s ago, and counts for");
            why(send(path, json!({ "at": at + 400 })), 401, "it will be signed in");
        }
        let (status, body, _) = send(path, json!({}));
        assert!(status == 200 && body.contains("paid"), "{sender}: {status} {body}");
        why(send(path, json!({})), 401, "it was sent before");
        // Its sender at the function's own guard.
        wait_for("the event of the function", Deadline::default(), || {
            let service = path[7..].split('?').next().unwrap();
            let events = up.say(&["events", "--service", service, "--json"]);
            events.contains(&format!("sender:{sender} of bartizan:events")).then_some(())
        });
    }
    let (status, body, _) =
        place.send(&up, "/hooks/pay/own", "stripe", json!({ "secret": "whsec_0123456789abcdef", "at": now() + 1 }));
    assert!(status == 403 && body.contains("this is for billing"), "policies name senders: {status} {body}");
    let signature = json!([["webhook-signature", "v1,AAAA"]]);
    let (status, ..) =
        place.send(&up, "/hooks/pay", "standard", json!({ "secret": BILLING, "id": "m9", "fields": signature }));
    assert_eq!(status, 401, "two signatures");
    let (status, ..) =
        place.send(&up, "/hooks/pay", "standard", json!({ "secret": BILLING, "id": "m9", "body": "x".repeat(4097) }));
    assert_eq!(status, 413);
    let (status, ..) = place.send(&up, "/hooks/pay", "none", json!({}));
    assert_eq!(status, 401, "unsigned");
    what_our_command_signs_is_taken_once(&place, &up);
    let all = up.say(&["events", "--json"]);
    for secret in [BILLING, &BILLING[6..], "Secret to Everybody", "whsec_0123456789abcdef"] {
        assert!(!all.contains(secret), "no secret in events");
    }
    let held = Command::new("grep").args(["-rl", &BILLING[6..]]).arg(up.ca().parent().unwrap()).output().unwrap();
    assert!(held.stdout.is_empty(), "nor anywhere in the data folder: {}", String::from_utf8_lossy(&held.stdout));
}

fn what_our_command_signs_is_taken_once(place: &Place, up: &Up) {
    let body = "{\"event\":\"own\"}";
    std::fs::write(place.file("body"), body).unwrap();
    for (path, scheme, by, file) in [
        ("/hooks/pay", "standard", "--secret-file", "billing"),
        ("/hooks/pay", "stripe", "--secret-file", "till"),
        ("/hooks/build", "github", "--secret-file", "hub"),
        ("/hooks/build", "slack", "--secret-file", "chat"),
        ("/hooks/build?c=d", "http-signatures", "--key", "partner.key"),
    ] {
        let url = format!("https://127.0.0.1:{}{path}", place.ports[2]);
        let mut sign = Command::new(binary("bartizan"));
        sign.args(["event", "sign", "--scheme", scheme, by]).arg(place.file(file)).args(["--url", &url]);
        let signed = sign.arg(place.file("body")).output().unwrap();
        assert!(signed.status.success(), "{signed:?}");
        let fields = String::from_utf8(signed.stdout).unwrap();
        let fields: Vec<&str> = fields.lines().collect();
        for wanted in [200, 401] {
            let answer = request("POST", &url, Some(&up.ca()), &fields, Some(body));
            assert_eq!(answer.status, wanted, "{scheme}: {fields:?} {answer:?}");
        }
    }
    let refused = Command::new(binary("bartizan"))
        .args(["event", "sign", "--scheme", "standard", "--secret-file"])
        .args([place.file("hub"), place.file("body")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("has no secret of this scheme"), "{refused:?}");
    assert!(!said.contains("Secret to Everybody"), "{said}");
}

#[test]
fn keys_are_replaced_under_way_and_a_gateway_that_was_killed_takes_nothing_twice() {
    let place = Place::new();
    let up = Up::start(&place.write("billing"), &[]);
    place.until_taken(&up, "m0");
    let send = |secret: &str, id: &str, at: u64| {
        place.send(&up, "/hooks/pay", "standard", json!({ "secret": secret, "id": id, "at": at })).0
    };
    assert_eq!(send(NEXT, "m1", now()), 401);
    std::fs::write(place.file("billing"), format!("{BILLING}\n{NEXT}\n")).unwrap();
    assert_eq!((send(NEXT, "m1", now()), send(BILLING, "m2", now())), (200, 200));
    std::fs::write(place.file("billing"), format!("{NEXT}\n")).unwrap();
    assert_eq!((send(BILLING, "m3", now()), send(NEXT, "m4", now())), (401, 200));
    let fails = json!({ "secret": NEXT, "id": "m5", "body": "fail" });
    for _ in 0..2 {
        assert_eq!(place.send(&up, "/hooks/pay", "standard", fails.clone()).0, 500, "what failed may be sent again");
    }

    let at = now();
    assert_eq!(send(NEXT, "m6", at), 200);
    let gateway = up.find_one(&["bartizan-proxy", "--service gateway"]);
    let killed = Command::new("kill").args(["-9", &gateway.to_string()]).status().unwrap();
    assert!(killed.success());
    wait_for("another gateway", Deadline::default(), || {
        let gateways = up.find(&["bartizan-proxy", "--service gateway"]);
        gateways.iter().any(|pid| *pid != gateway).then_some(())
    });
    // It knows nothing of what came before, and so takes nothing that was signed before.
    wait_for("another gateway that takes events", Deadline::default(), || {
        let old = json!({ "secret": NEXT, "id": "m6", "at": at });
        let again = place.try_send(&up, "/hooks/pay", "standard", old).ok()?;
        assert_ne!(again.0, 200, "an event was taken twice");
        (send(NEXT, &format!("n{}", now()), now()) == 200).then_some(())
    });
    assert_eq!(send(NEXT, "m6", at), 503);
}
