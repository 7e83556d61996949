//! Outputs over TLS to receivers that nobody here wrote: Python's HTTPS server, rsyslog, `openssl s_server`. What is not the receiver that
//! was meant gets nothing, counts as nothing, and holds up no other output.

use crate::support::{Authority, Background, Log, Place, Running, judge, wait_for};
use bartizan_runtime::ports::{Claimed, claim_loopback_ports};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Why each of them gets nothing, in the words of the log.
const REFUSED: [(&str, &str); 12] = [
    ("wrong-ca", "untrusted_issuer"),
    ("wrong-host", "wrong_peer"),
    ("expired", "expired"),
    ("tls12", "protocol"),
    ("plain", "protocol"),
    ("demands", "certificate"),
    ("demands-other", "alert"),
    ("siem-none", "alert"),
    ("siem-other", "alert"),
    ("siem-ca", "untrusted_issuer"),
    ("siem-host", "wrong_peer"),
    ("silent", "within 15"), // the request or its handshake, whichever time is up first
];

/// A configuration of rsyslog that takes syslog over TLS from clients of `authority`, and writes what came, as it came.
fn rsyslog(dir: &Path, port: u16, authority: &Authority) -> Background {
    let (got, config, state) = (dir.join("got.log"), dir.join("rsyslog.conf"), dir.join("state"));
    std::fs::create_dir_all(&state).unwrap();
    let text = format!(
        "global(workDirectory=\"{}\" maxMessageSize=\"64k\" DefaultNetstreamDriver=\"ossl\" DefaultNetstreamDriverCAFile=\"{}\" \
         DefaultNetstreamDriverCertFile=\"{}\" DefaultNetstreamDriverKeyFile=\"{}\")\n\
         module(load=\"imtcp\" StreamDriver.Name=\"ossl\" StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"x509/certvalid\")\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
         template(name=\"asitcame\" type=\"string\" string=\"%rawmsg%\\n\")\n\
         action(type=\"omfile\" file=\"{}\" template=\"asitcame\")\n",
        state.display(),
        authority.file("ca.pem"),
        authority.file("good.pem"),
        authority.file("good.key"),
        got.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new("rsyslogd");
    command.arg("-n").arg("-f").arg(&config).arg("-i").arg(dir.join("rsyslog.pid"));
    Background::start(command.stderr(Stdio::null()))
}

/// The numbers of the events of [`Running::happen`] in a text of any form: their ids stand in it as sixteen and sixteen digits.
fn numbers(text: &str) -> BTreeSet<u64> {
    let prefix = "000000000000004d";
    let ids = text.match_indices(prefix).filter_map(|(at, _)| text.get(at + 16..at + 32));
    ids.filter_map(|digits| u64::from_str_radix(digits, 16).ok()).collect()
}

/// What came to a receiver, body by body, with their heads.
fn posted(dir: &Path, name: &str) -> Vec<(Value, PathBuf)> {
    let mut bodies: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path()).collect();
    bodies.retain(|path| {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        file.strip_prefix(&format!("{name}-")).is_some_and(|rest| rest.ends_with(".body") && rest.len() == 9)
    });
    bodies.sort();
    let head = |path: &PathBuf| serde_json::from_slice(&std::fs::read(path.with_extension("head")).unwrap()).unwrap();
    bodies.into_iter().map(|path| (head(&path), path)).collect()
}

/// Those of the events that were posted to `to` of a receiver.
fn numbers_posted(dir: &Path, name: &str, to: &str) -> BTreeSet<u64> {
    let text = |path: &PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let posted = posted(dir, name).into_iter().filter(|(head, _)| head["path"] == to);
    posted.flat_map(|(_, path)| numbers(&text(&path))).collect()
}

/// Receivers, and the part of the fleet file that names them.
struct Receivers {
    got: PathBuf,
    siem: PathBuf,
    outputs: String,
    _running: Vec<Background>,
    _silent: std::net::TcpListener,
    _claimed: Claimed,
}

fn receivers(place: &Place) -> Receivers {
    let (mine, other) = (Authority::new(place.path("mine")), Authority::new(place.path("other")));
    mine.issue("good", "DNS:localhost,IP:127.0.0.1");
    mine.issue("host", "DNS:elsewhere.test");
    mine.issue_expired("old", "DNS:localhost,IP:127.0.0.1");
    mine.issue("client", "DNS:control");
    other.issue("client", "DNS:control");
    place.write("hook.secret", SECRET);
    let claimed = claim_loopback_ports(9).unwrap();
    let [good, bulk, host, old, tls12, plain, demands, siem, siem_host] = claimed.ports[..] else {
        panic!("nine ports")
    };
    let at = |name: &str, port: u16, pair: &str, more: Value| {
        let mut all = json!({ "name": name, "port": port, "certificate": mine.file(&format!("{pair}.pem")), "key": mine.file(&format!("{pair}.key")) });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let clients = json!({ "clients": mine.file("ca.pem") });
    let servers = json!([
        at("good", good, "good", json!({})),
        at("bulk", bulk, "good", clients.clone()),
        at("host", host, "host", json!({})),
        at("old", old, "old", json!({})),
        at("tls12", tls12, "good", json!({ "tls12": true })),
        at("plain", plain, "good", json!({ "plain": true })),
        at("demands", demands, "good", clients),
    ]);
    let (got, of_siem) = (place.path("got"), place.path("siem"));
    std::fs::create_dir_all(&got).unwrap();
    std::fs::create_dir_all(&of_siem).unwrap();
    let mut python = judge("receiver.py");
    let python = Background::start(python.arg(&got).env("RECEIVERS", servers.to_string()));
    let mut openssl = Command::new("openssl");
    openssl.args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{siem_host}")]);
    openssl.args(["-cert", &mine.file("host.pem"), "-key", &mine.file("host.key")]);
    let openssl = Background::start(openssl.stderr(Stdio::null()));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_at = silent.local_addr().unwrap().port();
    let hook = |name: &str, port: u16, more: &str| {
        format!(
            "  {name}: {{ webhook: \"https://127.0.0.1:{port}/in\", secret: hook.secret, classes: [process], {more} }}\n"
        )
    };
    let to_siem = |name: &str, port: u16, more: &str| {
        format!("  {name}: {{ syslog: \"tls://127.0.0.1:{port}\", classes: [process], {more} }}\n")
    };
    let (roots, shown) =
        ("roots: mine/ca.pem", "roots: mine/ca.pem, certificate: mine/client.pem, key: mine/client.key");
    let foreign = "roots: mine/ca.pem, certificate: other/client.pem, key: other/client.key";
    let outputs = [
        "outputs:\n".to_owned(),
        hook("hook", good, roots),
        format!("  search: {{ elasticsearch: \"https://localhost:{bulk}\", classes: [process], {shown} }}\n"),
        format!("  otel: {{ otlp: \"https://localhost:{good}/v1/logs\", classes: [process], {roots} }}\n"),
        to_siem("siem", siem, shown),
        hook("wrong-ca", good, "roots: other/ca.pem"),
        hook("wrong-host", host, roots),
        hook("expired", old, roots),
        hook("tls12", tls12, roots),
        hook("plain", plain, roots),
        hook("demands", demands, roots),
        hook("demands-other", demands, foreign),
        to_siem("siem-none", siem, roots),
        to_siem("siem-other", siem, foreign),
        to_siem("siem-ca", siem, "roots: other/ca.pem"),
        to_siem("siem-host", siem_host, roots),
        hook("silent", silent_at, roots),
    ];
    let running = vec![python, openssl, rsyslog(&of_siem, siem, &mine)];
    for port in [good, demands, siem, siem_host] {
        let open = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        assert!(
            (0..400).any(|_| open() || {
                std::thread::sleep(std::time::Duration::from_millis(50));
                false
            }),
            "{port}"
        );
    }
    Receivers { got, siem: of_siem, outputs: outputs.concat(), _running: running, _silent: silent, _claimed: claimed }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_receiver_that_was_meant_gets_anything() {
    let log = Log::begin();
    let place = Place::new();
    let receivers = receivers(&place);
    place.edit_fleet("gateway:", &format!("{}gateway:", receivers.outputs));
    let control = Running::start(&place).await;
    wait_for("the outputs", async || control.output("silent").await.and(control.output("hook").await)).await;
    control.happen(0..300).await;
    let all: BTreeSet<u64> = (0..300).collect();
    let syslog = || numbers(&std::fs::read_to_string(receivers.siem.join("got.log")).unwrap_or_default());
    wait_for("what is sent to the right ones", async || {
        let posted = |name: &str, to: &str| numbers_posted(&receivers.got, name, to) == all;
        (posted("good", "/in") && posted("good", "/v1/logs") && posted("bulk", "/_bulk") && syslog() == all)
            .then_some(())
    })
    .await;
    for (output, why) in REFUSED {
        log.wait_for(output, why).await;
        let arrow = control.output(output).await.unwrap();
        assert!(arrow.stored == 0 && arrow.waiting > 0, "{output}: {arrow:?}");
    }
    for name in ["host", "old", "tls12", "plain", "demands"] {
        assert!(posted(&receivers.got, name).is_empty(), "{name} got something");
    }
    let shown: BTreeMap<bool, usize> =
        posted(&receivers.got, "bulk").iter().fold(BTreeMap::new(), |mut all, (head, _)| {
            *all.entry(head["shown"].as_bool().unwrap()).or_default() += 1;
            all
        });
    assert!(shown.contains_key(&true) && !shown.contains_key(&false), "{shown:?}");
    let frames = std::fs::read_to_string(receivers.siem.join("got.log")).unwrap();
    assert!(
        frames.lines().all(|line| line.starts_with("<1") && line.contains(" bartizan - process [bartizan@32473 id=\"")),
        "{frames}"
    );
    control.stop().await;
}
