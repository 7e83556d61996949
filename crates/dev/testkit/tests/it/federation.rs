//! Two fleets with a trust domain each: calls across, and their end.

use bartizan_testkit::{Answer, Deadline, Up, free_ports, get, request, wait_for};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Tells who calls, as the guard says.
const ECHO: &str = "import http.server, sys\n\
    class Echo(http.server.BaseHTTPRequestHandler):\n\
    \x20   protocol_version = 'HTTP/1.1'\n\
    \x20   def do_GET(self):\n\
    \x20       body = (self.headers.get('x-bartizan-peer') or '-').encode()\n\
    \x20       self.send_response(200)\n\
    \x20       self.send_header('content-length', str(len(body)))\n\
    \x20       self.end_headers()\n\
    \x20       self.wfile.write(body)\n\
    \x20   def log_message(self, *_):\n\
    \x20       pass\n\
    http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Echo).serve_forever()\n";

/// One of the two fleets, with a service `caller` that calls, and `accounts` that is called.
struct Side {
    name: &'static str,
    folder: TempDir,
    /// Of caller, accounts, the guard of accounts, the bundle endpoint.
    ports: Vec<u16>,
    /// What else stands under `federation.endpoint`.
    endpoint: &'static str,
}

impl Side {
    fn new(name: &'static str) -> Self {
        let side = Self { name, folder: tempfile::tempdir().unwrap(), ports: free_ports(4), endpoint: "" };
        std::fs::write(side.path("echo.py"), ECHO).unwrap();
        side
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn mesh(&self) -> u16 {
        self.ports[2]
    }

    /// `calls` is what `caller` calls, `domains` what stands under `federation.domains`.
    fn write(&self, calls: &str, domains: &str) -> PathBuf {
        let Self { name, ports, endpoint: more, .. } = self;
        let (caller, accounts, mesh, endpoint) = (ports[0], ports[1], ports[2], ports[3]);
        let service = |name: &str, port: u16, more: &str| {
            format!(
                "  {name}: {{ run: [python3, echo.py, \"{port}\"], listen: \"127.0.0.1:{port}\", protocol: http, owner: me{more} }}\n"
            )
        };
        let text = format!(
            "fleet: {name}\ntrust_domain: {name}.test\nservices:\n{}{}federation:\n  endpoint: {{ listen: \"127.0.0.1:{endpoint}\", refresh_seconds: 5{more} }}\n{domains}",
            service("caller", caller, &format!(", calls: [{calls}]")),
            service("accounts", accounts, &format!(", mesh: \"127.0.0.1:{mesh}\"")),
        );
        let file = self.path("fleet.yaml");
        std::fs::write(&file, text).unwrap();
        file
    }

    /// How the other side is named under `domains`, with its bundle in a file beside the fleet file.
    fn domain(&self, other: &Side, bundle: &str, more: &str, workloads: &str) -> String {
        std::fs::write(self.path("bundle.json"), bundle).unwrap();
        format!(
            "  domains:\n    {0}.test:\n      url: https://127.0.0.1:{1}/\n      profile: https_spiffe\n      endpoint_id: spiffe://{0}.test/bartizan/control\n      bundle: bundle.json\n{more}      workloads:\n{workloads}",
            other.name, other.ports[3]
        )
    }
}

/// A call as the program of `caller` makes it: to its own guard.
fn call(up: &Up, callee: &str) -> Answer {
    up.get_inside("caller", &format!("http://{}/", up.plan()["outbound"]["caller"][callee].as_str().unwrap()))
}

fn standing(up: &Up) -> serde_json::Value {
    let text = up.say(&["federation", "status", "--json"]);
    serde_json::from_str::<serde_json::Value>(&text).unwrap()[0].clone()
}

fn denied(up: &Up, text: &str) {
    wait_for(&format!("an event with {text}"), Deadline::default(), || {
        up.say(&["events", "--deny"]).contains(text).then_some(())
    });
}

fn reload(up: &Up, side: &Side, calls: &str, domains: &str) {
    side.write(calls, domains);
    up.say(&["reload"]);
}

fn reads_json(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|json| serde_json::from_slice::<serde_json::Value>(&json).is_ok())
}

