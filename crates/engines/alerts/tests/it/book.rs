//! What is told, to whom, and how often.

use bartizan_alerts::book::Came;
use bartizan_alerts::limits::{FOREIGN_FOR, PAGE_EVERY};
use bartizan_alerts::{
    Book, Changes, Context, Counters, Facts, Foreign, NoticeKind, Outflow, Reading, Rehearsals, Silences, built_in,
    changes, readings, state,
};
use bartizan_core::alerts::{Alert, ESCALATE_AFTER, Maintenance, Matcher, Measure, Rule, Standing, Urgency, Window};
use bartizan_core::event::{AlertStep, Event, EventId, Process, SeenBy, What};
use bartizan_core::fleet::parse_rules;
use bartizan_core::indicator::{Indicator, Place};
use bartizan_core::on_call::Roster;
use bartizan_core::{ServiceName, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

const RULES: &str = "
version: 1
rules:
  - { name: Away, summary: '{service} is away', owner: platform, severity: high, urgency: page, runbook: r.md#away,
      when: { measure: guard_silent_s, above: 10 }, away: true, deploy_grace: 2m }
  - { name: Fails, summary: '{service} fails', owner: platform, severity: high, urgency: page, runbook: r.md#fails,
      when: { measure: budget_used, above: 1 }, symptom: true, deploy_grace: 2m }
  - { name: Attack, summary: '{service} is attacked', owner: security, severity: critical, urgency: page, runbook: r.md#attack,
      when: { measure: snapshots_refused, above: 0 }, deploy_grace: 2m }
  - { name: Small, summary: '{service} has something small', owner: platform, severity: low, urgency: ticket, runbook: r.md#small,
      when: { measure: certificate_left, below: 0.3 } }
  - { name: Slow, summary: slow, owner: platform, severity: low, urgency: ticket, runbook: r.md#slow,
      when: { measure: drift, above: 0 }, for: 1m }
";

fn second(s: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + s)
}

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

struct Scene {
    rules: Vec<Rule>,
    edges: Vec<(ServiceName, ServiceName)>,
    changes: Changes,
    silences: Silences,
    book: Book,
    settled: bool,
    /// What is wrong now: a rule's name and a service.
    wrong: Vec<(&'static str, &'static str)>,
}

impl Scene {
    /// `web` calls `payment`, that calls `ledger`; `other` calls nobody.
    fn new() -> Self {
        let edges = vec![(name("web"), name("payment")), (name("payment"), name("ledger"))];
        let rules = parse_rules(RULES, "rules.yaml", None).unwrap_or_else(|errors| panic!("{errors}"));
        let (changes, silences, book) = Default::default();
        Self { rules, edges, changes, silences, book, settled: true, wrong: Vec::new() }
    }

    fn readings(&self) -> Vec<Reading> {
        let reading = |(rule, service): &(&'static str, &'static str)| Reading {
            rule: self.rules.iter().position(|it| it.name == *rule).unwrap(),
            service: (*service != "fleet").then(|| name(service)),
            place: (*service).to_owned(),
            value: 20.0,
            threshold: 10.0,
            counted: None,
            about: None,
        };
        self.wrong.iter().map(reading).collect()
    }

    fn at(&mut self, s: u64) -> Came {
        let readings = self.readings();
        let context = Context {
            rules: &self.rules,
            edges: &self.edges,
            changes: &self.changes,
            silences: &self.silences,
            roster: &Roster::default(),
            escalate_after: ESCALATE_AFTER,
            settled: self.settled,
        };
        self.book.step(&readings, &context, second(s))
    }

    /// All notices from one second to another.
    fn through(&mut self, seconds: std::ops::Range<u64>) -> Vec<(u64, NoticeKind, Vec<String>)> {
        let mut all = Vec::new();
        for s in seconds {
            let came = self.at(s);
            all.extend(came.notices.into_iter().map(|it| {
                let names = it.alerts.iter().map(|it| format!("{} {}", it.rule, it.place)).collect();
                (s, it.kind, names)
            }));
        }
        all
    }

