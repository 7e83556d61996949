//! People log in at a gateway with browsers that others wrote, at the fleet's own authorization server.

use bartizan_testkit::{Deadline, Up, alive, free_ports, kill_hard, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const PASSWORD: &str = "a horse of four words";

/// Says what it was sent; sets cookies of its own, and tries to set ours.
const PROGRAM: &str = "import http.server, json, os\n\
    class It(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_GET(self):\n\
    \x20       self.rfile.read(int(self.headers.get('content-length', 0)))\n\
    \x20       socket = self.headers.get('upgrade') == 'websocket'\n\
    \x20       body = b'' if socket else json.dumps({n.lower(): v for n, v in self.headers.items()}).encode()\n\
    \x20       self.send_response(101 if socket else 200)\n\
    \x20       if socket:\n\
    \x20           self.send_header('connection', 'upgrade')\n\
    \x20           self.send_header('upgrade', 'websocket')\n\
    \x20           self.send_header('sec-websocket-accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')\n\
    \x20       else:\n\
    \x20           self.send_header('content-length', str(len(body)))\n\
    \x20       if self.path == '/set' or socket:\n\
    \x20           self.send_header('set-cookie', '__Host-bartizan=theirs; Path=/; Secure')\n\
    \x20           self.send_header('set-cookie', '=__Host-bartizan=theirs; Path=/; Secure')\n\
    \x20           self.send_header('set-cookie', 'own=1; Path=/')\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(body)\n\
    \x20       self.close_connection = socket\n\
    \x20   do_POST = do_GET\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    host, port = os.environ['BARTIZAN_LISTEN'].split(':')\n\
    http.server.ThreadingHTTPServer((host, int(port)), It).serve_forever()\n";

/// What `xtask/judges.sh` installed under `name`.
fn judge(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin").join(name);
    assert!(path.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", path.display());
    path
}

/// Lets browsers run to their end, who ask for things to be done meanwhile; what they said. Who fails says why.
fn browse(script: &str, args: &[&OsStr], mut act: impl FnMut(&str)) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script);
    let mut browsers = Command::new(judge("python"))
        .arg(script)
        .args(args)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = browsers.stdin.take().unwrap();
    let mut said = String::new();
    for line in BufReader::new(browsers.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        said += &format!("{line}\n");
        if let Some(what) = line.strip_suffix('?') {
            act(what);
            writeln!(answers, "done").unwrap();
        }
    }
    let ended = browsers.wait_with_output().unwrap();
    match ended.status.success() {
        true => Ok(said),
        false => Err(format!("{said}\n{}", String::from_utf8_lossy(&ended.stderr))),
    }
}

struct Scene {
    folder: TempDir,
    up: Up,
    edge: String,
    issuer: String,
}