#[test]
fn two_trust_domains_call_each_other_until_one_of_them_ends_it() {
    let (bank, partner) = (Side::new("bank"), Side::new("partner"));
    let bank_up = Up::start(&bank.write("accounts", ""), &[]);
    let bank_bundle = bank_up.say(&["federation", "bundle"]);

    // The partner knows the bank and calls it; the bank does not know the partner.
    let workloads = format!(
        "        bank-accounts: {{ id: /svc/accounts, mesh: \"127.0.0.1:{}\", protocol: http }}\n",
        bank.mesh()
    );
    let bank_as_seen = partner.domain(&bank, &bank_bundle, "", &workloads);
    let partner_up = Up::start(&partner.write("bank-accounts", &bank_as_seen), &[]);
    assert_eq!(call(&partner_up, "bank-accounts").status, 502);
    denied(&bank_up, "no trust bundle is held for `partner.test`");

    // The bank federates, and lets in the caller of the partner by its full name.
    let partner_bundle = partner_up.say(&["federation", "bundle"]);
    let workloads = "        partner-caller: { id: /svc/caller, calls: [accounts] }\n";
    let paths = "      paths: [/svc/caller, /bartizan/**]\n";
    let partner_as_seen = bank.domain(&partner, &partner_bundle, paths, workloads);
    reload(&bank_up, &bank, "accounts", &partner_as_seen);
    let answer = wait_for("a call across", Deadline::default(), || {
        Some(call(&partner_up, "bank-accounts")).filter(|it| it.status == 200)
    });
    assert_eq!(answer.body, "spiffe://partner.test/svc/caller", "the program is told the whole name");
    assert_eq!(
        call(&bank_up, "accounts").body,
        "spiffe://bank.test/svc/caller",
        "the same path at home is somebody else"
    );
    wait_for("a look at the endpoint", Deadline::default(), || {
        standing(&bank_up)["fetched_at"].is_number().then_some(())
    });
    assert!(bank_up.say(&["federation", "refresh"]).contains("partner.test"));
    assert!(bank_up.say(&["expiry"]).contains("foreign_root"));

    // Both paths of a local rule exist in the partner's domain. Only the declared name gets in: `/svc/accounts` there is nobody.
    let other = workloads.replace("/svc/caller", "/svc/other");
    let refused = bank.domain(&partner, &partner_bundle, "", &other);
    reload(&bank_up, &bank, "accounts", &refused);
    wait_for("the refusal", Deadline::default(), || {
        (call(&partner_up, "bank-accounts").status == 403 || call(&partner_up, "bank-accounts").status == 502)
            .then_some(())
    });
    denied(&bank_up, "`spiffe://partner.test/svc/caller` is no service of `bank.test`");
    wait_for("the end of the open connection", Deadline::default(), || {
        bank_up.say(&["events", "--limit", "500", "--json"]).contains("undeclared").then_some(())
    });

    // Outside the paths of its domain: refused although it is declared nowhere else either.
    let narrow = bank.domain(&partner, &partner_bundle, "      paths: [/svc/other]\n", &other);
    reload(&bank_up, &bank, "accounts", &narrow);
    wait_for("the narrower refusal", Deadline::default(), || {
        call(&partner_up, "bank-accounts");
        bank_up
            .say(&["events", "--deny"])
            .contains("may not have identities such as `spiffe://partner.test/svc/caller`")
            .then_some(())
    });

    // Another root of the partner: the bank hears of it, and calls go on the whole time.
    reload(&bank_up, &bank, "accounts", &partner_as_seen);
    wait_for("a call across again", Deadline::default(), || {
        (call(&partner_up, "bank-accounts").status == 200).then_some(())
    });
    let rotation = std::thread::scope(|scope| {
        let rotating = scope.spawn(|| partner_up.say(&["ca", "rotate", "root", "--soak", "1", "--watch"]));
        while !rotating.is_finished() {
            let answer = call(&partner_up, "bank-accounts");
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        rotating.join().unwrap()
    });
    assert!(rotation.contains("retired"), "{rotation}");
    assert_eq!(call(&partner_up, "bank-accounts").status, 200);

    // Denied at once, and again after that is taken back.
    let began = Instant::now();
    bank_up.say(&["revoke", "domain:partner.test", "--reason", "their CA is being looked at"]);
    wait_for("the end of calls", Deadline(Duration::from_secs(10)), || {
        (call(&partner_up, "bank-accounts").status != 200).then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(10));
    bank_up.say(&["restore", "domain:partner.test"]);
    wait_for("calls again", Deadline::default(), || (call(&partner_up, "bank-accounts").status == 200).then_some(()));

    // The bank no longer federates: calls end within seconds, and nothing of the partner is kept.
    let kept = bank_up.data.join("federation/partner.test.json");
    assert!(reads_json(&kept));
    reload(&bank_up, &bank, "accounts", "");
    wait_for("the end of calls", Deadline(Duration::from_secs(10)), || {
        (call(&partner_up, "bank-accounts").status != 200).then_some(())
    });
    assert!(!kept.exists());
    assert_eq!(call(&bank_up, "accounts").status, 200, "its own calls go on");
}

/// A certificate of the web for 127.0.0.1, signed by a CA of its own: `ca.pem`, `web.pem` and `web.key` in `folder`.
fn make_web_certificate(folder: &Path) {
    let openssl = |args: &[&str]| {
        let output = Command::new("openssl").args(args).current_dir(folder).output().expect("openssl is installed");
        assert!(output.status.success(), "{args:?}: {output:?}");
    };
    let ca =
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=web"];
    openssl(&[&ca[..], &["-days", "2"]].concat());
    openssl(&["req", "-newkey", "rsa:2048", "-nodes", "-keyout", "web.key", "-out", "web.csr", "-subj", "/CN=bundles"]);
    std::fs::write(folder.join("san.cnf"), "subjectAltName=IP:127.0.0.1").unwrap();
    let sign =
        ["x509", "-req", "-in", "web.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "web.pem"];
    openssl(&[&sign[..], &["-days", "1", "-extfile", "san.cnf"]].concat());
}

#[test]
fn a_bundle_comes_over_the_web_from_whom_the_roots_of_the_web_vouch_for() {
    let (mut bank, partner) = (Side::new("bank"), Side::new("partner"));
    bank.endpoint = ", profile: https_web, certificate: web.pem, key: web.key";
    make_web_certificate(bank.folder.path());
    let bank_up = Up::start(&bank.write("accounts", ""), &[]);

    // A client that nobody here wrote reads the same document.
    let url = format!("https://127.0.0.1:{}", bank.ports[3]);
    let document = wait_for("the endpoint", Deadline::default(), || {
        Some(get(&format!("{url}/any/path"), Some(&bank.path("ca.pem")))).filter(|answer| answer.status == 200)
    });
    assert_eq!(document.header("content-type"), Some("application/json"));
    assert_eq!(document.json()["spiffe_refresh_hint"], 5);
    assert_eq!(document.json()["keys"][0]["use"], "x509-svid");
    assert_eq!(request("POST", &url, Some(&bank.path("ca.pem")), &[], Some("{}")).status, 405);

    let domain = |url: &str, roots: &str| {
        format!("  domains:\n    bank.test: {{ url: \"{url}\", profile: https_web, roots: \"{roots}\" }}\n")
    };
    std::fs::copy(bank.path("ca.pem"), partner.path("ca.pem")).unwrap();
    make_web_certificate(&{
        let other = partner.path("other");
        std::fs::create_dir(&other).unwrap();
        other
    });
    // Roots that do not vouch for the endpoint: nothing is taken, and it is said why.
    let partner_up = Up::start(&partner.write("accounts", &domain(&url, "other/ca.pem")), &[]);
    let failed = wait_for("a failed look", Deadline::default(), || {
        Some(standing(&partner_up)).filter(|it| it["failure"].is_string())
    });
    assert_eq!((&failed["roots"], &failed["fetched_at"]), (&0.into(), &serde_json::Value::Null), "{failed}");
    assert!(failed["failure"].as_str().unwrap().contains("invalid peer certificate"), "{failed}");

    // The right roots, but another name than the one in the certificate.
    let local = url.replace("127.0.0.1", "localhost");
    reload(&partner_up, &partner, "accounts", &domain(&local, "ca.pem"));
    partner_up.cli(&["federation", "refresh"]);
    let failed = standing(&partner_up)["failure"].as_str().unwrap().to_owned();
    assert!(failed.contains("not valid for name"), "{failed}");

    reload(&partner_up, &partner, "accounts", &domain(&url, "ca.pem"));
    let told = partner_up.say(&["federation", "refresh"]);
    assert!(told.contains("https_web"), "{told}");
    let taken = standing(&partner_up);
    assert_eq!((&taken["roots"], &taken["failure"]), (&1.into(), &serde_json::Value::Null), "{taken}");

    // What came from one place does not count for another.
    let kept = partner_up.data.join("federation/bank.test.json");
    reload(&partner_up, &partner, "accounts", &domain(&local, "ca.pem"));
    assert_eq!(standing(&partner_up)["roots"], 0, "another endpoint has given nothing yet");
    reload(&partner_up, &partner, "accounts", &domain(&url, "ca.pem"));
    partner_up.say(&["federation", "refresh"]);
    assert_eq!(standing(&partner_up)["roots"], 1);
    // A folder that stands in the way stops nothing.
    std::fs::create_dir(kept.with_file_name("stray")).unwrap();
    partner_up.say(&["reload"]);

    // The bank's control is away: what is held counts on, and its absence is said.
    drop(bank_up);
    let failed = partner_up.cli(&["federation", "refresh", "--json"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert_eq!(standing(&partner_up)["roots"], 1);
    let failure = standing(&partner_up)["failure"].to_string();
    assert!(failure.contains("cannot connect"), "{failure}");
}

#[test]
fn a_file_that_federation_names_and_is_not_there_stops_the_start() {
    let side = Side::new("bank");
    let domain =
        "  domains:\n    partner.test: { url: \"https://127.0.0.1:1/\", profile: https_web, roots: nowhere.pem }\n";
    let file = side.write("accounts", domain);
    let check = Command::new(bartizan_testkit::binary("bartizan")).arg("check").arg(&file).output().unwrap();
    assert_eq!(check.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&check.stderr).contains("nowhere.pem`, which the fleet file names"), "{check:?}");
}
