//! What is counted of whom, and what is not.

use super::*;
use bartizan_core::event::{SeenBy, Telemetry};
use bartizan_core::fleet::parse;
use proptest::prelude::*;

const FLEET: &str = "fleet: shop\ntrust_domain: shop.test\nservices:\n  web: { at: \"127.0.0.1:1\", protocol: http, owner: o, calls: [stock] }\n  \
    stock: { at: \"127.0.0.1:2\", protocol: http, owner: o }\n";

fn at(s: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + s)
}

fn telemetry(signal: Signal, name: &str, attributes: &[(&str, &str)]) -> Telemetry {
    Telemetry {
        signal,
        source: "test".into(),
        from: "me".into(),
        said_at: None,
        came_at: at(0),
        emitter: None,
        name: name.into(),
        severity: 9,
        body: "x".into(),
        attributes: attributes.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        cut: 0,
        span: 0,
        parent_span: 0,
        took_us: 0,
        failed: false,
        security: false,
    }
}

/// One who watches a shop.
struct Watch(Suspects, Declared, u64);

impl Watch {
    fn new() -> Self {
        Self(Suspects::default(), Declared::of(&parse(FLEET, "f").unwrap()), 0)
    }

    fn take(&mut self, it: Telemetry, s: u64) {
        self.2 += 1;
        let (id, service) = (EventId(1, self.2), ServiceName::parse("stock").ok());
        let event = Event { id, at: at(s), service, seen_by: SeenBy::Intake, request: None, what: What::Telemetry(it) };
        self.0.note(&event, &self.1, at(s));
    }

    fn access(&mut self, attributes: &[(&str, &str)], s: u64) {
        self.take(telemetry(Signal::Access, "GET", attributes), s);
    }

    fn sign_in(&mut self, client: &str, user: &str, status: &str, s: u64) {
        self.at_door(client, user, ("POST", "/login", status), s);
    }

    fn at_door(&mut self, client: &str, user: &str, (method, path, status): (&str, &str, &str), s: u64) {
        let (method, path) = (("http.request.method", method), ("url.path", path));
        let who = [("client.address", client), ("user.name", user)];
        self.access(&[who[0], who[1], method, path, ("http.response.status_code", status)], s);
    }

    fn of(&mut self, measure: Measure, s: u64) -> f64 {
        let found = self.0.found(at(s));
        found.iter().find(|it| it.measure == measure).map_or(0.0, |it| it.value)
    }
}

#[test]
fn refused_sign_ins_count_by_source_by_user_and_by_service() {
    let mut it = Watch::new();
    (0..30).for_each(|n| it.sign_in("192.0.2.1", &format!("u{n}"), "401", n));
    assert_eq!(it.of(Measure::SignInsRefused, 30), 30.0);
    assert!(it.0.found(at(30)).iter().any(|it| it.about.contains("192.0.2.1") && it.about.contains("event")));
    assert_eq!(it.of(Measure::SignInsRefused, 400), 0.0, "it is over");
    // One user from many addresses, and many from many.
    let mut it = Watch::new();
    (0..25).for_each(|n| it.sign_in(&format!("192.0.2.{n}"), "ana", "401", n));
    assert_eq!(it.of(Measure::SignInsRefused, 30), 25.0);
    let mut it = Watch::new();
    (0..25).for_each(|n| it.sign_in(&format!("192.0.2.{n}"), &format!("u{n}"), "401", n));
    assert_eq!(it.of(Measure::SignInsRefused, 30), 25.0);
    // Who is let in afterwards had mistyped; whose token ran out did not sign in.
    let mut it = Watch::new();
    for n in 0..60 {
        it.sign_in(&format!("192.0.2.{n}"), &format!("u{n}"), "401", n);
        it.sign_in(&format!("192.0.2.{n}"), &format!("u{n}"), "302", n);
        let path = ("url.path", "/me");
        let client = format!("198.51.100.{n}");
        it.access(&[("client.address", &client), path, ("http.response.status_code", "401")], n);
    }
    assert!(it.of(Measure::SignInsRefused, 60) <= 1.0);
}

#[test]
fn who_walks_is_told_from_who_visits() {
    let ask = |it: &mut Watch, id: u64, status: &str| {
        let path = format!("/things/{id}");
        it.access(&[("client.address", "192.0.2.1"), ("url.path", &path), ("http.response.status_code", status)], 5);
    };
    let mut it = Watch::new();
    (0..20).for_each(|n| ask(&mut it, n * 7919, "404"));
    assert_eq!(it.of(Measure::IdsWalked, 6), 20.0, "not there, or not theirs");
    let mut it = Watch::new();
    (0..40).for_each(|n| ask(&mut it, 500 + n, "200"));
    assert_eq!(it.of(Measure::IdsWalked, 6), 19.0, "in steps");
    let mut it = Watch::new();
    (0..200).for_each(|n| ask(&mut it, n % 3, "200"));
    assert!(it.of(Measure::IdsWalked, 6) <= 1.0, "three of their own");
}