    fn there(&self) -> Vec<Alert> {
        self.book.alerts().into_iter().filter(|it| it.state == Standing::Firing).collect()
    }
}

fn kinds(all: &[(u64, NoticeKind, Vec<String>)]) -> Vec<(u64, NoticeKind)> {
    all.iter().map(|(s, kind, _)| (*s, *kind)).collect()
}

fn foreign(labels: &[(&str, &str)], now: Timestamp) -> Result<Foreign, &'static str> {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Foreign::new(labels, &BTreeMap::new(), (None, None), now)
}

#[test]
fn ten_thousand_of_the_same_are_one_with_a_count() {
    let mut scene = Scene::new();
    let same = foreign(&[("alertname", "Full"), ("service", "ledger"), ("disk", "sda")], second(0)).unwrap();
    for _ in 0..10_000 {
        scene.book.raise(std::slice::from_ref(&same), second(0));
    }
    let other = foreign(&[("alertname", "Full"), ("service", "ledger"), ("disk", "sdb")], second(0)).unwrap();
    scene.book.raise(&[other], second(0));
    let told = scene.through(0..3);
    assert_eq!(kinds(&told), [(0, NoticeKind::Ticket), (0, NoticeKind::Ticket)], "one each: {told:?}");
    let counts: Vec<_> = scene.there().into_iter().map(|it| (it.labels["disk"].clone(), it.count)).collect();
    assert!(counts.contains(&("sda".into(), 10_000)) && counts.contains(&("sdb".into(), 1)), "{counts:?}");
    // Nobody repeats it: it ends by itself.
    let over = scene.through(FOREIGN_FOR.as_secs()..FOREIGN_FOR.as_secs() + 2);
    assert_eq!(over.iter().filter(|it| it.1 == NoticeKind::Resolved).count(), 2, "{over:?}");
}

#[test]
fn what_comes_from_outside_is_bounded() {
    let long = "x".repeat(2000);
    for labels in [
        &[("service", "a")][..],
        &[("alertname", "A"), ("", "x")],
        &[("alertname", "A"), ("a", long.as_str())],
        &[("alertname", "")],
    ] {
        assert!(foreign(labels, second(0)).is_err(), "{labels:?}");
    }
    let page = foreign(&[("alertname", "A"), ("severity", "page")], second(0)).unwrap();
    assert_eq!(page.urgency, Urgency::Page);
}

struct Nothing;

impl Facts for Nothing {
    fn measured(&self, _: Measure) -> Vec<(Option<ServiceName>, f64)> {
        Vec::new()
    }
    fn counted(&self, _: Indicator, _: Duration) -> Vec<(Place, u64, u64)> {
        Vec::new()
    }
    fn burning(&self, _: Indicator, _: Urgency) -> Vec<(Place, f64, f64)> {
        Vec::new()
    }
}

#[test]
fn a_violation_a_thousand_times_is_one_ticket_with_a_count() {
    let mut scene = Scene::new();
    scene.rules = bartizan_alerts::built_in();
    scene.rules.retain(|it| it.name == "PolicyViolations");
    let mut counters = Counters::default();
    counters.renew(&scene.rules);
    let event = |n: u64| {
        let what = What::Process(Process {
            kind: "program".into(),
            executable: "x".into(),
            pid: 1,
            started: true,
            exit: None,
        });
        let mut event = Event {
            id: EventId(1, n),
            at: second(0),
            service: Some(name("ledger")),
            seen_by: SeenBy::Inbound,
            request: None,
            what,
        };
        event.what = serde_json::from_value(serde_json::json!({ "request": {
            "peer": null, "to": "ledger", "method": "GET", "path": "/", "route": null, "action": "read",
            "decision": { "verdict": "deny", "policies": [], "reason": null, "epoch": 1 },
            "status": 403, "error": null, "took_us": 1, "added_us": 1, "client": null, "user": null, "span": 1, "parent_span": 0 } }))
        .unwrap();
        event
    };
    let mut tickets = 0;
    for n in 0..1000 {
        let now = second(n / 10);
        counters.note(&event(n), now);
        let all = readings(&scene.rules, &Nothing, &mut counters, now);
        let context = Context {
            rules: &scene.rules,
            edges: &scene.edges,
            changes: &scene.changes,
            silences: &scene.silences,
            roster: &Roster::default(),
            escalate_after: ESCALATE_AFTER,
            settled: true,
        };
        tickets += scene.book.step(&all, &context, now).notices.len();
    }
    let there = scene.there();
    assert_eq!((tickets, there.len(), there[0].count), (1, 1, 1000), "{there:?}");
}

