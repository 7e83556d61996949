//! People sign in at a whole fleet: by a browser with a cookie jar, an authenticator app and a passkey that others wrote.

use bartizan_testkit::{Deadline, Up, free_ports, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const BROWSER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/people.py");

/// What `xtask/judges.sh` installed under `name`.
fn judge(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin").join(name);
    assert!(path.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", path.display());
    path
}

struct Scene {
    folder: TempDir,
    up: Up,
    origin: String,
}

impl Scene {
    fn start(people: &str) -> Self {
        let (folder, ports) = (tempfile::tempdir().unwrap(), free_ports(2));
        let [web, server] = ports[..] else { unreachable!() };
        let file = folder.path().join("fleet.yaml");
        let origin = format!("https://localhost:{server}");
        let fleet = format!(
            "fleet: own\ntrust_domain: own.test\nservices:\n  web: {{ run: [python3, -m, http.server, \"{web}\", --bind, 127.0.0.1], listen: \"127.0.0.1:{web}\", protocol: http, owner: me }}\n\
             workloads:\n  report: {{ selectors: {{ path: /bin/report }} }}\n\
             authorization:\n  listen: 127.0.0.1:{server}\n  issuer: {origin}\n  clients: {{ report: {{}} }}\n{people}"
        );
        std::fs::write(&file, fleet).unwrap();
        let it = Self { up: Up::start(&file, &[]), folder, origin };
        wait_for("the server to answer", Deadline::default(), || {
            (it.curl(&["--output", "/dev/null"], "/.well-known/oauth-authorization-server") == "200").then_some(())
        });
        it
    }

    /// The status of an answer.
    fn curl(&self, more: &[&str], path: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "20", "--write-out", "%{http_code}", "--cacert"]).arg(self.up.ca());
        let output = curl.args(more).arg(format!("{}{path}", self.origin)).output().expect("curl is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn user(&self, args: &[&str]) -> Result<Value, String> {
        let said = self.up.cli(&[&["user"][..], args, &["--json"]].concat());
        match said.status.success() {
            true => Ok(serde_json::from_slice(&said.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&said.stderr).into_owned()),
        }
    }

    fn browse(&self, what: &str) {
        let mut python = Command::new(judge("python"));
        python.arg(BROWSER).arg(&self.origin).arg(self.up.ca()).arg(what).arg(self.folder.path().join("cookies"));
        let said = python.output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{text}");
    }
}

#[test]
fn somebody_signs_in_with_everything_and_is_gone_when_disabled() {
    let scene = Scene::start("  people: {}\n");
    for refused in [&["show", "ana"][..], &["disable", "ana"], &["add", "no name"], &["reset", "ana"]] {
        scene.user(refused).unwrap_err();
    }
    let link = scene.user(&["add", "ana", "--display-name", "Ana", "--role", "teller"]).unwrap();
    assert!(scene.user(&["add", "ANA"]).unwrap_err().contains("there is somebody called `ana` already"));
    scene.browse(link["link"].as_str().unwrap());

    let shown = scene.user(&["show", "ana"]).unwrap();
    assert_eq!(
        (&shown["subject"], &shown["codes"], &shown["recovery_codes"]),
        (&link["subject"], &true.into(), &9.into())
    );
    assert_eq!(shown["passkeys"], 1, "{shown}");
    let sessions = shown["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{shown}");
    assert!(sessions[0]["amr"].as_array().unwrap().contains(&"mfa".into()), "{shown}");
    assert_eq!(scene.user(&["roles", "ana", "--add", "auditor", "--remove", "teller"]).unwrap()["roles"][0], "auditor");

    assert_eq!(scene.user(&["disable", "ana"]).unwrap()["disabled"], true);
    scene.browse("ended");
    let wanted = ["added", "password_set", "factor_added", "signed_in", "not_signed_in", "signed_out", "disabled"];
    wait_for("the events", Deadline::default(), || {
        let events = scene.up.cli(&["events", "--json", "--limit", "500"]);
        let text = String::from_utf8_lossy(&events.stdout).into_owned();
        assert!(!text.contains("four words of a horse"), "no password is in an event");
        wanted.iter().all(|deed| text.contains(&format!("\"deed\":\"{deed}\""))).then_some(())
    });
    assert_eq!(scene.user(&["list"]).unwrap().as_array().unwrap().len(), 1);
    scene.user(&["remove", "ana"]).unwrap();
    assert_eq!(scene.user(&["list"]).unwrap(), serde_json::json!([]));
}

#[test]
fn where_the_file_has_no_people_nobody_signs_in() {
    let scene = Scene::start("");
    for path in ["/sign-in", "/account", "/static/passkey.js"] {
        assert_eq!(scene.curl(&["--output", "/dev/null"], path), "404", "{path}");
    }
    let why = scene.user(&["add", "ana"]).unwrap_err();
    assert!(why.contains("write `people: {}` under `authorization`"), "{why}");
}
