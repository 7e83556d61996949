//! A node's stream: who may open it, what comes down, and what a node gets for its workloads.

use crate::support::{Connection, Node, Place, Proxy, Running, wait_for};
use bartizan_core::snapshot::{Bundles, Epoch, Kind, Signed};
use bartizan_core::workload::Entry;
use bartizan_crypto::{KeyPair, csr};
use bartizan_identity::jwt_svid::JwtKeys;
use bartizan_identity::{envelope, verify_peer};
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{Code, Status, Streaming};
use bartizan_runtime::control_v1::{
    Ack, Entries, IssueWorkload, MintJwt, NodeDown, NodeHello, NodeUp, Snapshot, node_down, node_up,
};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const WORKLOADS: &str = "
workloads:
  report:
    selectors: { uid: 1000 }
    ttl_s: 600
    jwt: true
    dns: [report.bank.test]
  plain: { selectors: { uid: 1001 }, node: local }
  elsewhere: { selectors: { uid: 1002 }, node: other, jwt: true }
";

fn with_workloads() -> Place {
    let place = Place::new();
    add(&place, WORKLOADS);
    place
}

fn add(place: &Place, text: &str) {
    let fleet = std::fs::read_to_string(place.path("fleet.yaml")).unwrap();
    place.write("fleet.yaml", &(fleet + text));
}

fn hello(name: &str) -> node_up::Message {
    node_up::Message::Hello(NodeHello {
        name: name.to_owned(),
        instance: 7,
        pid: 1,
        version: "0.1.0".to_owned(),
        held: Vec::new(),
        workload_socket: "/run/w.sock".to_owned(),
    })
}

struct Stream {
    ups: mpsc::Sender<NodeUp>,
    downs: Streaming<NodeDown>,
}

impl Stream {
    async fn open(control: &Running, own: Option<(&Vec<Vec<u8>>, &KeyPair)>, first: node_up::Message) -> Self {
        let mut connection = Connection::open(control, own).await;
        let (ups, queue) = mpsc::channel(64);
        ups.send(NodeUp { message: Some(first) }).await.unwrap();
        let downs = connection.client.attach_node(ReceiverStream::new(queue)).await.unwrap().into_inner();
        Self { ups, downs }
    }

    async fn of(control: &Running, node: &Node) -> Self {
        Self::open(control, Some((&node.chain, &node.key)), hello("local")).await
    }

    async fn send(&self, message: node_up::Message) {
        self.ups.send(NodeUp { message: Some(message) }).await.unwrap();
    }

