//! Third parties: a service reaches them through its guard alone, which shows a short-lived token of that service. The partners are servers of
//! Python outside the fleet that judge with PyJWT, by the keys that control publishes.

use bartizan_testkit::{Deadline, Up, free_ports, wait_for};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Addresses of the partners: nobody's here, and no inner ones.
const PARTNERS: [(&str, &str); 2] = [("api.partner.test", "11.22.33.44"), ("other.partner.test", "11.22.33.45")];

/// Does what stands in its file of jobs, a line each, and writes down how it went.
const PROGRAM: &str = r#"
import os, socket, ssl, sys, time, urllib.request, urllib.error
folder, name = sys.argv[1:]
host, port = os.environ['BARTIZAN_LISTEN'].split(':')
server = socket.create_server((host, int(port)))
context = ssl._create_unverified_context()
def get(url, *credentials):
    request = urllib.request.Request(url)
    for one in credentials:
        request.add_header('Authorization', 'Bearer ' + one)
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return f'{error.code} {error.read().decode()}'
def straight(address, name): # past all that the program was told
    with context.wrap_socket(socket.create_connection((address, 443), 10), server_hostname=name) as s:
        s.sendall(f'GET /straight HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n'.encode())
        return s.recv(4096).decode()
done = 0
while True:
    jobs = open(f'{folder}/{name}.jobs').read().splitlines()
    for job in jobs[done:]:
        kind, *rest = job.split(' ')
        try:
            outcome = 'ok ' + repr({'get': get, 'straight': straight}[kind](*rest))
        except Exception as error:
            outcome = 'no ' + repr(error)
        open(f'{folder}/{name}.done', 'a').write(kind + ' ' + ' '.join(rest)[:60] + ' -> ' + outcome + '\n')
        done += 1
    time.sleep(0.05)
"#;

