//! The output to Kafka, against a foreign implementation of the protocol: the cluster that librdkafka brings for tests, in `kcat`, which
//! also reads what came. TLS, and troubles, are those of a relay before it.

use crate::support::{Authority, Background, Log, Place, Running, judge, service, wait_for};
use bartizan_core::event::{Event, EventId, Process, SeenBy, What};
use bartizan_core::status::Accepted;
use bartizan_runtime::clock;
use bartizan_runtime::ports::claim_loopback_ports;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A reader of one topic.
struct Reader {
    child: Child,
    read: Arc<Mutex<Vec<Value>>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reader {
    fn start(topic: &str, more: &[&str]) -> Self {
        let mut kcat = Command::new("kcat");
        kcat.args(["-C", "-J", "-u", "-o", "beginning", "-t", topic]).args(more);
        let kcat = kcat.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = kcat.spawn().expect("`kcat` is there: `apt-get install kcat`");
        let (out, read) = (child.stdout.take().unwrap(), Arc::default());
        let into: Arc<Mutex<Vec<Value>>> = Arc::clone(&read);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                into.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, read }
    }

    /// One that is the cluster as well; on which port.
    fn with_cluster(topic: &str) -> (Self, u16) {
        let mut it = Self::start(topic, &["-b", "127.0.0.1:1", "-X", "test.mock.num.brokers=1", "-d", "mock"]);
        let mut lines = BufReader::new(it.child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split_once("bootstrap.servers=127.0.0.1:")?.1.trim().parse().ok());
        std::thread::spawn(move || lines.for_each(drop)); // or it would block when the pipe is full
        (it, port.expect("`kcat` says where its cluster listens"))
    }

    /// What came, by key: the numbers of our events, in their order.
    fn by_key(&self) -> BTreeMap<String, Vec<u64>> {
        let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for message in self.read.lock().unwrap().iter() {
            let record: Value = serde_json::from_str(message["payload"].as_str().unwrap()).unwrap();
            let uid = record["metadata"]["uid"].as_str().unwrap();
            assert_eq!(record["class_uid"], 1007, "only what was asked for: {record}");
            if let Some(number) = uid.strip_prefix("000000000000004e") {
                let key = message["key"].as_str().unwrap().to_owned();
                all.entry(key).or_default().push(u64::from_str_radix(number, 16).unwrap());
            }
        }
        all
    }

    /// Of each key the partitions that it came in.
    fn partitions(&self) -> BTreeMap<String, BTreeSet<u64>> {
        let mut all: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for message in self.read.lock().unwrap().iter() {
            let key = message["key"].as_str().unwrap().to_owned();
            all.entry(key).or_default().insert(message["partition"].as_u64().unwrap());
        }
        all
    }
}

const OF: [&str; 3] = ["accounts", "payment", "ledger"];

/// Why each of these gets nothing through, in the words of the log.
const REFUSED: [(&str, &str); 7] = [
    ("bus-no-client", "alert"),
    ("bus-other-client", "alert"),
    ("bus-wrong-ca", "untrusted_issuer"),
    ("bus-wrong-host", "wrong_peer"),
    ("bus-expired", "expired"),
    ("bus-abroad", "without tls nothing leaves this machine"),
    ("bus-no-tls", "the tls handshake failed"),
];

/// One event of each service in turn.
async fn happen(control: &Running, numbers: std::ops::Range<u64>) {
    let event = |n: u64| Event {
        id: EventId(78, n),
        at: clock::now(),
        service: Some(service(OF[n as usize % OF.len()])),
        seen_by: SeenBy::Supervisor,
        request: None,
        what: What::Process(Process {
            kind: "program".into(),
            executable: format!("/bin/p{n}").into(),
            pid: 1,
            started: true,
            exit: None,
        }),
    };
    let events: Vec<Event> = numbers.map(event).collect();
    let accepted: Accepted = control.post("/v1/events", &events).await.unwrap();
    assert_eq!(accepted.accepted, events.len() as u64);
}