    async fn next(&mut self) -> Result<node_down::Message, Status> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.downs.message()).await;
            match next.expect("control says something within 20 s")?.and_then(|down| down.message) {
                Some(node_down::Message::Tick(_)) => {}
                message => return Ok(message.expect("the stream goes on")),
            }
        }
    }

    async fn bundles(&mut self, control: &Running) -> Signed<Bundles> {
        let node_down::Message::Snapshot(Snapshot { envelope }) = self.next().await.unwrap() else {
            panic!("no snapshot")
        };
        envelope::open(&envelope, Kind::Bundles, &control.domain, &control.bundles, Epoch(0)).unwrap()
    }

    async fn entries(&mut self) -> Vec<Entry> {
        let node_down::Message::Entries(Entries { entries }) = self.next().await.unwrap() else { panic!("no entries") };
        serde_json::from_slice(&entries).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_node_opens_a_nodes_stream_and_only_its_own() {
    let place = with_workloads();
    let control = Running::start(&place).await;
    let node = control.node().await;
    let proxy = Proxy::come(&control, &node, "accounts").await;
    let refused = async |own: Option<(&Vec<Vec<u8>>, &KeyPair)>, first: node_up::Message| {
        Stream::open(&control, own, first).await.next().await.expect_err("it was let in").code()
    };
    let own = Some((&node.chain, &node.key));
    assert_eq!(refused(None, hello("local")).await, Code::PermissionDenied, "a stranger");
    assert_eq!(refused(Some((&proxy.chain, &proxy.key)), hello("local")).await, Code::PermissionDenied, "a service");
    assert_eq!(refused(own, hello("other")).await, Code::PermissionDenied, "another node's name");
    assert_eq!(refused(own, hello("No Name")).await, Code::InvalidArgument, "no name");
    let ack = node_up::Message::Ack(Ack { kind: "bundles".into(), epoch: 1, refused: String::new(), from_disk: false });
    assert_eq!(refused(own, ack).await, Code::InvalidArgument, "no hello");
    assert!(control.status().await.nodes.is_empty());
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gets_bundles_and_its_own_entries_and_is_seen() {
    let place = with_workloads();
    let control = Running::start(&place).await;
    let node = control.node().await;
    let mut stream = Stream::of(&control, &node).await;
    let bundles = stream.bundles(&control).await;
    assert_eq!(bundles.payload.jwt_keys[&control.domain].len(), 1);
    let names: Vec<_> = stream.entries().await.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, ["plain", "report"], "not the other node's");

    let shown = control.status().await.nodes.remove(0);
    assert!(shown.attached && shown.held.is_empty());
    assert_eq!((shown.entries, shown.workload_socket.as_deref()), (2, Some("/run/w.sock")));
    let ack = Ack { kind: "bundles".into(), epoch: bundles.epoch.0, refused: String::new(), from_disk: false };
    stream.send(node_up::Message::Ack(ack)).await;
    wait_for("acknowledgement", async || {
        (control.status().await.nodes[0].held.get(&Kind::Bundles) == Some(&bundles.epoch)).then_some(())
    })
    .await;
    drop(stream);
    wait_for("departure", async || (!control.status().await.nodes[0].attached).then_some(())).await;
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_entry_is_pushed_at_once() {
    let place = with_workloads();
    let control = Running::start(&place).await;
    let mut stream = Stream::of(&control, &control.node().await).await;
    stream.bundles(&control).await;
    stream.entries().await;
    place.edit_fleet("uid: 1000", "uid: 1003");
    let began = Instant::now();
    control.reload().await.unwrap();
    let entries = stream.entries().await;
    println!("from reload to entry: {:?}", began.elapsed());
    let report = entries.iter().find(|entry| entry.name.as_str() == "report").unwrap();
    assert_eq!(report.selectors.uid, Some(1003));
    // A reload that changes nothing about this node says nothing to it: the next message is the answer to a question.
    place.edit_fleet("uid: 1002", "uid: 1004");
    control.reload().await.unwrap();
    let mint = MintJwt { request: 1, entry: "plain".into(), spiffe_id: "x".into(), audiences: vec!["a".into()] };
    stream.send(node_up::Message::Mint(mint)).await;
    assert!(matches!(stream.next().await.unwrap(), node_down::Message::Refusal(it) if it.request == 1));
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issues_what_an_entry_gives_and_nothing_else() {
    let place = with_workloads();
    let control = Running::start(&place).await;
    let mut stream = Stream::of(&control, &control.node().await).await;
    let bundles = stream.bundles(&control).await;
    stream.entries().await;
    let key = KeyPair::generate().unwrap();
    let csr = csr::make(&key).unwrap();
    let ask = |request, entry: &str, id: &str, csr: &[u8]| {
        let (entry, spiffe_id, csr) = (entry.to_owned(), id.to_owned(), csr.to_vec());
        node_up::Message::Issue(IssueWorkload { request, entry, spiffe_id, csr })
    };
    let report = "spiffe://bank.test/workload/report";
    for (entry, id, csr, why) in [
        ("nobody", report, &csr[..], "no such entry"),
        ("elsewhere", "spiffe://bank.test/workload/elsewhere", &csr, "another node's"),
        ("report", "spiffe://bank.test/svc/accounts", &csr, "a service's name"),
        ("report", "spiffe://bank.test/bartizan/control", &csr, "control's name"),
        ("report", "spiffe://bank.test/workload/plain", &csr, "another entry's name"),
        ("report", report, &csr[1..], "no request"),
    ] {
        stream.send(ask(3, entry, id, csr)).await;
        let answer = stream.next().await.unwrap();
        assert!(
            matches!(&answer, node_down::Message::Refusal(it) if it.request == 3 && !it.passing),
            "{why}: {answer:?}"
        );
    }
    stream.send(ask(4, "report", report, &csr)).await;
    let node_down::Message::Svid(answer) = stream.next().await.unwrap() else { panic!("no identity") };
    let svid = answer.svid.unwrap();
    let chain: Vec<&[u8]> = svid.chain.iter().map(Vec::as_slice).collect();
    let peer = verify_peer(&chain, &control.bundles, clock::now()).unwrap();
    assert_eq!((peer.id().as_str(), peer.spki()), (report, key.public_spki()));
    let left = peer.not_after().since(clock::now());
    assert!(left <= Duration::from_secs(600) && left > Duration::from_secs(590), "{left:?}");

    // Tokens: as told by the entry, checked by what was published.
    let mint = |request, entry: &str, id: &str, audiences: &[&str]| {
        let audiences = audiences.iter().map(|&one| one.to_owned()).collect();
        node_up::Message::Mint(MintJwt { request, entry: entry.into(), spiffe_id: id.into(), audiences })
    };
    for (entry, id, audiences, why) in [
        ("plain", "spiffe://bank.test/workload/plain", &["a"][..], "it may not have any"),
        ("elsewhere", "spiffe://bank.test/workload/elsewhere", &["a"], "another node's"),
        ("report", "spiffe://bank.test/svc/accounts", &["a"], "a service's name"),
        ("report", report, &[], "no audience"),
        ("report", report, &[""], "an empty audience"),
        ("report", report, &["a"; 17], "too many"),
    ] {
        stream.send(mint(5, entry, id, audiences)).await;
        let answer = stream.next().await.unwrap();
        assert!(matches!(&answer, node_down::Message::Refusal(it) if it.request == 5), "{why}: {answer:?}");
    }
    stream.send(mint(6, "report", report, &["ledger"])).await;
    let node_down::Message::Jwt(jwt) = stream.next().await.unwrap() else { panic!("no token") };
    let keys = JwtKeys::read(&bundles.payload).unwrap();
    assert_eq!(keys.validate(&jwt.token, "ledger", clock::now()).unwrap().id.as_str(), report);
    assert!(keys.validate(&jwt.token, "accounts", clock::now()).is_err());
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_believed_over_a_restart_of_control() {
    let place = with_workloads();
    let control = Running::start(&place).await;
    let mut stream = Stream::of(&control, &control.node().await).await;
    let before = stream.bundles(&control).await;
    stream.entries().await;
    let (entry, spiffe_id) = ("report".to_owned(), "spiffe://bank.test/workload/report".to_owned());
    let audiences = vec!["ledger".to_owned()];
    stream.send(node_up::Message::Mint(MintJwt { request: 1, entry, spiffe_id, audiences })).await;
    let node_down::Message::Jwt(jwt) = stream.next().await.unwrap() else { panic!("no token") };
    drop(stream);
    control.stop().await;

    let control = Running::start(&place).await;
    let mut stream = Stream::of(&control, &control.node().await).await;
    let after = stream.bundles(&control).await;
    assert!(after.epoch > before.epoch, "there is a new key");
    let keys = JwtKeys::read(&after.payload).unwrap();
    assert_eq!(after.payload.jwt_keys[&control.domain].len(), 2);
    keys.validate(&jwt.token, "ledger", clock::now()).unwrap();
    control.stop().await;
}