struct Place {
    folder: TempDir,
    ports: Vec<u16>,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap(), ports: free_ports(4) };
        std::fs::write(place.path("program.py"), PROGRAM).unwrap();
        for name in ["shop", "thief", "stranger"] {
            std::fs::write(place.path(&format!("{name}.jobs")), "").unwrap();
            std::fs::write(place.path(&format!("{name}.done")), "").unwrap();
        }
        let hosts: String = PARTNERS.iter().map(|(name, at)| format!("{at} {name}\n")).collect();
        std::fs::write(place.path("hosts"), format!("127.0.0.1 localhost\n{hosts}")).unwrap();
        let names = "subjectAltName=DNS:api.partner.test,DNS:other.partner.test,IP:127.0.0.1";
        let by_ca = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-addext", "basicConstraints=critical,CA:FALSE"];
        for (name, key, cert, more) in
            [("ca", "ca-key.pem", "ca.pem", &[][..]), ("partner", "key.pem", "cert.pem", &by_ca[..])]
        {
            let made = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
                .args(["-subj", &format!("/CN={name}"), "-addext", names, "-keyout", key, "-out", cert])
                .args(more)
                .current_dir(place.folder.path())
                .output()
                .expect("openssl is installed");
            assert!(made.status.success(), "{made:?}");
        }
        place
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    fn start(&self) -> Up {
        let (folder, ports) = (self.folder.path().display(), &self.ports);
        let service = |name: &str, port: u16, egress: &str| {
            format!(
                "  {name}:\n    run: [python3, program.py, \"{folder}\", {name}]\n    listen: 127.0.0.1:{port}\n    protocol: tcp\n    owner: me\n    egress:\n{egress}"
            )
        };
        let with_token = |host: &str| {
            format!(
                "      - {{ host: {host}, https_originate: true, roots: ca.pem, token: {{ audience: \"https://{host}\", life: 1m }} }}\n"
            )
        };
        let text = format!(
            "fleet: out\ntrust_domain: out.test\nfederation:\n  endpoint: {{ listen: \"127.0.0.1:{}\", profile: https_web, certificate: cert.pem, key: key.pem }}\nservices:\n{}{}{}",
            ports[3],
            service("shop", ports[0], &with_token("api.partner.test")),
            service("thief", ports[1], &with_token("other.partner.test")),
            // It may talk to both, and has no token there.
            service("stranger", ports[2], "      - api.partner.test\n      - other.partner.test\n"),
        );
        std::fs::write(self.path("fleet.yaml"), text).unwrap();
        let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin/python");
        assert!(judge.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", judge.display());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/partner.py");
        let addresses: String = PARTNERS.iter().map(|(_, at)| format!("ip addr add {at}/32 dev lo\n")).collect();
        let partners: Vec<_> = PARTNERS.iter().map(|(name, at)| format!("{name}={at}")).collect();
        let setup = format!(
            "{addresses}mount --bind \"$1/hosts\" /etc/hosts\n{} {} \"$1\" https://127.0.0.1:{}/ {} </dev/null >\"$1/partner.log\" 2>&1 &",
            judge.display(),
            script.display(),
            ports[3],
            partners.join(" ")
        );
        let mut up = Up::launch_in_a_world(&self.path("fleet.yaml"), &setup, &[]);
        up.wait_ready();
        wait_for("the partners to listen", Deadline::default(), || self.path("open").exists().then_some(()));
        up
    }

    /// Has a program do something, and gives how it went.
    fn did(&self, name: &str, job: &str) -> String {
        let (jobs, done) = (format!("{name}.jobs"), format!("{name}.done"));
        let before = self.read(&done).lines().count();
        let all = format!("{}{job}\n", self.read(&jobs));
        std::fs::write(self.path("jobs.new"), all).unwrap();
        std::fs::rename(self.path("jobs.new"), self.path(&jobs)).unwrap();
        wait_for("the job to be done", Deadline::default(), || self.read(&done).lines().nth(before).map(str::to_owned))
    }

    fn heard(&self) -> usize {
        PARTNERS.iter().map(|(name, _)| self.read(&format!("{name}.heard")).lines().count()).sum()
    }

    /// The tokens that a partner was shown and found good.
    fn seen(&self, partner: &str) -> Vec<String> {
        self.read(&format!("{partner}.seen")).lines().map(str::to_owned).collect()
    }
}