#[test]
fn what_waits_for_a_while_is_told_of_then_and_not_before() {
    let mut scene = Scene::new();
    scene.wrong = vec![("Slow", "fleet")];
    assert_eq!(scene.through(0..60), []);
    assert_eq!(kinds(&scene.through(60..70)), [(60, NoticeKind::Ticket)]);
    scene.wrong.clear();
    assert_eq!(kinds(&scene.through(70..90)), [(80, NoticeKind::Resolved)], "it has to be gone for ten seconds");
    // What was there for a moment only was never there.
    scene.wrong = vec![("Slow", "fleet")];
    scene.through(100..130);
    scene.wrong.clear();
    assert_eq!(scene.through(130..200), []);
}

#[test]
fn an_attack_on_several_services_is_one_incident_and_one_page() {
    let mut scene = Scene::new();
    scene.wrong = vec![("Attack", "ledger")];
    let first = scene.through(0..5);
    assert_eq!(kinds(&first), [(0, NoticeKind::Page)]);
    scene.wrong =
        vec![("Attack", "ledger"), ("Fails", "payment"), ("Fails", "web"), ("Small", "payment"), ("Small", "other")];
    let more = scene.through(5..30);
    assert!(more.iter().all(|it| it.1 == NoticeKind::Ticket), "paged within ten minutes: {more:?}");
    let groups: BTreeMap<String, String> =
        scene.there().into_iter().map(|it| (format!("{} {}", it.rule, it.place), it.group)).collect();
    let attack = &groups["Attack ledger"];
    let attached = groups.iter().filter(|(_, group)| *group == attack).count();
    assert_eq!((attached, &groups["Small other"] == attack), (4, false), "{groups:?}");
    // What came later is in the next page of the incident.
    let next = scene.through(30..PAGE_EVERY.as_secs() + 2);
    let pages: Vec<_> = next.iter().filter(|it| it.1 == NoticeKind::Page).collect();
    assert_eq!(pages.len(), 1, "{next:?}");
    assert_eq!((pages[0].0, pages[0].2.len()), (PAGE_EVERY.as_secs(), 2), "{pages:?}");
}

#[test]
fn a_callee_that_is_away_mutes_what_follows_from_it_and_says_so() {
    let mut scene = Scene::new();
    scene.wrong =
        vec![("Away", "ledger"), ("Fails", "payment"), ("Fails", "web"), ("Attack", "payment"), ("Fails", "other")];
    let told = scene.through(0..3);
    let named: Vec<&String> = told.iter().flat_map(|it| &it.2).collect();
    assert!(!named.iter().any(|it| it.starts_with("Fails payment") || it.starts_with("Fails web")), "{told:?}");
    assert!(named.contains(&&"Attack payment".to_owned()), "an attack is never a mere consequence: {told:?}");
    assert!(named.contains(&&"Fails other".to_owned()), "it does not call ledger: {told:?}");
    let muted = scene.book.muted();
    assert_eq!(muted.len(), 2, "{muted:?}");
    assert!(muted.iter().all(|it| it.reason.starts_with("ledger is away (a1 Away)")), "{muted:?}");
    // It is back, and they go on: now they are news.
    scene.wrong = vec![("Fails", "payment"), ("Attack", "payment")];
    let told = scene.through(3..PAGE_EVERY.as_secs() + 5);
    let pages: Vec<_> = told.iter().filter(|it| it.1 == NoticeKind::Page).collect();
    assert!(pages.iter().any(|it| it.2 == ["Fails payment"]), "{told:?}");
}

