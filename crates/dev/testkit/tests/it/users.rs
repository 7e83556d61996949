//! A fleet whose programs know nothing of users, whose user's rights count all the same, at every hop.

use bartizan_core::Timestamp;
use bartizan_crypto::jws::TokenKey;
use bartizan_testkit::{Deadline, Up, binary, free_ports, request, wait_for};
use bartizan_tokens::Scopes;
use bartizan_tokens::mint::{Access, access};
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;
use tempfile::TempDir;

/// Hands on what it was asked, where it has somebody to ask, in the trace that it was asked in; says its name otherwise.
const PROGRAM: &str = "import http.server, os, urllib.error, urllib.request\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_GET(self):\n\
    \x20       status, body = 200, b'accounts'\n\
    \x20       if 'CALLEE_ACCOUNTS' in os.environ:\n\
    \x20           trace = {'traceparent': self.headers['traceparent']}\n\
    \x20           ask = urllib.request.Request('http://' + os.environ['CALLEE_ACCOUNTS'] + self.path, headers=trace)\n\
    \x20           try:\n\
    \x20               body = urllib.request.urlopen(ask, timeout=10).read()\n\
    \x20           except urllib.error.HTTPError as error:\n\
    \x20               status, body = error.code, error.read()\n\
    \x20       self.send_response(status)\n\
    \x20       self.send_header('content-length', str(len(body)))\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(body)\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
    http.server.ThreadingHTTPServer((host, int(port)), It).serve_forever()\n";
const ISSUER: &str = "https://login.two.test";
const AUDIENCE: &str = "https://api.two.test";

struct Place {
    folder: TempDir,
    ports: Vec<u16>,
    login: TokenKey,
}

impl Place {
    fn new() -> Self {
        let it =
            Self { folder: tempfile::tempdir().unwrap(), ports: free_ports(3), login: TokenKey::generate().unwrap() };
        let write = |name: &str, text: &str| std::fs::write(it.folder.path().join(name), text).unwrap();
        std::fs::create_dir(it.folder.path().join("policies")).unwrap();
        write("it.py", PROGRAM);
        let key = serde_json::Value::Object(it.login.public_jwk().to_json());
        write("login.jwks", &serde_json::json!({ "keys": [key] }).to_string());
        write(
            "policies/own.cedar",
            "@reason(\"for readers of accounts\")\nforbid (principal, action, resource == Service::\"accounts\")\nunless { context has user && context.user.scopes.contains(\"accounts:read\") };\n",
        );
        it
    }

    fn write(&self, users: &str, auth: &str) -> PathBuf {
        let [front, accounts, edge] = self.ports[..] else { unreachable!() };
        let text = format!(
            "fleet: two\ntrust_domain: two.test\npolicies: policies\n{users}services:\n  \
             front: {{ run: [python3, it.py], listen: \"127.0.0.1:{front}\", protocol: http, owner: me, calls: [accounts], env: {{ CALLEE_ACCOUNTS: \"${{accounts.addr}}\" }} }}\n  \
             accounts: {{ run: [python3, it.py], listen: \"127.0.0.1:{accounts}\", protocol: http, owner: me }}\n\
             gateway:\n  listen: 127.0.0.1:{edge}\n  routes: [{{ path: /**, to: front{auth} }}]\n"
        );
        let file = self.folder.path().join("fleet.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    fn token(&self, scopes: &str) -> String {
        let mut said = Access::new("alice", "app", AUDIENCE);
        said.scopes = Scopes::parse(scopes).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        access(&self.login, ISSUER, &said, [7; 16], Timestamp::from_secs(now)).unwrap()
    }

    fn ask(&self, up: &Up, token: Option<&str>) -> (u16, String) {
        let bearer = token.map(|token| format!("authorization: Bearer {token}"));
        let fields: Vec<_> = bearer.iter().map(String::as_str).collect();
        let url = format!("https://127.0.0.1:{}/accounts/1", self.ports[2]);
        let answer = request("GET", &url, Some(&up.ca()), &fields, None);
        (answer.status, answer.body)
    }
}

fn users() -> String {
    format!("users: {{ audience: \"{AUDIENCE}\", issuers: [{{ issuer: \"{ISSUER}\", keys: login.jwks }}] }}\n")
}

fn check(file: &PathBuf) -> (bool, String) {
    let done = Command::new(binary("bartizan")).arg("check").arg(file).output().unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr))
}

#[test]
fn what_could_not_be_enforced_is_refused_before_anything_starts() {
    let place = Place::new();
    let (good, said) = check(&place.write("", ""));
    assert!(
        !good && said.contains("user") && said.contains("own.cedar"),
        "a policy on users, and none are known: {said}"
    );
    let (good, said) = check(&place.write("", ", auth: user"));
    assert!(!good && said.contains("nobody's tokens are known"), "{said}");
    let file = place.write(&users(), ", auth: user");
    assert!(check(&file).0, "{}", check(&file).1);
    std::fs::write(place.folder.path().join("login.jwks"), "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}")
        .unwrap();
    let (good, said) = check(&file);
    assert!(!good && said.contains("login.jwks"), "a secret is no public key: {said}");
    std::fs::remove_file(place.folder.path().join("login.jwks")).unwrap();
    let (good, said) = check(&file);
    assert!(!good && said.contains("login.jwks"), "{said}");
}

#[test]
fn a_users_right_counts_at_every_hop_of_programs_that_know_no_users() {
    let place = Place::new();
    let up = Up::start(&place.write(&users(), ", auth: user"), &[]);
    assert_eq!(place.ask(&up, None).0, 401);
    assert_eq!(place.ask(&up, Some("x.y.z")).0, 401);
    // The gateway's delegation comes a moment after its certificate.
    let good = place.token("accounts:read");
    wait_for("the user to come through", Deadline::default(), || {
        (place.ask(&up, Some(&good)) == (200, "accounts".to_owned())).then_some(())
    });
    let (status, why) = place.ask(&up, Some(&place.token("accounts:list")));
    assert!(status == 403 && why.contains("for readers of accounts"), "the second hop denies: {status} {why}");

    let line = wait_for("the event of the last hop", Deadline::default(), || {
        let events = up.say(&["events", "--service", "accounts", "--json"]);
        let is_it = |line: &&str| line.contains("alice of https://login.two.test") && line.contains("/accounts/1");
        events.lines().find(is_it).map(str::to_owned)
    });
    assert!(line.contains("spiffe://two.test/svc/front"), "who called, and for whom: {line}");
    let refused = wait_for("the refusal of what was no token", Deadline::default(), || {
        let events = up.say(&["events", "--service", "gateway", "--deny", "--json"]);
        events.lines().find(|line| line.contains("not a readable token")).map(str::to_owned)
    });
    assert!(!refused.contains("x.y.z"), "{refused}");
}