#[test]
fn calls_that_nobody_declared_and_large_answers_are_seen() {
    let mut it = Watch::new();
    it.access(&[("source.service", "web"), ("destination.service", "stock"), ("http.response.status_code", "200")], 0);
    it.access(&[("source.service", "stranger"), ("destination.service", "web")], 0);
    assert_eq!(it.of(Measure::UndeclaredCalls, 1), 0.0, "one is declared, of the other nobody knows");
    it.access(&[("source.service", "stock"), ("destination.service", "web")], 1);
    assert_eq!(it.of(Measure::UndeclaredCalls, 1), 1.0);
    it.access(&[("client.address", "192.0.2.1"), ("http.response.body.size", "300000000")], 2);
    assert_eq!(it.of(Measure::SentToOneBytes, 2), 300_000_000.0);
}

fn audited(user: &str, verb: &str, more: &[(&str, &str)]) -> Telemetry {
    telemetry(Signal::Audit, verb, &[&[("user.username", user), ("http.response.status_code", "200")], more].concat())
}

#[test]
fn a_cluster_at_work_is_told_from_somebody_in_it() {
    let mut it = Watch::new();
    let secrets = [("objectRef.resource", "secrets"), ("objectRef.namespace", "pay")];
    it.take(audited("controller", "get", &secrets), 0);
    it.take(audited("controller", "get", &secrets), 2_000);
    assert_eq!(it.of(Measure::SecretsRead, 2_000), 0.0, "it has done so from the beginning");
    it.take(audited("eve", "get", &secrets), 2_001);
    assert_eq!(it.of(Measure::SecretsRead, 2_001), 1.0);
    for (who, verb, more, measure, count) in [
        (
            "eve",
            "create",
            &[("objectRef.resource", "pods"), ("objectRef.subresource", "exec")][..],
            Measure::PodsEntered,
            1.0,
        ),
        ("ana", "get", &[("objectRef.resource", "pods"), ("objectRef.subresource", "log")], Measure::PodsEntered, 1.0),
        (
            "ci",
            "create",
            &[("objectRef.resource", "clusterrolebindings"), ("roleRef.name", "view")],
            Measure::AdminGrants,
            0.0,
        ),
        (
            "ci",
            "create",
            &[("objectRef.resource", "clusterrolebindings"), ("roleRef.name", "cluster-admin")],
            Measure::AdminGrants,
            1.0,
        ),
        (
            "system:kube-scheduler",
            "create",
            &[("objectRef.resource", "clusterrolebindings")],
            Measure::AdminGrants,
            1.0,
        ),
        ("system:anonymous", "get", &[("objectRef.resource", "pods")], Measure::AnonymousCalls, 1.0),
        (
            "ci",
            "create",
            &[("objectRef.resource", "serviceaccounts"), ("objectRef.subresource", "token")],
            Measure::TokenRequests,
            1.0,
        ),
    ] {
        it.take(audited(who, verb, more), 2_002);
        assert_eq!(it.of(measure, 2_002), count, "{who} {verb} {more:?}");
    }
}

#[test]
fn who_fetches_the_form_is_not_let_in() {
    let mut it = Watch::new();
    for n in 0..25 {
        let client = format!("192.0.2.{n}");
        it.sign_in(&client, &format!("u{n}"), "401", n);
        it.at_door(&client, "", ("GET", "/login", "200"), n);
        // Nor is everybody who is refused something at a door.
        it.at_door(&format!("198.51.100.{n}"), "", ("POST", "/authors", "403"), n);
    }
    assert_eq!(it.of(Measure::SignInsRefused, 30), 25.0);
}

#[test]
fn behind_a_guard_nobody_is_one_person() {
    let mut it = Watch::new();
    for client in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        (0..40).for_each(|n| it.sign_in(client, "", "401", n));
        it.access(&[("client.address", client), ("http.response.body.size", "300000000")], 40);
        it.access(&[("client.address", client), ("url.path", "/.env"), ("http.response.status_code", "404")], 40);
    }
    assert_eq!(it.0.found(at(41)), Vec::new());
}

#[test]
fn what_went_on_for_hours_does_not_add_up() {
    let mut it = Watch::new();
    for n in 0..45 {
        it.sign_in("192.0.2.1", "cron", "401", n * 240);
        it.access(&[("client.address", "192.0.2.2"), ("http.response.body.size", "10000000")], n * 240);
        assert!(it.of(Measure::SignInsRefused, n * 240) <= 2.0 && it.of(Measure::SentToOneBytes, n * 240) <= 3e7);
    }
}

