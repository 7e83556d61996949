//! Instances of a service: who is told of which, and how soon.

use crate::support::{Place, Proxy, Running, open, service, wait_for};
use bartizan_core::edge::Instance;
use bartizan_core::plan::Plan;
use bartizan_core::snapshot::{Directory, Kind};
use bartizan_runtime::control_stream::Code;
use bartizan_runtime::control_v1::down;
use std::time::{Duration, Instant};

/// How many callers there are where it counts.
const CALLERS: usize = 200;
/// How soon all of them have to know.
const SOON: Duration = Duration::from_secs(1);

fn two_ledgers() -> Place {
    let place = Place::new();
    place.edit_fleet("at: 127.0.0.1:7103", "at: [127.0.0.1:7103, { at: 127.0.0.1:7113, zone: b, weight: 2 }]");
    place.edit_plan(|plan| {
        plan.mesh.insert("ledger.2".parse().unwrap(), ([127, 0, 0, 1], 9113).into());
    });
    place
}

/// What the next directory says of the instances of `callee`.
async fn told(proxy: &mut Proxy, control: &Running, callee: &str) -> Vec<Instance> {
    loop {
        let (kind, _, envelope) = proxy.take_up(control).await;
        if kind == Kind::Directory {
            return open::<Directory>(control, kind, &envelope).unwrap().payload.peers[&service(callee)]
                .instances
                .clone();
        }
    }
}

/// The next snapshot, past ticks.
async fn next(proxy: &mut Proxy) -> Vec<u8> {
    loop {
        match proxy.stream.next().await {
            Ok(Some(down::Message::Snapshot(snapshot))) => return snapshot.envelope,
            Ok(Some(_)) => {}
            other => panic!("the stream ended: {other:?}"),
        }
    }
}

