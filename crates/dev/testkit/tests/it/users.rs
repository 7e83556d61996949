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

/// The log-in's own server: its document and keys are files of its folder.
const LOGIN: &str = "import http.server, ssl, sys\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_GET(self):\n\
    \x20       name = {'/.well-known/openid-configuration': 'document.json', '/keys': 'login.jwks'}.get(self.path)\n\
    \x20       body = open(name, 'rb').read() if name else b''\n\
    \x20       self.send_response(200 if name else 404)\n\
    \x20       self.send_header('content-length', str(len(body)))\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(body)\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), It)\n\
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
    context.load_cert_chain('web.pem', 'web.key')\n\
    server.socket = context.wrap_socket(server.socket, server_side=True)\n\
    server.serve_forever()\n";

/// A certificate authority of the web and a certificate of it for 127.0.0.1.
fn web_certificate(folder: &std::path::Path) {
    let openssl = |line: &str| {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
    };
    std::fs::write(folder.join("web.ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n").unwrap();
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=web",
    );
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout web.key -out web.csr -subj /CN=login");
    openssl("x509 -req -in web.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile web.ext -out web.pem");
}

struct Login {
    child: std::process::Child,
    folder: PathBuf,
    port: u16,
}

impl Login {
    fn start(folder: &std::path::Path, port: u16) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", LOGIN, &port.to_string()]).current_dir(folder);
        let it = Self { child: command.spawn().unwrap(), folder: folder.to_owned(), port };
        it.says(&it.issuer());
        it
    }

    fn issuer(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// What its document says who it is.
    fn says(&self, issuer: &str) {
        let document = serde_json::json!({ "issuer": issuer, "jwks_uri": format!("{}/keys", self.issuer()) });
        std::fs::write(self.folder.join("document.json"), document.to_string()).unwrap();
    }

    fn shows(&self, keys: &[&TokenKey]) {
        let keys: Vec<_> = keys.iter().map(|key| serde_json::Value::Object(key.public_jwk().to_json())).collect();
        std::fs::write(self.folder.join("login.jwks"), serde_json::json!({ "keys": keys }).to_string()).unwrap();
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn token_by(key: &TokenKey, issuer: &str) -> String {
    let mut said = Access::new("alice", "app", AUDIENCE);
    said.scopes = Scopes::parse("accounts:read").unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    access(key, issuer, &said, [7; 16], Timestamp::from_secs(now)).unwrap()
}

#[test]
fn keys_come_from_the_issuer_and_go_on_while_it_is_away() {
    let place = Place::new();
    let (web, port) = (tempfile::tempdir().unwrap(), free_ports(1)[0]);
    web_certificate(web.path());
    let login = Login::start(web.path(), port);
    let (first, second) = (TokenKey::generate().unwrap(), TokenKey::generate().unwrap());
    login.shows(&[&first]);
    let issuer = login.issuer();
    let ca = web.path().join("ca.pem");
    let users = |ca: &std::path::Path| {
        format!(
            "users: {{ audience: \"{AUDIENCE}\", issuers: [{{ issuer: \"{issuer}\", roots: {} }}] }}\n",
            ca.display()
        )
    };
    let (good, said) = check(&place.write(&users(&web.path().join("none.pem")), ", auth: user"));
    assert!(!good && said.contains("none.pem"), "{said}");

    let up = Up::start(&place.write(&users(&ca), ", auth: user"), &[]);
    let comes_in = |key: &TokenKey| place.ask(&up, Some(&token_by(key, &issuer))).0 == 200;
    wait_for("users to come in", Deadline::default(), || comes_in(&first).then_some(()));
    assert!(!comes_in(&second));

    // Another key; a reload looks at once.
    login.shows(&[&first, &second]);
    wait_for("the other key to count", Deadline::default(), || {
        up.say(&["reload"]);
        comes_in(&second).then_some(())
    });

    // Somebody else's keys are not taken for this issuer's.
    login.says("https://evil.test");
    let failing = |why: &str| {
        wait_for(why, Deadline::default(), || {
            up.say(&["reload"]);
            up.say(&["status"]).lines().find(|line| line.contains("ISSUER") && line.contains(why)).map(str::to_owned)
        })
    };
    failing("its document is of another issuer");
    login.shows(&[&TokenKey::generate().unwrap()]);
    (0..3).for_each(|_| drop(failing("its document is of another issuer")));
    assert!(comes_in(&first) && comes_in(&second));

    // It goes away, and then control starts anew: users still come in.
    drop(login);
    assert!(failing("cannot connect").contains("those that are held go on"));
    bartizan_testkit::kill_hard(up.find_one(&["bartizan control "]));
    wait_for("control to be there again", Deadline::default(), || up.status());
    let answers = [&first, &second].map(|key| place.ask(&up, Some(&token_by(key, &issuer))));
    assert!(
        answers.iter().all(|(status, _)| *status == 200),
        "{answers:?} {}",
        up.say(&["events", "--service", "gateway", "--deny"])
    );
    let line = failing("cannot connect");
    assert!(line.contains("those that are held go on"), "{line}");
}