#[test]
fn maintenance_keeps_pages_back_and_nothing_else_and_ends_by_itself() {
    let mut scene = Scene::new();
    let window =
        Maintenance { services: vec![name("ledger")], from: second(10), until: second(100), why: "disk".into() };
    scene.silences.set_file(&[window]);
    scene.wrong = vec![("Fails", "ledger"), ("Small", "ledger"), ("Fails", "other")];
    let told = scene.through(10..100);
    let named: Vec<_> = told.iter().map(|it| (it.1, it.2.join(","))).collect();
    assert_eq!(
        named,
        [(NoticeKind::Ticket, "Small ledger".into()), (NoticeKind::Page, "Fails other".into())],
        "{told:?}"
    );
    assert_eq!(scene.book.muted().len(), 1);
    let told = scene.through(100..103);
    assert_eq!(told.iter().map(|it| (it.0, it.2.join(","))).collect::<Vec<_>>(), [(100, "Fails ledger".into())]);
}

#[test]
fn silences_are_bounded_and_cannot_hide_everything_unseen() {
    let mut silences = Silences::default();
    let matcher =
        |value: &str, is_regex| Matcher { name: "service".into(), value: value.into(), is_regex, is_equal: true };
    let window = |matchers: Vec<Matcher>, until| Window {
        id: "s1".into(),
        matchers,
        from: second(0),
        until,
        by: "me".into(),
        why: "why".into(),
        pages_only: false,
        active: false,
    };
    for (why, matchers, until) in [
        ("no condition", vec![], second(60)),
        ("an empty condition", vec![matcher(".*", true)], second(60)),
        ("no expression", vec![matcher("(", true)], second(60)),
        ("an expression that explodes", vec![matcher("(((a{1000}){1000}){1000})", true)], second(60)),
        ("over", vec![matcher("ledger", false)], second(0)),
        ("for a year", vec![matcher("ledger", false)], second(365 * 86_400)),
        ("too many conditions", (0..20).map(|_| matcher("ledger", false)).collect(), second(60)),
    ] {
        assert!(silences.add(window(matchers, until), second(0)).is_err(), "{why}");
    }
    silences.add(window(vec![matcher("led.*", true)], second(60)), second(0)).unwrap();
    assert!(silences.end("s2", second(1)).is_none() && silences.end("s1", second(1)).is_some());
    assert!(silences.end("s1", second(2)).is_none(), "it is over");
}

fn deploy(service: &str, s: u64, exit: Option<&str>) -> Event {
    let what = What::Process(Process {
        kind: "program".into(),
        executable: "x".into(),
        pid: 1,
        started: exit.is_none(),
        exit: exit.map(Into::into),
    });
    Event {
        id: EventId(1, s),
        at: second(s),
        service: Some(name(service)),
        seen_by: SeenBy::Supervisor,
        request: None,
        what,
    }
}

