//! The pages of people in a real browser: Chromium with an authenticator of its own does what somebody does there, and what a page says
//! is wrong fails. `tests/browser/driver.mjs` is for whoever has other pages to show.

use bartizan_testkit::{Deadline, Up, free_ports, wait_for};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A fleet with people and two apps, under a name that browsers have passkeys for.
struct Scene {
    _folder: TempDir,
    up: Up,
    origin: String,
}

impl Scene {
    fn start() -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(2));
        let [web, server] = ports[..] else { unreachable!() };
        let file = folder.path().join("fleet.yaml");
        let origin = format!("https://localhost:{server}");
        let fleet = format!(
            "fleet: own\ntrust_domain: own.test\nservices:\n  web: {{ run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
             authorization:\n  listen: 127.0.0.1:{server}\n  issuer: {origin}\n  people: {{}}\n  apps:\n    \
             shop: {{ title: The Shop, redirect: [\"http://127.0.0.1/back\"], scopes: [openid, profile, email] }}\n    \
             tv: {{ title: The Television, redirect: [\"https://tv.own.test/back\"], scopes: [openid], grants: [device_code], bearer: true }}\n"
        );
        std::fs::write(&file, fleet).unwrap();
        let it = Self { up: Up::start(&file, &[]), _folder: folder, origin };
        wait_for("the server to answer", Deadline::default(), || {
            it.curl(&[], "/.well-known/openid-configuration").contains("authorization_endpoint").then_some(())
        });
        it
    }

    fn curl(&self, more: &[&str], path: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "20", "--cacert"]).arg(self.up.ca());
        let output = curl.args(more).arg(format!("{}{path}", self.origin)).output().expect("curl is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same with a gateway at which people log in, a program behind it, and another identity provider that is not there yet.
    fn with_gateway() -> (Self, Vec<(&'static str, String)>) {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(4));
        let [web, server, edge, provider] = ports[..] else { unreachable!() };
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("site")).unwrap();
        let page = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Program</title><link rel=\"icon\" href=\"data:,\"></head>\
                    <body><main><h1>A page of the program</h1></main></body></html>\n";
        write("site/page.html", page);
        write("foreign.secret", "a secret that both know\n");
        write("web.ext", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
        let openssl = |line: &str| {
            let done = Command::new("openssl").args(line.split(' ')).current_dir(folder.path()).output().unwrap();
            assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=web"));
        openssl(&format!("req {key} -keyout web.key -out web.csr -subj /CN=foreign"));
        openssl("x509 -req -in web.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile web.ext -out web.pem");
        let (origin, gateway) = (format!("https://localhost:{server}"), format!("https://127.0.0.1:{edge}"));
        let fleet = format!(
            "fleet: own\ntrust_domain: own.test\nservices:\n  web: {{ run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1, --directory, site], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
             gateway:\n  listen: 127.0.0.1:{edge}\n  login: {{}}\n  routes: [{{ path: /**, to: web, auth: user }}]\n\
             authorization:\n  listen: 127.0.0.1:{server}\n  issuer: {origin}\n  people:\n    providers:\n      \
             foreign: {{ title: The Foreign One, issuer: \"https://127.0.0.1:{provider}\", client_id: fleet, secret: foreign.secret, roots: ca.pem }}\n"
        );
        write("fleet.yaml", &fleet);
        let up = Up::start(&folder.path().join("fleet.yaml"), &[]);
        let roots =
            std::fs::read_to_string(up.ca()).unwrap() + &std::fs::read_to_string(folder.path().join("ca.pem")).unwrap();
        write("roots.pem", &roots);
        let at = |name: &str| folder.path().join(name).display().to_string();
        let more = vec![
            ("EDGE", gateway),
            ("PORT", provider.to_string()),
            ("SECRET", "a secret that both know".to_owned()),
            ("CERT", at("web.pem")),
            ("KEY", at("web.key")),
            ("CA", at("roots.pem")),
        ];
        let it = Self { up, _folder: folder, origin };
        wait_for("the gateway to send people on", Deadline::default(), || {
            let to = format!("{}/page.html", more[0].1);
            let args = ["-H", "accept: text/html", "--output", "/dev/null", "--write-out", "%{http_code}", &to];
            it.curl(&args, "/.well-known/openid-configuration").starts_with("303").then_some(())
        });
        (it, more)
    }

    /// Runs a script of `tests/browser` to its end; what it said.
    fn browse(&self, script: &str, more: &[(&str, &str)]) -> Value {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
        let judges = std::path::absolute(tests.join("../../../../../target/judges/node_modules")).unwrap();
        let mut node = Command::new("node");
        node.arg(tests.join(script)).env("CA", self.up.ca()).env("JUDGES", judges).env("ORIGIN", &self.origin);
        let output = node.envs(more.iter().copied()).output().expect("node is installed");
        let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}: {said}\n{why}\n{}", self.up.log());
        serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{said}"))
    }
}

#[test]
fn a_real_browser_finds_nothing_wrong_with_the_pages_of_people() {
    let scene = Scene::start();
    let added = scene.up.say(&["user", "add", "ana", "--display-name", "Ana Horvat", "--role", "teller", "--json"]);
    let added: Value = serde_json::from_str(&added).unwrap();
    let begun = scene.curl(&["--data", "client_id=tv", "--data", "scope=openid"], "/device_authorization");
    let begun: Value = serde_json::from_str(&begun).unwrap_or_else(|_| panic!("{begun}"));
    let device = begun["user_code"].as_str().unwrap_or_else(|| panic!("{begun}"));
    let said = scene.browse("people.mjs", &[("LINK", added["link"].as_str().unwrap()), ("DEVICE", device)]);
    assert_eq!(said["judge"], "chromium", "{said}");
}

#[test]
fn a_real_browser_logs_in_at_the_gateway_and_out_again() {
    let (scene, mut more) = Scene::with_gateway();
    let added: Value = serde_json::from_str(&scene.up.say(&["user", "add", "ana", "--json"])).unwrap();
    more.push(("LINK", added["link"].as_str().unwrap().to_owned()));
    let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let said = scene.browse("gateway.mjs", &more);
    assert_eq!(said["judge"], "chromium", "{said}");
}