/// Every file below `folder` that holds `text`.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && std::fs::read(&path).is_ok_and(|bytes| bytes.windows(text.len()).any(|it| it == text.as_bytes()))
            {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_partner_is_reached_through_the_guard_alone_by_a_token_that_is_good_nowhere_else_and_soon_nowhere() {
    let place = Place::new();
    let up = place.start();
    let forced = up.plan()["isolation"]["shop"]["network"] == "own";

    // Refusals first. Past the guard, to the name that the service may reach through it and to the bare address.
    if forced {
        for job in ["straight 11.22.33.44 api.partner.test", "straight 11.22.33.45 other.partner.test"] {
            let outcome = place.did("shop", job);
            assert!(outcome.contains("-> no"), "{outcome}");
        }
    }
    // Through the guard to somebody else's partner, and with TLS of its own to the own one: no token would be in there.
    for job in ["get http://other.partner.test/x", "get https://api.partner.test/x"] {
        let outcome = place.did("shop", job);
        assert!(outcome.contains("403"), "{outcome}");
    }
    assert_eq!(place.heard(), 0, "nobody outside heard a word");

    // What the service may, with a credential that it never sees: of itself, for this partner, for a minute.
    let good = "200 spiffe://out.test/svc/shop for 60 s";
    let outcome = wait_for("control to have given a token", Deadline::default(), || {
        let outcome = place.did("shop", "get http://api.partner.test/orders");
        (!outcome.contains("no_token")).then_some(outcome)
    });
    assert!(outcome.contains(good), "{outcome}\n{}\n{}", place.read("partner.log"), up.log());
    let first = place.seen("api.partner.test")[0].clone();

    // The partner keeps the token and hands it around. With it, somebody else in the fleet at another partner: what its guard shows is its own.
    let outcome = place.did("thief", &format!("get http://other.partner.test/x {first}"));
    assert!(outcome.contains("200 spiffe://out.test/svc/thief for 60 s"), "{outcome}");
    // At the own partner of the shop: its list does not name it.
    let outcome = place.did("thief", &format!("get http://api.partner.test/x {first}"));
    assert!(outcome.contains("403") && outcome.contains("undeclared"), "{outcome}");
    // Somebody who may talk to both in TLS of its own shows it to the other one.
    let outcome = place.did("stranger", &format!("get https://other.partner.test/x {first}"));
    assert!(outcome.contains("401 InvalidAudienceError"), "{outcome}");
    let outcome = place.did("stranger", "get https://api.partner.test/x");
    assert!(outcome.contains("401 0 credentials"), "{outcome}");
    let mut forged = first.clone();
    forged.replace_range(
        forged.len() - 4..forged.len() - 3,
        if forged.as_bytes()[forged.len() - 4] == b'A' { "B" } else { "A" },
    );
    let outcome = place.did("stranger", &format!("get https://api.partner.test/x {forged}"));
    assert!(outcome.contains("401 InvalidSignatureError"), "{outcome}");
    // A credential of the program's own making does not come through either.
    let outcome = place.did("shop", "get http://api.partner.test/orders made-up");
    assert!(outcome.contains(good), "{outcome}");

    // It runs out, also where the partner itself replays it; the guard has another one by then, and no call was refused for want of one.
    let patience = Deadline(Duration::from_secs(150));
    wait_for("the first token to run out", patience, || {
        let outcome = place.did("stranger", &format!("get https://api.partner.test/late {first}"));
        assert!(outcome.contains("401") || outcome.contains(good), "{outcome}");
        let outcome_of_shop = place.did("shop", "get http://api.partner.test/orders");
        assert!(outcome_of_shop.contains(good), "{outcome_of_shop}");
        std::thread::sleep(Duration::from_millis(500));
        outcome.contains("401 ExpiredSignatureError").then_some(())
    });
    let all = place.seen("api.partner.test");
    let last = all.last().unwrap().clone();
    assert_ne!(last, first, "renewed by the guard, unasked");

    // Every request that anybody outside heard of is an event of a service with an identity: none is nobody's.
    let heard = place.heard();
    let events = wait_for("the events", Deadline::default(), || {
        let text = up.say(&["events", "--class", "egress", "--json", "--all"]);
        let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let closed =
            events.iter().filter(|it| it["activity_name"] == "Close" || it["activity_name"] == "Reset").count();
        (closed >= heard).then_some(events)
    });
    let unattributed: Vec<&Value> = events
        .iter()
        .filter(|it| {
            let id = it["src_endpoint"]["uid"].as_str().unwrap_or_default();
            !["shop", "thief", "stranger"].iter().any(|name| id == format!("spiffe://out.test/svc/{name}"))
        })
        .collect();
    assert!(unattributed.is_empty(), "{} of {} calls are nobody's: {unattributed:?}", unattributed.len(), events.len());
    let words: Vec<&str> = events.iter().filter_map(|it| it["unmapped"]["bartizan"]["reason"].as_str()).collect();
    assert!(words.contains(&"undeclared") && words.contains(&"protocol"), "{words:?}");

    // Nor does a token stand anywhere: in logs, events, what guards keep on disk. Signatures tell them apart.
    for token in [&first, &last] {
        let signature = token.rsplit('.').next().unwrap();
        assert_eq!(files_with(&up.data, signature), Vec::<PathBuf>::new());
        assert!(!up.log().contains(signature), "in the log");
    }
    let told = files_with(place.folder.path(), last.rsplit('.').next().unwrap());
    assert_eq!(told, [place.path("api.partner.test.seen")], "it is where the partner put it, and nowhere else");
}
