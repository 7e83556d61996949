//! Every certificate is on record before it leaves: with the database away, and not at all where the record cannot be made.

use crate::support::{Node, Place, Proxy, Running, wait_for};
use bartizan_core::issued::{IssuedKind, IssuedList};
use bartizan_crypto::{KeyPair, cert, csr, hash};
use bartizan_runtime::control_stream::Code;
use bartizan_runtime::control_v1::down;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

fn fresh() -> Vec<u8> {
    csr::make(&KeyPair::generate().unwrap()).unwrap()
}

async fn issued(control: &Running, query: &str) -> IssuedList {
    control.get(&format!("/v1/ca/issued?limit=10000{query}")).await
}

/// Another process that holds the database for itself, as a backup that hangs does. Dropping it lets go.
struct Held(Child);

impl Held {
    fn take(place: &Place) -> Self {
        let script = "import sqlite3, sys\n\
            held = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)\n\
            held.execute('BEGIN EXCLUSIVE')\n\
            print('held', flush=True)\n\
            sys.stdin.read()";
        let mut child = Command::new("python3")
            .args(["-c", script])
            .arg(place.data().join("bartizan.db"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "held");
        Self(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_recorded_nothing_is_issued_and_no_token_is_used_up() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let token = control.token().await;
    // Nothing can be written below a file, not even by root.
    let (journal, aside) = (place.data().join("issued"), place.data().join("aside"));
    std::fs::rename(&journal, &aside).unwrap();
    std::fs::write(&journal, "in the way").unwrap();
    let refused = Node::ask(&control, None, "late", &token, fresh()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    proxy.renew(fresh(), false).await;
    match proxy.stream.next().await.unwrap() {
        Some(down::Message::Refusal(refusal)) => assert!(refusal.why.contains("cannot be recorded"), "{}", refusal.why),
        other => panic!("{other:?}"),
    }
    let said = control.status().await.issued;
    assert!(said.refused > 0 && said.reason.unwrap().contains("none is issued"));
    wait_for("the event", async || {
        let events = control.events("?deny=true&limit=100").await;
        events.iter().any(|event| event.to_string().contains("cannot be recorded")).then_some(())
    })
    .await;
    let metrics = control.text("/v1/metrics").await;
    assert!(metrics.lines().any(|line| line.starts_with("bartizan_issued_refused_total ") && !line.ends_with(" 0")));

    std::fs::remove_file(&journal).unwrap();
    std::fs::rename(&aside, &journal).unwrap();
    Node::ask(&control, None, "late", &token, fresh()).await.expect("the token was not used up");
    proxy.renew(fresh(), false).await;
    proxy.svid().await;
    assert_eq!(control.status().await.issued.reason, None);
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_guards_renew_and_nodes_join_and_nothing_is_lost() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    wait_for("the first records", async || {
        let list = issued(&control, "").await;
        (list.waiting == 0 && list.issued.len() == 4).then_some(())
    })
    .await;

    let held = Held::take(&place);
    let node = Node::join(&control, "newcomer", &control.token().await).await.expect("a node joins");
    let second = Proxy::come(&control, &node, "ledger").await;
    let key = KeyPair::generate().unwrap();
    proxy.renew(csr::make(&key).unwrap(), false).await;
    let renewed = proxy.svid().await.chain;
    // It is seen that the database is away, by those who ask too.
    wait_for("a look at the database", async || control.status().await.issued.database).await;
    let waiting = issued(&control, "").await;
    assert_eq!(waiting.waiting, 3, "{waiting:?}");
    assert!(waiting.database.is_some() && waiting.issued.len() >= 3);
    drop(held);

    wait_for("the database to take the records in", async || {
        let status = control.status().await.issued;
        (status.waiting == 0 && status.database.is_none()).then_some(())
    })
    .await;
    for (chain, id, kind, node) in [
        (&node.chain, "spiffe://bank.test/bartizan/node/newcomer", IssuedKind::Node, "newcomer"),
        (&second.chain, "spiffe://bank.test/svc/ledger", IssuedKind::Service, "newcomer"),
        (&renewed, "spiffe://bank.test/svc/accounts", IssuedKind::Service, "local"),
    ] {
        let read = cert::read(&chain[0]).unwrap();
        let found = issued(&control, &format!("&serial={}", read.serial_hex())).await.issued;
        let [record] = found.as_slice() else { panic!("{id}: {found:?}") };
        assert_eq!((record.id.as_str(), record.kind), (id, kind));
        assert_eq!(record.key, hash::hex(&hash::sha256(read.spki())));
        assert_eq!(record.issuer, hash::hex(&hash::sha256(&chain[1])));
        assert_eq!(record.not_after, read.not_after());
        assert_eq!(record.node.as_ref().map(|node| node.as_str()), Some(node), "{id}");
    }
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_make_no_sense_are_refused() {
    let place = Place::new();
    let control = Running::start(&place).await;
    for query in ["?limit=10001", "?id=nobody", "?node=No%20Node", "?what=1", "?limit=-1"] {
        assert!(control.try_get::<IssuedList>(&format!("/v1/ca/issued{query}")).await.is_err(), "{query}");
    }
    control.stop().await;
}
