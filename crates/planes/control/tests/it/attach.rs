//! How proxies attach: who is let in, what they get, what ends a stream.

use crate::support::{Connection, Node, Place, Proxy, Running, Stream, hello, message, open, service, wait_for};
use bartizan_core::deny::DenyList;
use bartizan_core::snapshot::{Directory, Epoch, Freshness, Kind, Policies};
use bartizan_crypto::{KeyPair, cert, csr};
use bartizan_identity::verify_peer;
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{Code, Status};
use bartizan_runtime::control_v1::{Ack, Events, Held, Hello, Stats, down, up};

/// The status with which a first message is refused.
async fn refused(control: &Running, own: Option<&Proxy>, hello: Hello) -> Status {
    let connection = Connection::open(control, own.map(|own| (&own.chain, &own.key))).await;
    connection.attach(vec![message(up::Message::Hello(hello))]).await.refusal().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vouched_proxy_gets_its_identity_and_every_snapshot() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let node = control.node().await;
    let key = KeyPair::generate().unwrap();
    let first =
        Hello { voucher: node.vouch(&control, "accounts", &key), csr: csr::make(&key).unwrap(), ..hello("accounts") };
    let instance = first.instance;
    let stream = Connection::open(&control, None).await.attach(vec![message(up::Message::Hello(first))]).await;
    let mut proxy = Proxy { service: "accounts".to_owned(), instance, key, chain: Vec::new(), stream, held: [].into() };

    let svid = proxy.svid().await;
    let chain: Vec<&[u8]> = svid.chain.iter().map(Vec::as_slice).collect();
    let peer = verify_peer(&chain, &control.bundles, clock::now()).unwrap();
    assert_eq!(peer.id().as_str(), "spiffe://bank.test/svc/accounts");
    assert_eq!(peer.spki(), proxy.key.public_spki());
    assert!(!svid.edge);

    let (kind, _, envelope) = proxy.take_up(&control).await;
    assert_eq!(kind, Kind::Bundles, "what the others are verified with comes first");
    assert!(open::<Policies>(&control, Kind::Bundles, &envelope).is_none());
    let (kind, _, envelope) = proxy.take_up(&control).await;
    assert_eq!(open::<DenyList>(&control, kind, &envelope).unwrap().payload, DenyList::default());
    let (kind, _, envelope) = proxy.take_up(&control).await;
    let policies = open::<Policies>(&control, kind, &envelope).unwrap().payload;
    assert!(policies.files.contains_key("fleet:calls"));
    let (kind, _, envelope) = proxy.take_up(&control).await;
    let directory = open::<Directory>(&control, kind, &envelope).unwrap().payload;
    assert_eq!(directory.own.name, service("accounts"));
    assert_eq!(directory.own.inbound.unwrap().mesh.port(), 9102);
    assert_eq!(directory.own.outbound[&service("ledger")].port(), 9203);
    assert_eq!(directory.peers.keys().collect::<Vec<_>>(), [&service("ledger")], "those it calls, and nobody else");

    proxy.settle(&control).await;
    let status = control.status().await;
    let shown = control.proxy("accounts").await;
    assert!(shown.is_at(&status.epochs));
    assert_eq!((shown.freshness, shown.owner.as_deref()), (Some(Freshness::Fresh), Some("core-banking")));
    assert_eq!(shown.svid_not_after.unwrap().as_millis(), svid.not_after_ms);
    assert!(proxy.stream.ticks().await);

    drop(proxy);
    wait_for("a detached proxy", async || (!control.proxy("accounts").await.attached).then_some(())).await;
    assert_eq!(control.proxy("accounts").await.held, status.epochs, "what it held is remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_gets_its_routes_and_a_certificate_for_outside_clients() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut gateway = control.proxy_of("gateway").await;
    gateway.held.remove(&Kind::Directory);
    let mut gateway = gateway.come_back(&control).await;
    let (kind, _, envelope) = gateway.take_up(&control).await;
    let directory = open::<Directory>(&control, kind, &envelope).unwrap().payload;
    assert_eq!((directory.own.inbound, directory.own.outbound.len()), (None, 0));
    let side = directory.own.gateway.unwrap();
    assert_eq!((side.listen.port(), side.routes[0].to.as_str()), (8443, "accounts"));
    assert_eq!(directory.peers[&service("accounts")].id.as_str(), "spiffe://bank.test/svc/accounts");

    gateway.renew(csr::make(&KeyPair::generate().unwrap()).unwrap(), true).await;
    let edge = gateway.svid().await;
    assert!(edge.edge);
    let leaf = cert::read(&edge.chain[0]).unwrap();
    assert!(leaf.uris().is_empty() && leaf.has_other_sans(), "hosts, no SPIFFE ID");
    let before = control.proxy("gateway").await.svid_not_after;
    assert!(before.unwrap().as_millis() < edge.not_after_ms, "it counts not as the gateway's identity");

    let mut accounts = control.proxy_of("accounts").await;
    accounts.renew(csr::make(&KeyPair::generate().unwrap()).unwrap(), true).await;
    match accounts.stream.next().await {
        Ok(Some(down::Message::Refusal(refusal))) => assert_eq!(refusal.what, "edge"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_counts_once() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let node = control.node().await;
    let key = KeyPair::generate().unwrap();
    let once =
        Hello { voucher: node.vouch(&control, "accounts", &key), csr: csr::make(&key).unwrap(), ..hello("accounts") };
    let mut streams = Vec::new();
    for _ in 0..8 {
        let connection = Connection::open(&control, None).await;
        streams.push(connection.attach(vec![message(up::Message::Hello(once.clone()))]).await);
    }
    let mut let_in = 0;
    for mut stream in streams {
        match stream.next().await {
            Ok(Some(down::Message::Svid(_))) => let_in += 1,
            Err(status) => assert_eq!(status.code(), Code::PermissionDenied),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(let_in, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_counts_for_its_service_its_key_and_this_fleet() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let (control, other) = (Running::start(&place).await, Running::start(&elsewhere).await);
    let node = control.node().await;
    let key = KeyPair::generate().unwrap();
    let csr_of = |key: &KeyPair| csr::make(key).unwrap();
    let proxy = control.proxy_of("payment").await;
    let service_as_node = Node { key: KeyPair::from_pkcs8(&proxy.key.pkcs8()).unwrap(), chain: proxy.chain.clone() };
    let foreign_node = other.node().await;
    for (voucher, csr, name, code, why) in [
        (node.vouch(&control, "accounts", &key), csr_of(&key), "ledger", Code::PermissionDenied, "another service"),
        (node.vouch(&control, "ghost", &key), csr_of(&key), "ghost", Code::PermissionDenied, "not in the fleet"),
        (
            node.vouch(&control, "accounts", &key),
            csr_of(&KeyPair::generate().unwrap()),
            "accounts",
            Code::PermissionDenied,
            "another key",
        ),
        (node.vouch(&control, "accounts", &key), Vec::new(), "accounts", Code::InvalidArgument, "no request"),
        (
            foreign_node.vouch(&control, "accounts", &key),
            csr_of(&key),
            "accounts",
            Code::PermissionDenied,
            "a foreign node",
        ),
        (
            service_as_node.vouch(&control, "accounts", &key),
            csr_of(&key),
            "accounts",
            Code::PermissionDenied,
            "a service vouches",
        ),
        ("x".repeat(200_000), csr_of(&key), "accounts", Code::PermissionDenied, "oversized"),
        ("{}".to_owned(), csr_of(&key), "accounts", Code::PermissionDenied, "no voucher at all"),
        (String::new(), csr_of(&key), "accounts", Code::PermissionDenied, "neither voucher nor certificate"),
    ] {
        let status = refused(&control, None, Hello { voucher, csr, ..hello(name) }).await;
        assert_eq!(status.code(), code, "{why}");
    }
    control.wait_for_events("?deny=true&limit=1000", 9).await; // each is recorded
    // None of the attempts has used up what it had no right to.
    let mut good = Proxy::come(&control, &node, "accounts").await;
    assert!(good.stream.ticks().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_message_is_read_whole_or_refused() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let proxy = control.proxy_of("accounts").await;
    let held = |kind: &str| Held { kind: kind.to_owned(), epoch: 1 };
    for (hello, why) in [
        (hello("Accounts"), "no service name"),
        (hello(""), "an empty name"),
        (hello(&"a".repeat(100_000)), "a very long name"),
        (Hello { csr: vec![1, 2, 3], ..hello("accounts") }, "no certificate request"),
        (Hello { csr: csr::make(&proxy.key).unwrap(), ..hello("accounts") }, "the key that is certified already"),
        (Hello { version: "v".repeat(65), ..hello("accounts") }, "a long version"),
        (Hello { version: "1\u{1b}[2J".to_owned(), ..hello("accounts") }, "control characters"),
        (Hello { held: vec![held("recipes")], ..hello("accounts") }, "an unknown kind"),
        (Hello { held: vec![held("policies"); Kind::ALL.len() + 1], ..hello("accounts") }, "too many"),
    ] {
        let status = refused(&control, Some(&proxy), hello).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_opens_its_own_service_and_no_other() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let node = control.node().await;
    let proxy = control.proxy_of("accounts").await;
    let status = refused(&control, Some(&proxy), hello("payment")).await;
    assert_eq!(status.code(), Code::PermissionDenied);
    // Also with a good voucher for the other one: the connection says who it is.
    let key = KeyPair::generate().unwrap();
    let vouched =
        Hello { voucher: node.vouch(&control, "payment", &key), csr: csr::make(&key).unwrap(), ..hello("payment") };
    assert_eq!(refused(&control, Some(&proxy), vouched).await.code(), Code::PermissionDenied);
    let as_proxy = Proxy { key: node.key, chain: node.chain, ..proxy };
    assert_eq!(refused(&control, Some(&as_proxy), hello("accounts")).await.code(), Code::PermissionDenied, "a node");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_sent_only_what_it_lacks() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let all = proxy.held.clone();
    proxy.held.remove(&Kind::Policies);
    let mut proxy = proxy.come_back(&control).await;
    let (kind, epoch, _) = proxy.take_up(&control).await;
    assert_eq!((kind, Some(&epoch)), (Kind::Policies, all.get(&kind)));
    let mut proxy = proxy.come_back(&control).await;
    assert!(proxy.stream.ticks().await, "nothing else comes before");
    proxy.settle(&control).await;
    assert!(control.proxy("accounts").await.is_at(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_more_than_we_know_is_sent_ours_and_may_refuse_it() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let known = proxy.held.insert(Kind::Policies, Epoch(99)).unwrap();
    let mut proxy = proxy.come_back(&control).await;
    let (kind, epoch, _) = proxy.snapshot(&control).await;
    assert_eq!((kind, epoch), (Kind::Policies, known));
    proxy.ack(kind, epoch, "epoch 1 is older than 99").await;
    let refused =
        wait_for("refusal in the status", async || control.proxy("accounts").await.refused.remove(&Kind::Policies))
            .await;
    assert_eq!(refused, "epoch 1 is older than 99");
    assert_eq!(control.proxy("accounts").await.held[&Kind::Policies], Epoch(99), "what it enforces did not change");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_renewed_on_the_stream_with_a_fresh_key() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let next = KeyPair::generate().unwrap();
    proxy.renew(csr::make(&next).unwrap(), false).await;
    let svid = proxy.svid().await;
    let leaf = cert::read(&svid.chain[0]).unwrap();
    assert_eq!(leaf.spki(), next.public_spki());
    assert_eq!(leaf.uris(), ["spiffe://bank.test/svc/accounts"]);
    for (csr, why) in [(csr::make(&next).unwrap(), "the same key again"), (vec![9; 10], "no request")] {
        proxy.renew(csr, false).await;
        match proxy.stream.next().await {
            Ok(Some(down::Message::Refusal(refusal))) => assert_eq!(refusal.what, "identity", "{why}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    assert!(proxy.stream.ticks().await, "the stream goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_identities_without_end_is_refused_more() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let mut given = 0;
    for _ in 0..bartizan_control::limits::RENEWALS_MAX + 1 {
        proxy.renew(csr::make(&KeyPair::generate().unwrap()).unwrap(), false).await;
        match proxy.stream.next().await {
            Ok(Some(down::Message::Svid(_))) => given += 1,
            Ok(Some(down::Message::Refusal(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(given, bartizan_control::limits::RENEWALS_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_says_nothing_is_ended() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let began = std::time::Instant::now();
    let silent = Connection::open(&control, None).await.attach(Vec::new()).await;
    assert_eq!(silent.refusal().await.code(), Code::ResourceExhausted);
    assert!(began.elapsed() >= bartizan_control::limits::HELLO_WITHIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_the_rules_is_ended() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let attach = async |messages| -> Stream { Connection::open(&control, None).await.attach(messages).await };
    let ack = |kind: &str| {
        up::Message::Ack(Ack { kind: kind.to_owned(), epoch: 1, refused: String::new(), from_disk: false })
    };
    let not_hello = attach(vec![message(ack("policies"))]).await;
    assert_eq!(not_hello.refusal().await.code(), Code::InvalidArgument, "the first message is no Hello");

    let too_many = up::Message::Events(Events { batch: 1, records: vec![Vec::new(); 513] });
    let odd_stats = up::Message::Stats(Stats { totals: vec![0xff; 40] });
    let long_stats = up::Message::Stats(Stats { totals: vec![0; 2 << 20] });
    for (breach, why) in [
        (up::Message::Hello(hello("accounts")), "a second Hello"),
        (ack("recipes"), "an unknown kind"),
        (too_many, "a batch too large"),
        (odd_stats, "counters that are none"),
        (long_stats, "counters too long"),
    ] {
        let proxy = control.proxy_of("accounts").await;
        proxy.stream.send(breach).await;
        assert_eq!(proxy.stream.refusal().await.code(), Code::InvalidArgument, "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stream_is_shown_when_the_first_has_gone() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let node = control.node().await;
    let first = Proxy::come(&control, &node, "accounts").await;
    let shown = control.proxy("accounts").await.instance;
    let key = KeyPair::generate().unwrap();
    let again =
        Hello { voucher: node.vouch(&control, "accounts", &key), csr: csr::make(&key).unwrap(), ..hello("accounts") };
    let second = Connection::open(&control, None).await.attach(vec![message(up::Message::Hello(again.clone()))]).await;
    let mut second = second;
    assert!(matches!(second.next().await, Ok(Some(down::Message::Svid(_)))), "let in");
    assert_eq!(control.proxy("accounts").await.instance, shown);
    drop(first);
    let expected = format!("{:016x}", again.instance);
    wait_for("the second proxy", async || {
        (control.proxy("accounts").await.instance.as_deref() == Some(&expected)).then_some(())
    })
    .await;
    assert!(control.proxy("accounts").await.attached);
}