#[test]
fn fifty_routine_deploys_page_nobody_and_one_that_goes_wrong_says_after_what() {
    let mut scene = Scene::new();
    for n in 0..50 {
        let s = n * 900;
        scene.changes.note(changes::change(&deploy("ledger", s, None)).unwrap());
        scene.wrong = vec![("Away", "ledger"), ("Fails", "ledger"), ("Fails", "payment")];
        let during = scene.through(s + 1..s + 40);
        scene.wrong.clear();
        let after = scene.through(s + 40..s + 70);
        assert!(during.is_empty() && after.is_empty(), "deploy {n}: {during:?} {after:?}");
    }
    let s = 60_000;
    scene.changes.note(changes::change(&deploy("ledger", s, None)).unwrap());
    scene.wrong = vec![("Away", "ledger")];
    let told = scene.through(s + 5..s + 200);
    assert_eq!(kinds(&told), [(s + 125, NoticeKind::Page)], "two minutes later it is no routine");
    let there = scene.there();
    let after = there[0].after_change.as_ref().unwrap();
    assert_eq!(
        (after.kind.as_str(), after.service.as_deref(), there[0].changes.len()),
        ("deploy", Some("ledger"), 5),
        "{there:?}"
    );
    // What is critical does not wait.
    scene.wrong.push(("Attack", "ledger"));
    scene.through(s + 200..s + 201);
    let attack = scene.there().into_iter().find(|it| it.rule == "Attack").unwrap();
    assert!(attack.after_change.is_some());
    let mut alone = Scene::new();
    alone.changes.note(changes::change(&deploy("ledger", 0, None)).unwrap());
    alone.wrong = vec![("Attack", "ledger")];
    assert_eq!(kinds(&alone.through(1..3)), [(1, NoticeKind::Page)]);
}

#[test]
fn a_crash_is_no_deploy() {
    assert_eq!(changes::change(&deploy("ledger", 0, Some("signal 11"))), None);
    assert_eq!(changes::change(&deploy("ledger", 0, Some("exit 1"))), None);
    assert!(changes::change(&deploy("ledger", 0, Some("exit 0"))).is_some());
}

#[test]
fn what_comes_and_goes_pages_once_in_ten_minutes() {
    let mut scene = Scene::new();
    let mut pages = Vec::new();
    for n in 0..40 {
        let s = n * 30;
        scene.wrong = vec![("Fails", "ledger")];
        pages.extend(scene.through(s..s + 5));
        scene.wrong.clear();
        pages.extend(scene.through(s + 5..s + 30));
    }
    let pages: Vec<u64> = pages.into_iter().filter(|it| it.1 == NoticeKind::Page).map(|it| it.0).collect();
    assert_eq!(pages, [0, 600], "in twenty minutes");
}

#[test]
fn a_page_that_nobody_takes_notice_of_goes_to_the_next_level() {
    let mut scene = Scene::new();
    scene.wrong = vec![("Fails", "ledger")];
    let told = scene.through(0..400);
    assert_eq!(kinds(&told), [(0, NoticeKind::Page), (300, NoticeKind::Escalation)], "{told:?}");
    assert_eq!(scene.there()[0].level, 2);

    let mut noticed = Scene::new();
    noticed.wrong = vec![("Fails", "ledger")];
    noticed.through(0..200);
    let id = noticed.there()[0].group.clone();
    let acknowledged = noticed.book.acknowledge(&id, "uid 0", Some("on it"));
    assert_eq!(acknowledged.len(), 1);
    assert_eq!(noticed.through(200..1000), [], "somebody is at it");
    assert!(noticed.book.acknowledge("a99", "uid 0", None).is_empty());
}

#[test]
fn after_a_restart_nobody_is_told_again_and_what_was_muted_stays_so() {
    let mut scene = Scene::new();
    scene.wrong = vec![("Away", "ledger"), ("Fails", "payment"), ("Fails", "other")];
    let told = scene.through(0..10);
    assert_eq!(told.len(), 2, "{told:?}");
    let bytes = state::write(&scene.book, &scene.silences, &scene.changes, &Outflow::default(), &Rehearsals::default());
    let state::Kept { book, silences, changes, .. } = state::read(&bytes).unwrap();
    let muted = book.muted();
    assert_eq!(muted, scene.book.muted());
    let mut again = Scene { book, silences, changes, settled: false, ..Scene::new() };
    // Nothing is measured yet: nobody has come back.
    assert_eq!(again.through(10..60), [], "neither over nor new");
    again.wrong = vec![("Away", "ledger"), ("Fails", "payment"), ("Fails", "other")];
    assert_eq!(again.through(60..90), []);
    assert_eq!(again.book.muted(), muted);
    // The page waits since before the restart.
    let told = again.through(90..400);
    assert!(told.iter().all(|it| it.1 == NoticeKind::Escalation && it.0 == 300), "{told:?}");
    again.settled = true;
    again.wrong.clear();
    let over = again.through(400..420);
    assert_eq!(over.iter().filter(|it| it.1 == NoticeKind::Resolved).count(), 2, "only what was told: {over:?}");
    for bad in [&b"{}"[..], b"", b"{\"version\":2}"] {
        assert!(state::read(bad).is_none());
    }
}