#[test]
fn logs_that_were_held_up_are_no_attack_of_now() {
    let mut it = Watch::new();
    let record = telemetry(
        Signal::Access,
        "GET",
        &[("client.address", "192.0.2.1"), ("url.path", "/me"), ("http.response.status_code", "401")],
    );
    for n in 0..3_000 {
        let (id, service, what) = (EventId(1, n), ServiceName::parse("stock").ok(), What::Telemetry(record.clone()));
        let event = Event { id, at: at(n), service, seen_by: SeenBy::Intake, request: None, what };
        it.0.note(&event, &it.1, at(3_600));
    }
    assert_eq!(it.of(Measure::SignInsRefused, 3_600), 0.0);
}

#[test]
fn nobody_is_told_what_the_event_itself_loses() {
    let mut it = Watch::new();
    (0..30).for_each(|n| it.sign_in("", "token=hunter2hunter2hunter2", "401", n));
    (0..30).for_each(|n| it.sign_in(&format!("192.0.2.{n}"), "ana@bank.example", "401", n));
    let found = it.0.found(at(30));
    assert!(found.iter().all(|it| !it.about.contains("hunter2") && !it.about.contains("ana@")), "{found:?}");
}

#[test]
fn a_call_of_kubernetes_counts_once_and_where_it_was_allowed() {
    let mut it = Watch::new();
    let exec = [("objectRef.resource", "pods"), ("objectRef.subresource", "exec")];
    for stage in ["ResponseStarted", "ResponseComplete"] {
        it.take(audited("eve", "create", &[&exec[..], &[("stage", stage), ("auditID", "a1")]].concat()), 0);
    }
    assert_eq!(it.of(Measure::PodsEntered, 1), 1.0);
    let mut it = Watch::new();
    for resource in [[("objectRef.resource", "secrets"), ("objectRef.namespace", "pay")], exec] {
        let record = [&resource[..], &[("user.username", "eve"), ("http.response.status_code", "403")]].concat();
        it.take(telemetry(Signal::Audit, "get", &record), 2_000);
    }
    assert_eq!(it.0.found(at(2_001)), Vec::new());
}

#[test]
fn of_a_reader_one_is_told_once() {
    let mut it = Watch::new();
    let secrets = [("objectRef.resource", "secrets"), ("objectRef.namespace", "pay"), ("auditID", "a1")];
    it.take(audited("controller", "get", &secrets), 0);
    it.take(audited("job", "get", &secrets), 3_600);
    assert_eq!(it.of(Measure::SecretsRead, 3_600), 1.0);
    assert_eq!(it.of(Measure::SecretsRead, 5_000), 0.0, "it is over");
    it.take(audited("job", "get", &secrets), 7_200);
    assert_eq!(it.of(Measure::SecretsRead, 7_200), 0.0, "somebody was told an hour ago");
    it.take(audited("job", "get", &[secrets[0], ("objectRef.namespace", "ledger")]), 7_201);
    assert_eq!(it.of(Measure::SecretsRead, 7_201), 1.0, "of those nobody was told");
}

#[test]
fn memory_is_bounded_and_a_flood_hides_nobody_else() {
    let mut it = Watch::new();
    (0..30).for_each(|n| it.sign_in("192.0.2.1", &format!("u{n}"), "401", 0));
    for n in 0..3 * TRACKS_MAX as u64 {
        it.access(&[("client.address", &format!("a{n}")), ("http.response.body.size", "1")], 0);
        it.sign_in(&format!("b{n}"), &format!("b{n}"), "401", 0);
    }
    let most = it.0.tracks.values().map(BTreeMap::len).max();
    assert!(most <= Some(TRACKS_MAX) && it.0.left_out() > 0, "{most:?}");
    let found = it.0.found(at(1));
    let guesses = found.iter().find(|it| it.measure == Measure::SignInsRefused).unwrap();
    assert!(guesses.value >= 30.0, "{guesses:?}");
    it.take(audited("eve", "create", &[("objectRef.resource", "pods"), ("objectRef.subresource", "exec")]), 1);
    assert_eq!(it.of(Measure::PodsEntered, 1), 1.0);
    it.0.found(at(1_000));
    assert!(it.0.tracks.values().all(BTreeMap::is_empty));
}

proptest! {
    /// Whatever a record says, it is taken.
    #[test]
    fn any_record_is_taken(path in "\\PC{0,80}", status in "\\PC{0,5}", user in "\\PC{0,20}", verb in "[a-z]{0,8}", resource in "[a-z]{0,20}") {
        let mut it = Watch::new();
        it.access(&[("client.address", &user), ("url.path", &path), ("http.response.status_code", &status)], 0);
        it.take(audited(&user, &verb, &[("objectRef.resource", &resource), ("objectRef.subresource", &path)]), 0);
        prop_assert!(it.0.found(at(1)).len() < 10);
    }
}
