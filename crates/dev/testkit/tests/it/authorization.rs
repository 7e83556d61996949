//! The fleet's own authorization server: workloads that show their certificate get tokens, and nobody else.

use bartizan_crypto::{base64, hash};
use bartizan_testkit::{Deadline, Up, binary, free_ports, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const RELAY: &str = "spiffe://own.test/workload/relay";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A fleet with `web` behind the gateway for users with `web:read`, and three workloads, of which two are clients.
struct Scene {
    folder: TempDir,
    up: Up,
    edge: u16,
    server: u16,
}

/// What came back.
#[derive(Debug)]
struct Said {
    status: u16,
    body: Value,
    text: String,
}

impl Said {
    fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }

    fn token(&self) -> &str {
        self.body["access_token"].as_str().unwrap_or_else(|| panic!("no token: {self:?}"))
    }
}

impl Scene {
    fn start() -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(3));
        let [web, edge, server] = ports[..] else { unreachable!() };
        let file = folder.path().join("fleet.yaml");
        let path = std::fs::canonicalize(binary("bartizan")).unwrap();
        let entry = |name: &str, more: &str| {
            format!("  {name}: {{ selectors: {{ path: {} }}, jwt: true{more} }}\n", path.display())
        };
        let fleet = format!(
            "fleet: own\ntrust_domain: own.test\nservices:\n  web: {{ run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
             gateway:\n  listen: 127.0.0.1:{edge}\n  routes: [{{ path: /**, to: web, auth: user, scopes: [\"web:read\"] }}]\n\
             workloads:\n{}{}{}authorization:\n  listen: 127.0.0.1:{server}\n  audience: https://api.own.test\n  clients:\n    \
             report: {{ scopes: [\"web:read\", \"web:list\"], audiences: [\"https://api.own.test\", \"{RELAY}\"] }}\n    \
             relay: {{ scopes: [\"web:read\"], grants: [token_exchange] }}\n",
            entry("report", ", calls: [web]"),
            entry("relay", ", calls: [web]"),
            entry("nobody", "")
        );
        std::fs::write(&file, fleet).unwrap();
        let up = Up::start(&file, &[]);
        let it = Self { folder, up, edge, server };
        it.fetch_identities();
        wait_for("the server to answer", Deadline::default(), || {
            (it.get("/.well-known/oauth-authorization-server").status == 200).then_some(())
        });
        it
    }

    /// Sorts what the Workload API gives into one folder for each name.
    fn fetch_identities(&self) {
        let out = self.folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        wait_for("the identities", Deadline::default(), || {
            let fetched = self.up.cli(&["svid", "fetch", "--out", out.to_str().unwrap()]);
            (fetched.status.success() && out.join("svid.2.pem").exists()).then_some(())
        });
        for n in 0..3 {
            let pem = out.join(format!("svid.{n}.pem"));
            let shown =
                Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(&pem).output();
            let names = String::from_utf8_lossy(&shown.unwrap().stdout).into_owned();
            let name =
                ["report", "relay", "nobody"].into_iter().find(|name| names.contains(&format!("/workload/{name}")));
            let folder = self.identity(name.unwrap_or_else(|| panic!("whose? {names}")));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::copy(&pem, folder.join("cert.pem")).unwrap();
            std::fs::copy(out.join(format!("svid.{n}.key")), folder.join("key.pem")).unwrap();
        }
    }

    fn identity(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.server)
    }

    fn curl(&self, who: Option<&str>, url: &str, more: &[&str]) -> Said {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "20", "--write-out", "\n%{http_code}", "--cacert"]).arg(self.up.ca());
        if let Some(who) = who.map(|who| self.identity(who)) {
            curl.arg("--cert").arg(who.join("cert.pem")).arg("--key").arg(who.join("key.pem"));
        }
        let output = curl.args(more).arg(url).output().expect("curl is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap();
        Said {
            status: status.parse().unwrap(),
            body: serde_json::from_str(body).unwrap_or_default(),
            text: body.to_owned(),
        }
    }

    fn get(&self, path: &str) -> Said {
        self.curl(None, &self.url(path), &[])
    }

    fn post(&self, who: Option<&str>, path: &str, fields: &[(&str, &str)]) -> Said {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let more: Vec<_> = fields.iter().flat_map(|field| ["--data-urlencode", field.as_str()]).collect();
        self.curl(who, &self.url(path), &more)
    }

    fn own_token(&self, more: &[(&str, &str)]) -> Said {
        let fields = [&[("grant_type", "client_credentials"), ("client_id", "report")], more].concat();
        self.post(Some("report"), "/token", &fields)
    }

    fn exchange(&self, who: &str, subject: &str, more: &[(&str, &str)]) -> Said {
        let asked =
            [("grant_type", EXCHANGE), ("client_id", who), ("subject_token", subject), ("subject_token_type", ACCESS)];
        self.post(Some(who), "/token", &[&asked, more].concat())
    }

    /// What the gateway answers to a token, shown over a connection of `who`.
    fn through(&self, who: Option<&str>, token: &str) -> u16 {
        let bearer = format!("authorization: Bearer {token}");
        self.curl(who, &format!("https://127.0.0.1:{}/", self.edge), &["-H", &bearer]).status
    }
}

fn claims(token: &str) -> Value {
    let claims = base64::decode_url(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

/// As a token is bound to it (RFC 8705 section 3.1).
fn thumbprint(folder: &Path) -> String {
    let der = Command::new("openssl").args(["x509", "-outform", "der", "-in"]).arg(folder.join("cert.pem")).output();
    base64::encode_url(&hash::sha256(&der.unwrap().stdout))
}

#[test]
fn who_is_no_client_or_asks_for_what_it_may_not_have_gets_nothing() {
    let scene = Scene::start();
    let own = ("grant_type", "client_credentials");
    let (report, relay) = (("client_id", "report"), ("client_id", "relay"));
    for (who, fields, wanted) in [
        (None, vec![own, report], (401, "invalid_client")),
        (Some("nobody"), vec![own, ("client_id", "nobody")], (401, "invalid_client")),
        (Some("nobody"), vec![own, report], (401, "invalid_client")),
        (Some("report"), vec![own, relay], (401, "invalid_client")),
        (Some("report"), vec![own], (400, "invalid_request")),
        (Some("report"), vec![own, report, ("client_secret", "x")], (400, "invalid_request")),
        (Some("report"), vec![own, report, report], (400, "invalid_request")),
        (Some("report"), vec![report], (400, "invalid_request")),
        (Some("report"), vec![report, ("grant_type", "password")], (400, "unsupported_grant_type")),
        (Some("report"), vec![report, ("grant_type", "implicit")], (400, "unsupported_grant_type")),
        (Some("report"), vec![report, ("grant_type", "authorization_code")], (400, "unsupported_grant_type")),
        (Some("relay"), vec![relay, own], (400, "unauthorized_client")),
        (Some("report"), vec![report, ("grant_type", EXCHANGE)], (400, "unauthorized_client")),
        (Some("report"), vec![own, report, ("scope", "web:read web:write")], (400, "invalid_scope")),
        (Some("report"), vec![own, report, ("scope", "web:read  web:list")], (400, "invalid_scope")),
        (Some("report"), vec![own, report, ("audience", "https://other.test")], (400, "invalid_target")),
        (Some("report"), vec![own, report, ("resource", RELAY), ("audience", "x")], (400, "invalid_target")),
    ] {
        let said = scene.post(who, "/token", &fields);
        assert_eq!(said.error(), wanted, "{who:?} {fields:?} {said:?}");
        assert!(said.body.get("access_token").is_none(), "{said:?}");
    }
    let token = scene.url("/token");
    let long = format!("scope={}", "a".repeat(25 << 10));
    assert_eq!(scene.curl(Some("report"), &token, &["--data", &long]).error(), (413, "invalid_request"));
    let json = ["-H", "content-type: application/json", "--data", "{}"];
    assert_eq!(scene.curl(Some("report"), &token, &json).error(), (400, "invalid_request"));
    let basic = ["-H", "authorization: Basic cmVwb3J0Ong=", "--data", "grant_type=client_credentials"];
    assert_eq!(scene.curl(Some("report"), &token, &basic).error(), (400, "invalid_request"));
    assert_eq!(scene.get("/token").status, 405);
    // There are no ID tokens, so nothing says that there are.
    assert_eq!(scene.get("/.well-known/openid-configuration").status, 404);
    assert_eq!(scene.post(None, "/introspect", &[("token", "x")]).error(), (401, "invalid_client"));

    // A refusal tells the client one word, and an operator the check.
    let said = scene.own_token(&[("scope", "web:write")]);
    let reference = said.body["error_description"].as_str().unwrap().rsplit(' ').next().unwrap().trim_end_matches(')');
    assert!(!said.text.contains("web:list"), "{said:?}");
    let reference = reference.to_owned();
    wait_for("the refusal's event", Deadline::default(), || {
        let explained = scene.up.cli(&["explain", &reference]);
        String::from_utf8_lossy(&explained.stdout).contains("may have `web:list web:read`").then_some(())
    });
}

#[test]
fn a_token_counts_for_whom_it_is_bound_to_and_names_everybody_who_acted() {
    let scene = Scene::start();
    let metadata = scene.get("/.well-known/oauth-authorization-server").body;
    assert_eq!(metadata["issuer"], scene.url(""));
    assert_eq!(metadata["token_endpoint"], scene.url("/token"));
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
    let said = scene.own_token(&[("scope", "web:read")]);
    let (token, claims_of) = (said.token().to_owned(), claims(said.token()));
    assert_eq!(
        (claims_of["iss"].as_str(), claims_of["aud"].as_str()),
        (metadata["issuer"].as_str(), Some("https://api.own.test"))
    );
    assert_eq!(claims_of["cnf"]["x5t#S256"], thumbprint(&scene.identity("report")));
    let keys = scene.get("/jwks").body;
    let header: Value = serde_json::from_slice(&base64::decode_url(token.split('.').next().unwrap()).unwrap()).unwrap();
    assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]), "{keys} {header}");
    assert!(!keys.to_string().contains("\"d\""), "{keys}");

    // The gateway's delegation comes a moment after its certificate.
    wait_for("the token to count at the gateway", Deadline::default(), || {
        (scene.through(Some("report"), &token) == 200).then_some(())
    });
    assert_eq!(scene.through(None, &token), 401, "without the certificate that it is bound to");
    assert_eq!(scene.through(Some("relay"), &token), 401, "with another client's");
    let other = scene.own_token(&[("scope", "web:list")]);
    assert_eq!(scene.through(Some("report"), other.token()), 403, "the route wants another scope");

    let introspect = |who: &'static str, token: &str| {
        scene.post(Some(who), "/introspect", &[("client_id", who), ("token", token)]).body
    };
    assert_eq!(introspect("report", &token)["active"], true);
    assert_eq!(introspect("relay", &token), serde_json::json!({ "active": false }), "none of its business");

    // A token for the gateway is not for the relay, a JWT-SVID is no access token, and a text is nothing at all.
    let jwt = scene.up.say(&["svid", "jwt", "--audience", RELAY]);
    for subject in [token.as_str(), jwt.lines().next().unwrap().trim(), "x.y.z"] {
        assert_eq!(scene.exchange("relay", subject, &[]).error(), (400, "invalid_request"), "{subject}");
    }
    let given = scene.own_token(&[("audience", RELAY), ("scope", "web:read web:list")]);
    let given = given.token();
    assert_eq!(introspect("relay", given)["active"], true, "it is for the relay");
    let more = [("actor_token", given), ("actor_token_type", ACCESS)];
    assert_eq!(scene.exchange("relay", given, &more).error(), (400, "invalid_request"));
    let wider = scene.exchange("relay", given, &[("scope", "web:list")]);
    assert_eq!(wider.error(), (400, "invalid_scope"), "the subject may, the relay may not");
    let exchanged = scene.exchange("relay", given, &[]);
    let said = claims(exchanged.token());
    assert_eq!(
        (said["sub"].as_str(), said["act"]["sub"].as_str()),
        (Some("spiffe://own.test/workload/report"), Some(RELAY))
    );
    assert_eq!(
        (said["scope"].as_str(), exchanged.body["issued_token_type"].as_str()),
        (Some("web:read"), Some(ACCESS))
    );
    assert_eq!(said["cnf"]["x5t#S256"], thumbprint(&scene.identity("relay")));
    assert_eq!(scene.through(Some("relay"), exchanged.token()), 200);
    assert_eq!(scene.through(Some("report"), exchanged.token()), 401, "it is the relay's now");

    // Who is denied gets nothing from the next request on.
    scene.up.say(&["revoke", &format!("id:{RELAY}"), "--reason", "lost"]);
    wait_for("the end", Deadline::default(), || (scene.exchange("relay", given, &[]).status == 0).then_some(()));
    assert_eq!(scene.own_token(&[]).status, 200);
}

#[test]
fn what_is_taken_back_is_refused_within_a_second_on_open_connections_too() {
    let scene = Scene::start();
    let one = scene.own_token(&[("scope", "web:read")]);
    let (one, two) = (one.token().to_owned(), scene.own_token(&[("scope", "web:read")]));
    let two = two.token();
    wait_for("the token to count at the gateway", Deadline::default(), || {
        (scene.through(Some("report"), &one) == 200).then_some(())
    });
    // Somebody else cannot take it back, and what is no token is revoked already.
    let revoke =
        |who: &'static str, token: &str| scene.post(Some(who), "/revoke", &[("client_id", who), ("token", token)]);
    assert_eq!(revoke("relay", &one).error(), (400, "unauthorized_client"));
    assert_eq!(revoke("report", "x.y.z").status, 200);
    assert_eq!(scene.through(Some("report"), &one), 200);

    // One connection that asks again and again, with a token that the gateway knows.
    let url = format!("https://127.0.0.1:{}/", scene.edge);
    let asking = |seconds: u32| {
        let bearer = format!("authorization: Bearer {one}");
        let urls: Vec<_> = (0..seconds * 10).flat_map(|_| ["-o", "/dev/null", url.as_str()]).collect();
        let who = scene.identity("report");
        let mut curl = Command::new("stdbuf"); // a line as soon as there is an answer, and not all at the end
        curl.args([
            "-oL",
            "curl",
            "--silent",
            "--rate",
            "10/s",
            "--write-out",
            "%{http_code} %{num_connects}\\n",
            "--cacert",
        ]);
        curl.arg(scene.up.ca()).arg("--cert").arg(who.join("cert.pem")).arg("--key").arg(who.join("key.pem"));
        curl.args(["-H", &bearer]).args(urls).stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let mut open = asking(3);
    let mut answers = BufReader::new(open.stdout.take().unwrap());
    let mut said = String::new();
    answers.read_line(&mut said).unwrap();
    let began = std::time::Instant::now();
    assert_eq!(revoke("report", &one).status, 200);
    wait_for("the refusal", Deadline::default(), || (scene.through(Some("report"), &one) == 401).then_some(()));
    let took = began.elapsed();
    println!("refused {took:?} after the request to take it back began");
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
    answers.read_to_string(&mut said).unwrap();
    open.wait().unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert!(lines.first().is_some_and(|line| line.starts_with("200 1")), "{said}");
    assert!(lines.last().is_some_and(|line| *line == "401 0"), "on the same connection: {said}");
    assert_eq!(scene.through(Some("report"), two), 200, "the other one counts");
    assert_eq!(
        scene.post(Some("report"), "/introspect", &[("client_id", "report"), ("token", &one)]).body["active"],
        false
    );

    // An operator takes back everything of a subject; what is issued later counts.
    let refused = scene.up.cli(&["token", "revoke", "--subject", "x", "--issuer", "https://nobody.test"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nobody whose tokens are believed here"), "{refused:?}");
    let told = scene.up.say(&["token", "revoke", "--subject", "spiffe://own.test/workload/report"]);
    assert!(told.contains("refused at the gateway"), "{told}");
    assert_eq!(scene.through(Some("report"), two), 401);
    wait_for("a later token to count", Deadline::default(), || {
        let later = scene.own_token(&[("scope", "web:read")]);
        (scene.through(Some("report"), later.token()) == 200).then_some(())
    });
    let given = scene.own_token(&[("audience", RELAY)]);
    let jti = claims(given.token())["jti"].as_str().unwrap().to_owned();
    let told = scene.up.say(&["token", "revoke", &jti, "--json"]);
    assert!(told.contains("\"enforced\":true") || told.contains("\"enforced\": true"), "{told}");
    assert_eq!(scene.exchange("relay", given.token(), &[]).error(), (400, "invalid_request"), "not exchanged any more");
}

/// Scaled down; `cargo run --release -p bartizan-testkit --example control_load -- flood` measures it.
#[test]
fn who_asks_as_always_is_answered_while_others_flood_the_server() {
    let (scene, seconds) = (Scene::start(), 8);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/token_flood.py");
    let said = Command::new("python3")
        .arg(script)
        .arg(scene.server.to_string())
        .arg(scene.up.ca())
        .args([scene.identity("relay"), scene.identity("report")])
        .arg(seconds.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 is installed");
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{text}");
    let counts: Value = serde_json::from_slice(&said.stdout).unwrap();
    let count = |name: &str| counts[name].as_u64().unwrap();
    // How much more depends on the machine: a debug build signs a few dozen tokens a second.
    assert!(count("flood") > 2 * count("asked") && count("refused") >= 50, "it was a flood: {counts}");
    assert!(count("asked") >= 20 && count("got") * 100 >= count("asked") * 99, "{counts}");
}