fn ports(instances: &[Instance]) -> Vec<u16> {
    instances.iter().map(|instance| instance.mesh.port()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_instance_has_its_own_place_and_the_same_name() {
    let place = two_ledgers();
    let control = Running::start(&place).await;
    let (first, second) = (control.proxy_of("ledger").await, control.proxy_of("ledger.2").await);
    let (one, other) = (control.proxy("ledger").await, control.proxy("ledger.2").await);
    assert_eq!(one.id, other.id, "one service, one identity");
    assert!(one.attached && other.attached && (one.number, other.number) == (1, 2));
    assert_ne!(first.key.public_spki(), second.key.public_spki());
    let text = control.text("/v1/metrics").await;
    assert!(text.contains("bartizan_proxy_attached{service=\"ledger.2\"} 1"), "{text}");

    let third = crate::support::Connection::open(&control, None).await;
    let refused = third.attach(vec![crate::support::message(bartizan_runtime::control_v1::up::Message::Hello(
        crate::support::hello("ledger.3"),
    ))]);
    assert_eq!(refused.await.refusal().await.code(), Code::PermissionDenied, "the fleet has two");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_told_of_those_who_are_there() {
    let place = two_ledgers();
    let control = Running::start(&place).await;
    let mut first = control.proxy_of("ledger").await;
    let second = control.proxy_of("ledger.2").await;
    let mut accounts = control.proxy_of("accounts").await;
    // It was told while it came; once more after a change.
    place.edit_fleet("zone: b", "zone: c");
    control.reload().await.unwrap();
    let instances = told(&mut accounts, &control, "ledger").await;
    assert_eq!(ports(&instances), [9103, 9113]);
    assert_eq!((instances[1].zone.as_deref(), instances[1].weight), (Some("c"), 2));

    // One that is gone is told of for a while, since control is not the way of a call; then it is not.
    let began = Instant::now();
    drop(second);
    assert_eq!(ports(&told(&mut accounts, &control, "ledger").await), [9103]);
    assert!(began.elapsed() >= Duration::from_secs(8), "{:?}", began.elapsed());
    // It comes back, and is told of at once.
    let began = Instant::now();
    let (_again, instances) = tokio::join!(control.proxy_of("ledger.2"), told(&mut accounts, &control, "ledger"));
    assert_eq!(ports(&instances), [9103, 9113]);
    println!("one that came back is told of within {:?}", began.elapsed());
    let _ = first.take_up(&control).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_adds_instances_and_takes_them_away() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut ledger = control.proxy_of("ledger").await;
    // Past the time in which a control that just started takes everybody for present.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let mut accounts = control.proxy_of("accounts").await;
    place.edit_fleet("at: 127.0.0.1:7103", "at: [127.0.0.1:7103, 127.0.0.1:7113]");
    control.reload().await.unwrap();
    let plan: Plan = serde_json::from_str(&std::fs::read_to_string(place.path("plan.json")).unwrap()).unwrap();
    let mesh = plan.mesh[&"ledger.2".parse().unwrap()];
    assert_eq!(ports(&told(&mut accounts, &control, "ledger").await), [9103], "nobody is there yet");
    let _ = ledger.take_up(&control).await;
    let (second, instances) = tokio::join!(control.proxy_of("ledger.2"), told(&mut accounts, &control, "ledger"));
    assert_eq!(ports(&instances), [9103, mesh.port()]);
    drop(second);

    // A first place must not move: the program stays where it is.
    place.edit_fleet("at: [127.0.0.1:7103,", "at: [127.0.0.1:7999,");
    assert!(control.reload().await.unwrap_err().1.contains("what runs, and where"));
    place.edit_fleet("at: [127.0.0.1:7999, 127.0.0.1:7113]", "at: 127.0.0.1:7103");
    control.reload().await.unwrap();
    assert!(told(&mut accounts, &control, "ledger").await.is_empty(), "one alone");
    assert!(control.status().await.proxies.iter().all(|proxy| proxy.number == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_callers_know_within_a_second() {
    let names: Vec<String> = (0..CALLERS).map(|n| format!("s{n:03}")).collect();
    let mut text =
        "fleet: many\ntrust_domain: bank.test\nservices:\n  target:\n    at: [127.0.0.1:19001, { at: 127.0.0.1:19002, weight: 1 }]\n    \
                    protocol: http\n    owner: many\n"
            .to_owned();
    for (n, name) in names.iter().enumerate() {
        text += &format!(
            "  {name}: {{ at: \"127.0.0.1:{}\", protocol: http, owner: many, calls: [target] }}\n",
            20_000 + n
        );
    }
    let place = Place::new();
    place.write("fleet.yaml", &text);
    place.edit_plan(|plan| {
        let fleet = bartizan_core::fleet::parse(&text, "f").unwrap();
        (plan.mesh, plan.outbound) = Default::default();
        let mut ports = 30_000_u16..;
        plan.complete(&fleet, || ports.next().map(|port| ([127, 0, 0, 1], port).into())).unwrap();
    });
    let control = Running::start(&place).await;
    let node = control.node().await;
    let _targets = (Proxy::come(&control, &node, "target").await, Proxy::come(&control, &node, "target.2").await);
    let mut callers = Vec::new();
    for name in &names {
        callers.push(Proxy::come(&control, &node, name).await);
    }
    let mut all = Vec::new();
    for round in 0..5_u16 {
        // Not their number: whoever does not come is away once control has run for a while, which 200 may take to come.
        let (from, to) = (round % 2 + 1, (round + 1) % 2 + 1);
        place.edit_fleet(&format!("weight: {from}"), &format!("weight: {to}"));
        let began = Instant::now();
        let waiting: Vec<_> = callers
            .into_iter()
            .map(|mut caller| {
                tokio::spawn(async move {
                    let envelope = next(&mut caller).await;
                    (caller, envelope, began.elapsed())
                })
            })
            .collect();
        control.reload().await.unwrap();
        callers = Vec::new();
        for waiting in waiting {
            let (caller, envelope, took) = waiting.await.unwrap();
            let directory = open::<Directory>(&control, Kind::Directory, &envelope).unwrap().payload;
            assert_eq!(directory.peers[&service("target")].instances[1].weight, to);
            all.push(took);
            callers.push(caller);
        }
    }
    all.sort();
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    println!("{CALLERS} callers, {} times told: p50 {:?}, p99 {:?}, max {:?}", all.len(), at(0.5), at(0.99), at(1.0));
    assert!(at(0.99) < SOON, "p99 {:?}", at(0.99));
    wait_for("everybody is still there", async || {
        let status = control.status().await;
        (status.proxies.iter().filter(|proxy| proxy.attached).count() == CALLERS + 2).then_some(())
    })
    .await;
}
