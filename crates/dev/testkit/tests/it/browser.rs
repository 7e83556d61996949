//! The pages of people in a real browser: Chromium with an authenticator of its own does what somebody does there, and what a page says
//! is wrong fails. `tests/browser/driver.mjs` is for whoever has other pages to show.

use bartizan_testkit::{Deadline, Up, free_ports, wait_for};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A page, and at `/echo` a WebSocket (RFC 6455) that says back the one frame that it hears, and agrees to be closed.
const ECHO: &str = r#"
import base64, hashlib, os, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            head = {}
            while (field := self.rfile.readline().strip()):
                name, _, value = field.decode().partition(':')
                head[name.lower()] = value.strip()
            if head.get('upgrade') != 'websocket':
                page = b'<!doctype html><html lang="en"><title>Page</title><link rel="icon" href="data:,"><h1>Page</h1>'
                self.wfile.write(b'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%s' % (len(page), page))
                continue
            accept = base64.b64encode(hashlib.sha1((head['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest())
            self.wfile.write(b'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: %s\r\n\r\n' % accept)
            return self.frames()
    def frames(self):
        while two := self.rfile.read(2):
            length = two[1] & 127
            wide = self.rfile.read(2) if length == 126 else b''
            length = int.from_bytes(wide, 'big') if wide else length
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
            self.wfile.write(bytes([two[0], two[1] & 127]) + wide + data)
            if two[0] & 15 == 8:
                return
host, port = os.environ['BARTIZAN_LISTEN'].split(':')
socketserver.ThreadingTCPServer((host, int(port)), Handler).serve_forever()
"#;

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

    /// One with a gateway and a program alone, which speaks WebSocket; where the gateway is.
    fn with_sockets() -> (Self, String) {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(2));
        let [web, edge] = ports[..] else { unreachable!() };
        std::fs::write(folder.path().join("echo.py"), ECHO).unwrap();
        let file = folder.path().join("fleet.yaml");
        let fleet = format!(
            "fleet: own\ntrust_domain: own.test\nservices:\n  web: {{ run: [python3, echo.py], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
             gateway:\n  listen: 127.0.0.1:{edge}\n  routes: [{{ path: /**, to: web }}]\n"
        );
        std::fs::write(&file, fleet).unwrap();
        let gateway = format!("https://127.0.0.1:{edge}");
        (Self { up: Up::start(&file, &[]), _folder: folder, origin: gateway.clone() }, gateway)
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

#[test]
fn a_real_browser_speaks_websocket_on_the_connection_that_its_page_came_by() {
    let (scene, gateway) = Scene::with_sockets();
    let said = scene.browse("websocket.mjs", &[("EDGE", &gateway)]);
    assert_eq!((&said["judge"], &said["agreed"]), (&Value::from("chromium"), &Value::from(2)), "{said}");
}