impl Scene {
    fn start() -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(3));
        let [web, edge, server] = ports[..] else { unreachable!() };
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("policies")).unwrap();
        write("it.py", PROGRAM);
        // What is known of the person comes as far as the program's own guard.
        write(
            "policies/own.cedar",
            "@reason(\"for tellers\")\nforbid (principal, action, resource == Service::\"web\")\nunless { context.path == \"/open\" || (context has user && context.user.roles.contains(\"teller\")) };\n",
        );
        let fleet = format!(
            "fleet: own\ntrust_domain: own.test\npolicies: policies\nservices:\n  \
             web: {{ run: [python3, it.py], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
             gateway:\n  listen: 127.0.0.1:{edge}\n  login: {{ scopes: [profile], idle: 10m }}\n  routes:\n  \
             - {{ path: /**, to: web, auth: user }}\n  - {{ path: /open, to: web }}\n  \
             - {{ path: /scope, to: web, auth: user, scopes: [\"web:write\"] }}\n  \
             - {{ path: /api/**, to: web, auth: user, login: false }}\n\
             authorization:\n  listen: 127.0.0.1:{server}\n  people: {{}}\n"
        );
        write("fleet.yaml", &fleet);
        let up = Up::start(&folder.path().join("fleet.yaml"), &[]);
        let (edge, issuer) = (format!("https://127.0.0.1:{edge}"), format!("https://127.0.0.1:{server}"));
        let it = Self { folder, up, edge, issuer };
        wait_for("the server to answer", Deadline::default(), || {
            let said = it.curl(&[&format!("{}/.well-known/openid-configuration", it.issuer)]);
            said.contains("authorization_endpoint").then_some(())
        });
        it.add_person();
        wait_for("the gateway to send people on", Deadline::default(), || {
            let page = format!("{}/page", it.edge);
            let status = it.curl(&["-H", "accept: text/html", "-o", "/dev/null", "--write-out", "%{http_code}", &page]);
            (status == "303").then_some(())
        });
        it
    }

    fn curl(&self, more: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "20", "--cacert"]).arg(self.up.ca()).args(more);
        String::from_utf8_lossy(&curl.output().expect("curl is installed").stdout).into_owned()
    }

    /// Adds somebody, who sets a password over the link.
    fn add_person(&self) {
        let added: Value =
            serde_json::from_str(&self.up.say(&["user", "add", "ana", "--role", "teller", "--json"])).unwrap();
        let jar = self.folder.path().join("jar");
        let jar = ["--cookie", jar.to_str().unwrap(), "--cookie-jar", jar.to_str().unwrap()];
        let page = self.curl(&[&jar[..], &[added["link"].as_str().unwrap()]].concat());
        let hidden = page.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            (name, rest.split_once('"').unwrap().0)
        });
        let fields: BTreeMap<&str, &str> = hidden.chain([("password", PASSWORD), ("again", PASSWORD)]).collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let more: Vec<_> = fields.iter().flat_map(|field| ["--data-urlencode", field.as_str()]).collect();
        let to = format!("{}/welcome", self.issuer);
        let said = self.curl(&[&jar[..], &more, &["--write-out", "%{http_code}", &to]].concat());
        assert!(said.ends_with("303"), "{said} {page}");
    }

    fn events(&self) -> String {
        String::from_utf8_lossy(&self.up.cli(&["events", "--deny", "--json", "--limit", "2000"]).stdout).into_owned()
    }

    fn control(&self) -> u32 {
        self.up.find_one(&["bartizan control "])
    }

    /// Does what the browsers ask for.
    fn act(&self, what: &str) {
        match what {
            "sign out everywhere" => drop(self.up.say(&["user", "sign-out", "ana"])),
            "control away" => {
                let control = self.control().to_string();
                assert!(Command::new("kill").args(["-STOP", &control]).status().unwrap().success());
            }
            "control back" => {
                let control = self.control();
                kill_hard(control);
                wait_for("its end", Deadline::default(), || (!alive(control)).then_some(()));
                wait_for("another control", Deadline::default(), || {
                    self.up.find(&["bartizan control "]).first().filter(|pid| **pid != control).map(|_| ())
                });
            }
            "disable" => drop(self.up.say(&["user", "disable", "ana"])),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn people_log_in_with_browsers_and_nobody_else_does_with_their_cookies() {
    let scene = Scene::start();
    let (ca, edge) = (scene.up.ca(), scene.edge.clone());
    let args = [edge.as_ref(), ca.as_os_str(), PASSWORD.as_ref()];
    let said = browse("login.py", &args, |what| scene.act(what));
    let said = said.unwrap_or_else(|why| panic!("{why}\n{}", scene.up.log()));
    println!("{said}");
    wait_for("the events", Deadline::default(), || {
        let events = scene.events();
        let wanted = ["it comes from a page of another site", "was revoked, by its", "login_state", "cross_site"];
        wanted.iter().all(|word| events.contains(word)).then_some(())
    });
    let events = scene.events();
    assert!(!events.contains("code=") && !events.contains(PASSWORD), "no code is in an event: {events}");
}

/// The same program behind a gateway whose people log in at a provider that others wrote.
struct Elsewhere {
    folder: TempDir,
    up: Up,
    edge: String,
    issuer: String,
    provider: Child,
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.provider.kill();
        let _ = self.provider.wait();
    }
}

impl Elsewhere {
    fn start() -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(3));
        let [web, edge, provider] = ports[..] else { unreachable!() };
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("policies")).unwrap();
        write("it.py", PROGRAM);
        write("login.secret", "a secret of the gateway at it\n");
        write(
            "policies/own.cedar",
            "@reason(\"for auditors\")\nforbid (principal, action, resource == Service::\"web\")\nwhen { context.path == \"/audit\" }\nunless { context has user && context.user.roles.contains(\"auditor\") };\n",
        );
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args([
                "-subj",
                "/CN=provider",
                "-addext",
                "subjectAltName=DNS:localhost",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-keyout",
                "provider.key",
                "-out",
                "provider.pem",
            ])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let (edge_port, edge, issuer) =
            (edge, format!("https://127.0.0.1:{edge}"), format!("https://localhost:{provider}"));
        let fleet = format!(
            "fleet: own\ntrust_domain: own.test\npolicies: policies\nservices:\n  \
             web: {{ run: [python3, it.py], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
             users:\n  audience: https://api.own.test\n  issuers:\n    \
             - {{ issuer: \"{issuer}\", algorithms: [RS256], roles: groups, roots: provider.pem }}\n\
             gateway:\n  listen: 127.0.0.1:{edge_port}\n  \
             login: {{ issuer: \"{issuer}\", client: bartizan, secret: login.secret, scopes: [profile, offline_access] }}\n  \
             routes: [{{ path: /**, to: web, auth: user }}]\n"
        );
        write("fleet.yaml", &fleet);
        let up = Up::start(&folder.path().join("fleet.yaml"), &[]);
        let provider = provider_at(folder.path(), &up, &edge, &issuer);
        let it = Self { folder, up, edge, issuer, provider };
        wait_for("the gateway to send people on", Deadline::default(), || {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--max-time", "20", "--cacert"]).arg(it.up.ca());
            curl.args(["-H", "accept: text/html", "-o", "/dev/null", "--write-out", "%{http_code}"]);
            let said = curl.arg(format!("{}/page", it.edge)).output().unwrap();
            (said.stdout == b"303").then_some(())
        });
        it
    }

    fn act(&mut self, what: &str) {
        match what {
            "other groups" => self.tell("groups"),
            "forget" => self.tell("forget"),
            "provider away" => self.signal("-STOP"),
            "provider back" => self.signal("-CONT"),
            other => panic!("{other}"),
        }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.provider.id().to_string()]).status().unwrap().success());
    }

    fn tell(&self, what: &str) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--max-time", "20", "-X", "POST", "--cacert"]);
        let said =
            curl.arg(self.folder.path().join("provider.pem")).arg(format!("{}/test/{what}", self.issuer)).output();
        let said = said.unwrap();
        assert!(said.status.success(), "{said:?}");
    }
}

fn provider_at(folder: &Path, up: &Up, edge: &str, issuer: &str) -> Child {
    let judges = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/provider.mjs");
    let mut child = Command::new("node")
        .arg(script)
        .envs([("ISSUER", issuer), ("ORIGIN", edge), ("SECRET", "a secret of the gateway at it")])
        .env("PORT", issuer.rsplit(':').next().unwrap())
        .envs([("CERT", folder.join("provider.pem")), ("KEY", folder.join("provider.key"))])
        .env("NODE_EXTRA_CA_CERTS", up.ca())
        .env("JUDGES", judges.join("node_modules"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is installed");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.by_ref().map_while(Result::ok).find(|line| line == "ready");
    assert!(first.is_some(), "the provider did not start");
    // It may say more, and is not to wait for somebody who reads it.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

#[test]
fn people_log_in_at_a_provider_that_others_wrote() {
    let mut scene = Elsewhere::start();
    // What the browser trusts: the gateway's root, and the provider's.
    let roots = std::fs::read_to_string(scene.up.ca()).unwrap()
        + &std::fs::read_to_string(scene.folder.path().join("provider.pem")).unwrap();
    let ca = scene.folder.path().join("roots.pem");
    std::fs::write(&ca, roots).unwrap();
    let (edge, issuer) = (scene.edge.clone(), scene.issuer.clone());
    let args = [edge.as_ref(), ca.as_os_str(), issuer.as_ref()];
    let said = browse("login_elsewhere.py", &args, |what| scene.act(what));
    said.unwrap_or_else(|why| panic!("{why}\n{}", scene.up.log()));
    wait_for("the events", Deadline::default(), || {
        let events = String::from_utf8_lossy(&scene.up.cli(&["events", "--deny", "--json", "--limit", "2000"]).stdout)
            .into_owned();
        // By the back-channel, by log-out or a renewal that was refused.
        ["was revoked, by its session", "was revoked, by its jti"]
            .iter()
            .all(|word| events.contains(word))
            .then_some(())
    });
    let log = scene.up.log();
    assert!(!log.contains("a secret of the gateway"), "no secret is in the log");
}
