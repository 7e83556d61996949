//! Apps that people use, judged by clients that others wrote: each runs what it knows against a whole fleet, and its own checks say
//! whether the answers are right.

use bartizan_crypto::hash;
use bartizan_testkit::{Deadline, Up, alive, binary, free_ports, kill_hard, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const PERSON: &str = "ana@own.test";
const PASSWORD: &str = "a horse of four words";
const INITIAL: &str = "an initial access token";

/// A fleet with `web` behind the gateway for people with `web:read`, two apps, a workload, and somebody with a password.
struct Scene {
    folder: TempDir,
    up: Up,
    edge: u16,
    /// Where `shop` is told that somebody signed out.
    told: u16,
    issuer: String,
}

/// For the server of an app.
fn certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=shop", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "told.key", "-out", "told.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

impl Scene {
    fn start() -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(4));
        let [web, edge, server, told] = ports[..] else { unreachable!() };
        let file = folder.path().join("fleet.yaml");
        let path = std::fs::canonicalize(binary("bartizan")).unwrap();
        certificate(folder.path());
        let fleet = format!(
            "fleet: own\ntrust_domain: own.test\nservices:\n  web: {{ run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
             gateway:\n  listen: 127.0.0.1:{edge}\n  routes: [{{ path: /**, to: web, auth: user, scopes: [\"web:read\"] }}]\n\
             workloads:\n  report: {{ selectors: {{ path: {} }} }}\n\
             authorization:\n  listen: 127.0.0.1:{server}\n  audience: https://api.own.test\n  people: {{}}\n  clients:\n    \
             report: {{ scopes: [\"web:read\"] }}\n  apps:\n    \
             shop: {{ title: The Shop, redirect: [\"https://shop.own.test/back\", \"http://127.0.0.1/cb\"], signed_out: [\"https://shop.own.test/bye\"], backchannel_logout: \"https://127.0.0.1:{told}/out\", backchannel_roots: told.pem, \
             scopes: [openid, profile, email, offline_access, \"web:read\"], grants: [authorization_code, refresh_token, device_code] }}\n    \
             house: {{ redirect: [\"https://house.own.test/back\"], scopes: [openid, profile, \"web:read\"], consent: trusted, bearer: true }}\n  \
             registration: {{ token_sha256: {}, scopes: [openid] }}\n",
            path.display(),
            hash::hex(&hash::sha256(INITIAL.as_bytes())),
        );
        std::fs::write(&file, fleet).unwrap();
        let up = Up::start(&file, &[]);
        let it = Self { folder, up, edge, told, issuer: format!("https://127.0.0.1:{server}") };
        wait_for("the server to answer", Deadline::default(), || {
            let said = it.curl(&[&format!("{}/.well-known/openid-configuration", it.issuer)]);
            said.contains("authorization_endpoint").then_some(())
        });
        it.add_person();
        it.fetch_identity();
        it
    }

    fn curl(&self, more: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "20", "--cacert"]).arg(self.up.ca()).args(more);
        String::from_utf8_lossy(&curl.output().expect("curl is installed").stdout).into_owned()
    }

    /// Adds somebody, who sets a password over the link.
    fn add_person(&self) {
        let args =
            ["user", "add", PERSON, "--display-name", "Ana Horvat", "--email", PERSON, "--role", "teller", "--json"];
        let added: Value = serde_json::from_str(&self.up.say(&args)).unwrap();
        let jar = self.folder.path().join("jar");
        let jar = ["--cookie", jar.to_str().unwrap(), "--cookie-jar", jar.to_str().unwrap()];
        let page = self.curl(&[&jar[..], &[added["link"].as_str().unwrap()]].concat());
        let fields: BTreeMap<&str, &str> = page
            .split("<input type=\"hidden\" name=\"")
            .skip(1)
            .map(|field| {
                let (name, rest) = field.split_once("\" value=\"").unwrap();
                (name, rest.split_once('"').unwrap().0)
            })
            .chain([("password", PASSWORD), ("again", PASSWORD)])
            .collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let more: Vec<_> = fields.iter().flat_map(|field| ["--data-urlencode", field.as_str()]).collect();
        let to = format!("{}/welcome", self.issuer);
        let said = self.curl(&[&jar[..], &more, &["--write-out", "%{http_code}", &to]].concat());
        assert!(said.ends_with("303"), "{said} {page}");
        // Whoever sets a password loses what was given before, in the same second too: dates of tokens have no finer grain.
        let second = seconds();
        wait_for("another second", Deadline::default(), || (seconds() > second).then_some(()));
    }

    fn fetch_identity(&self) {
        let out = self.folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        wait_for("the identity", Deadline::default(), || {
            let fetched = self.up.cli(&["svid", "fetch", "--out", out.to_str().unwrap()]);
            (fetched.status.success() && out.join("svid.0.pem").exists()).then_some(())
        });
    }

    /// Starts a judge; `xtask/judges.sh` installed what it needs.
    fn judge(&self, program: &Path, script: &str) -> Child {
        assert!(
            judges().join("installed").exists(),
            "judges are not there; run `sh xtask/judges.sh` (`make needs` does)"
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges").join(script);
        let out = self.folder.path().join("out");
        Command::new(program)
            .arg(script)
            .envs([("ISSUER", self.issuer.as_str()), ("PERSON", PERSON), ("PASSWORD", PASSWORD), ("INITIAL", INITIAL)])
            .envs([("NODE_EXTRA_CA_CERTS", self.up.ca()), ("CA", self.up.ca())])
            .envs([("CERT", out.join("svid.0.pem")), ("KEY", out.join("svid.0.key"))])
            .env("BACK_PORT", self.told.to_string())
            .envs([
                ("BACK_CERT", self.folder.path().join("told.pem")),
                ("BACK_KEY", self.folder.path().join("told.key")),
            ])
            .env("JUDGES", judges().join("node_modules"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
    }

    /// Lets a judge run to its end; what it said.
    fn run(&self, program: &Path, script: &str) -> Value {
        let output = self.judge(program, script).wait_with_output().unwrap();
        let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}: {said}\n{why}\n{}", self.up.log());
        serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{said}"))
    }

    /// What the gateway answers to a token.
    fn through(&self, token: &str) -> String {
        let bearer = format!("authorization: Bearer {token}");
        let edge = format!("https://127.0.0.1:{}/", self.edge);
        self.curl(&["--output", "/dev/null", "--write-out", "%{http_code}", "-H", &bearer, &edge])
    }
}

#[test]
fn a_lost_key_is_seen_with_what_to_do_and_putting_it_back_helps() {
    let scene = Scene::start();
    let begin = || {
        let device = format!("{}/device_authorization", scene.issuer);
        let refresh = format!("{}/token", scene.issuer);
        let form = ["--data", "client_id=house", "--data", "grant_type=refresh_token", "--data", "refresh_token=bzr.x"];
        drop(scene.curl(&["--data", "client_id=shop", &device]));
        scene.curl(&[&form[..], &["--write-out", "%{http_code}", &refresh]].concat())
    };
    wait_for("the server to know its key", Deadline::default(), || begin().ends_with("400").then_some(()));
    let status = || -> Value { serde_json::from_str(&scene.up.say(&["status", "--json"])).unwrap() };
    assert_eq!(status()["no_tokens"], Value::Null);

    let data = scene.up.ca().parent().unwrap().to_owned();
    let (key, kept) = (data.join("refresh.key"), scene.folder.path().join("refresh.key"));
    std::fs::rename(&key, &kept).unwrap();
    let restart = || {
        let before = scene.up.find_one(&["bartizan control "]);
        kill_hard(before);
        wait_for("its end", Deadline::default(), || (!alive(before)).then_some(()));
        wait_for("another control", Deadline::default(), || {
            scene.up.find(&["bartizan control "]).first().filter(|pid| **pid != before).map(|_| ())
        });
    };
    restart();
    // Nobody has to ask for a token first.
    let shown = wait_for("status to say it", Deadline::default(), || {
        let said = scene.up.cli(&["status"]);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        text.contains("APPS GET NO TOKENS").then_some(text)
    });
    assert!(shown.contains("the key of refresh tokens is gone: put `") && shown.contains("grants.db"), "{shown}");
    assert!(status()["no_tokens"].as_str().unwrap().contains("refresh.key"));
    wait_for("the event", Deadline::default(), || {
        let events = scene.up.cli(&["events", "--json", "--limit", "500"]);
        let text = String::from_utf8_lossy(&events.stdout).into_owned();
        (text.contains("\"deed\":\"key_lost\"") && text.contains("put `")).then_some(())
    });
    wait_for("the server to be back", Deadline::default(), || begin().ends_with("503").then_some(()));
    assert!(!key.exists(), "no other one took its place");

    std::fs::rename(&kept, &key).unwrap();
    restart();
    wait_for("the server to know its key again", Deadline::default(), || begin().ends_with("400").then_some(()));
    wait_for("status to be quiet", Deadline::default(), || status()["no_tokens"].is_null().then_some(()));
}

#[test]
fn operators_add_change_and_remove_apps_and_they_count_at_once() {
    let scene = Scene::start();
    let client = |args: &[&str]| scene.up.cli(&[&["client"][..], args].concat());
    for (refused, why) in [
        (&["add", "--redirect", "http://shop.test/back"][..], "redirect_uris"),
        (&["add", "--redirect", "https://a.test/", "--grant", "implicit"], "no grant of apps"),
        (&["add"], "redirect_uris"),
        (&["add", "--redirect", "https://a.test/", "--backchannel-logout", "https://169.254.169.254/x"], "metadata"),
        (&["remove", "shop"], "stands in the fleet file"),
        (&["rotate", "report"], "stands in the fleet file"),
        (&["show", "nobody"], "there is no client `nobody`"),
        (&["remove", "reg-nobody"], "there is no client `reg-nobody`"),
    ] {
        let said = client(refused);
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.status.success() && text.contains(why), "{refused:?}: {text}");
    }
    let json = |args: &[&str]| -> Value {
        let said = client(&[args, &["--json"]].concat());
        assert!(said.status.success(), "{args:?}: {}", String::from_utf8_lossy(&said.stderr));
        serde_json::from_slice(&said.stdout).unwrap()
    };
    let kinds = |all: Value| -> BTreeMap<String, String> {
        let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
        all["clients"].as_array().unwrap().iter().map(|it| (text(it, "client_id"), text(it, "kind"))).collect()
    };
    let before = kinds(json(&["list"]));
    let wanted = [("house", "app"), ("report", "workload"), ("shop", "app")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(before, BTreeMap::from(wanted));

    let added = json(&["add", "--title", "A Television", "--grant", "device_code", "--scope", "openid"]);
    let (id, token) = (added["client_id"].as_str().unwrap(), added["registration_access_token"].as_str().unwrap());
    assert_eq!(kinds(json(&["list"]))[id], "registered");
    assert_eq!(json(&["show", id])["title"], "A Television");
    let named = format!("client_id={id}");
    let begin = || {
        let to = format!("{}/device_authorization", scene.issuer);
        scene.curl(&["--data", &named, "--data", "scope=openid", &to])
    };
    let begun = begin();
    assert!(begun.contains("user_code"), "the server knows it at once: {begun}");

    let at = format!("{}/register/{id}", scene.issuer);
    let looked = |token: &str| {
        let bearer = format!("authorization: Bearer {token}");
        scene.curl(&["--output", "/dev/null", "--write-out", "%{http_code}", "-H", &bearer, &at])
    };
    assert_eq!(looked(token), "200");
    let rotated = json(&["rotate", id]);
    let next = rotated["registration_access_token"].as_str().unwrap();
    assert_eq!((looked(token).as_str(), looked(next).as_str()), ("401", "200"));

    assert_eq!(json(&["remove", id])["client_id"], id);
    assert_eq!((looked(next).as_str(), kinds(json(&["list"]))), ("401", before));
    let gone = begin();
    assert!(gone.contains("invalid_client"), "{gone}");
}

fn seconds() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn judges() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges")
}

#[test]
fn clients_that_others_wrote_find_nothing_wrong() {
    let scene = Scene::start();
    let node = Path::new("node");
    let strict = scene.run(node, "oauth4webapi.mjs");
    let whole = scene.run(node, "openid-client.mjs");
    assert_eq!(strict["sub"], whole["sub"], "the same person to each");

    let mut authlib = scene.judge(&judges().join("bin/python"), "authlib_client.py");
    let mut said = BufReader::new(authlib.stdout.take().unwrap()).lines();
    let first = said.next().and_then(Result::ok).unwrap_or_default();
    let first: Value = serde_json::from_str(&first).unwrap_or_else(|_| {
        let mut why = String::new();
        authlib.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        panic!("authlib: {first} {why}")
    });
    assert_eq!(first["sub"], whole["sub"]);
    let token = first["access_token"].as_str().unwrap().to_owned();
    wait_for("the app's token to count at the gateway", Deadline::default(), || {
        (scene.through(&token) == "200").then_some(())
    });
    assert_eq!(scene.through(&format!("{}x", &token[..token.len() - 1])), "401");
    authlib.stdin.take().unwrap().write_all(b"\n").unwrap();
    let last = said.next().and_then(Result::ok).unwrap_or_default();
    assert!(last.contains("\"revoked\": true"), "{last}");
    assert!(authlib.wait().unwrap().success());
    wait_for("the gateway to hear that it was taken back", Deadline::default(), || {
        (scene.through(&token) == "401").then_some(())
    });
}