#[test]
fn every_step_is_there_for_the_record() {
    let mut scene = Scene::new();
    scene.wrong = vec![("Fails", "ledger")];
    let steps = |came: &Came| came.steps.iter().map(|(it, step)| (it.rule.clone(), *step)).collect::<Vec<_>>();
    assert_eq!(steps(&scene.at(0)), [("Fails".into(), AlertStep::Started)]);
    assert_eq!(steps(&scene.at(300)), [("Fails".into(), AlertStep::Escalated)]);
    scene.wrong.clear();
    assert!(steps(&scene.at(301)).is_empty());
    assert_eq!(steps(&scene.at(311)), [("Fails".into(), AlertStep::Ended)]);
}

/// The guard of `ledger` is not heard for so long; the rules are those of the product.
fn silent(s: u64) -> Vec<Reading> {
    let rules = built_in();
    let of = |name: &str, limit: u64| {
        let reading = Reading {
            rule: rules.iter().position(|it| it.name == name).unwrap(),
            service: Some(self::name("ledger")),
            place: "ledger".to_owned(),
            value: s as f64,
            threshold: limit as f64,
            counted: None,
            about: None,
        };
        (s > limit).then_some(reading)
    };
    [of("GuardSilent", 15), of("GuardMissing", 60)].into_iter().flatten().collect()
}

#[test]
fn a_guard_that_is_away_is_one_incident_and_one_page() {
    let mut scene = Scene { rules: built_in(), ..Scene::new() };
    let mut told = Vec::new();
    for s in 0..240 {
        let away = if s < 180 { silent(s) } else { Vec::new() };
        let context = Context {
            rules: &scene.rules,
            edges: &scene.edges,
            changes: &scene.changes,
            silences: &scene.silences,
            roster: &Roster::default(),
            escalate_after: ESCALATE_AFTER,
            settled: true,
        };
        let came = scene.book.step(&away, &context, second(s));
        told.extend(came.notices.into_iter().map(|it| (s, it.kind, it.incident, it.alerts[0].rule.clone())));
        if s == 100 {
            let muted: Vec<_> = scene.book.muted().into_iter().map(|it| (it.rule, it.reason)).collect();
            assert_eq!(muted, [("GuardSilent".to_owned(), "GuardMissing says more (a2)".to_owned())]);
        }
    }
    let incident = told[0].2.clone();
    assert!(told.iter().all(|it| it.2 == incident), "{told:?}");
    let kinds: Vec<_> = told.iter().map(|(s, kind, _, rule)| (*s, *kind, rule.as_str())).collect();
    assert_eq!(
        kinds,
        [
            (16, NoticeKind::Ticket, "GuardSilent"),
            (61, NoticeKind::Page, "GuardMissing"),
            (190, NoticeKind::Resolved, "GuardSilent"),
            (190, NoticeKind::Resolved, "GuardMissing"),
        ]
    );
    // Missed for a minute before anybody looked: the page alone.
    let mut scene = Scene { rules: built_in(), ..Scene::new() };
    scene.rules.iter_mut().for_each(|it| it.for_s = 0);
    let context = Context {
        rules: &scene.rules,
        edges: &scene.edges,
        changes: &scene.changes,
        silences: &scene.silences,
        roster: &Roster::default(),
        escalate_after: ESCALATE_AFTER,
        settled: true,
    };
    let came = scene.book.step(&silent(90), &context, second(0));
    let kinds: Vec<_> = came.notices.iter().map(|it| (it.kind, it.alerts.len())).collect();
    assert_eq!(kinds, [(NoticeKind::Page, 1)]);
}