fn relay(port: u16, broker: u16, more: &[String]) -> Background {
    let mut python = judge("kafka_relay.py");
    Background::start(python.args([port.to_string(), broker.to_string()]).args(more))
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_at_least_once_by_service_and_to_the_right_cluster_alone() {
    let log = Log::begin();
    let place = Place::new();
    let (mine, other) = (Authority::new(place.path("mine")), Authority::new(place.path("other")));
    mine.issue("good", "DNS:localhost,IP:127.0.0.1");
    mine.issue("host", "DNS:elsewhere.test");
    mine.issue_expired("old", "DNS:localhost,IP:127.0.0.1");
    mine.issue("client", "DNS:control");
    other.issue("client", "DNS:control");
    let claimed = claim_loopback_ports(6).unwrap();
    let [sealed, host, old, abroad, cut, nobody] = claimed.ports[..] else { panic!("six ports") };
    let (plain, broker) = Reader::with_cluster("plain");
    let address = format!("127.0.0.1:{broker}");
    let (in_seal, in_cut) = (Reader::start("sealed", &["-b", &address]), Reader::start("cut", &["-b", &address]));
    let refused_there = Reader::start("refused", &["-b", &address]);
    let pair = |name: &str| {
        vec![
            format!("certificate={}", mine.file(&format!("{name}.pem"))),
            format!("key={}", mine.file(&format!("{name}.key"))),
        ]
    };
    let demanding = [pair("good"), vec![format!("clients={}", mine.file("ca.pem"))]].concat();
    let _relays = [
        relay(sealed, broker, &demanding),
        relay(host, broker, &pair("host")),
        relay(old, broker, &pair("old")),
        relay(abroad, broker, &["names=192.0.2.7".to_owned()]),
        relay(cut, broker, &["cut=2".to_owned()]),
    ];
    let output = |name: &str, brokers: &str, topic: &str, more: &str| {
        format!("  {name}: {{ kafka: [{brokers}], topic: {topic}, classes: [process]{more} }}\n")
    };
    let tls = |port: u16| format!("\"tls://127.0.0.1:{port}\"");
    let (roots, shown) = (", roots: mine/ca.pem", ", certificate: mine/client.pem, key: mine/client.key");
    let outputs = [
        "outputs:\n".to_owned(),
        // The first of them is not there.
        output("plain", &format!("\"tcp://127.0.0.1:{nobody}\", \"tcp://127.0.0.1:{broker}\""), "plain", ""),
        output("sealed", &tls(sealed), "sealed", &format!("{roots}{shown}")),
        output("cut", &format!("\"tcp://127.0.0.1:{cut}\""), "cut", ""),
        output("bus-no-client", &tls(sealed), "refused", roots),
        output(
            "bus-other-client",
            &tls(sealed),
            "refused",
            ", roots: mine/ca.pem, certificate: other/client.pem, key: other/client.key",
        ),
        output("bus-wrong-ca", &tls(sealed), "refused", &format!(", roots: other/ca.pem{shown}")),
        output("bus-wrong-host", &tls(host), "refused", roots),
        output("bus-expired", &tls(old), "refused", roots),
        output("bus-abroad", &format!("\"tcp://127.0.0.1:{abroad}\""), "refused", ""),
        output("bus-no-tls", &tls(broker), "refused", roots),
    ];
    place.edit_fleet("gateway:", &format!("{}gateway:", outputs.concat()));
    let control = Running::start(&place).await;
    wait_for("the outputs", async || control.output("bus-no-tls").await.and(control.output("plain").await)).await;
    for part in 0..3 {
        happen(&control, part * 300..(part + 1) * 300).await;
    }
    let all = |reader: &Reader| {
        let came = reader.by_key();
        OF.iter().enumerate().all(|(at, name)| {
            came.get(*name).is_some_and(|it| it.iter().collect::<BTreeSet<_>>().len() == 300 && it[0] == at as u64)
        })
    };
    wait_for("everything, in plain", async || all(&plain).then_some(())).await;
    wait_for("everything, over TLS", async || all(&in_seal).then_some(())).await;
    // Answers that were lost twice: what was handed in comes again.
    wait_for("everything, past a relay that cuts", async || all(&in_cut).then_some(())).await;
    assert!(in_cut.by_key().values().map(Vec::len).sum::<usize>() > 900, "the relay has cut, and nothing came twice");
    for reader in [&plain, &in_seal] {
        for (key, numbers) in reader.by_key() {
            assert!(numbers.is_sorted() && numbers.len() == 300, "{key}: each once, in order: {numbers:?}");
        }
        assert!(reader.partitions().values().all(|it| it.len() == 1), "{:?}", reader.partitions());
    }
    for (name, why) in REFUSED {
        log.wait_for(name, why).await;
        let arrow = control.output(name).await.unwrap();
        assert!(arrow.stored == 0 && arrow.waiting >= 900, "{name}: {arrow:?}");
    }
    assert!(refused_there.read.lock().unwrap().is_empty(), "somebody got something who should not");
    control.stop().await;
}
