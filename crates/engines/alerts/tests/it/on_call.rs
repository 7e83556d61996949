//! Who is on call, and who is told when nobody takes notice: on a clock that the test moves.

use bartizan_alerts::book::Came;
use bartizan_alerts::{
    Book, Changes, Context, Notice, NoticeKind, Outflow, Reading, Rehearsals, Silences, built_in, on_call, state,
};
use bartizan_core::alerts::{ESCALATE_AFTER, Matcher, Rule, Urgency, Window};
use bartizan_core::fleet::parse;
use bartizan_core::on_call::{Roster, Rotation};
use bartizan_core::{ServiceName, Timestamp, moment};
use proptest::prelude::*;
use std::collections::BTreeMap;

const FLEET: &str = r#"
fleet: bank
trust_domain: bank.test
services:
  ledger: { listen: "127.0.0.1:7001", protocol: http, owner: core-banking, calls: [] }
  web: { listen: "127.0.0.1:7002", protocol: http, owner: shop, calls: [ledger] }
alerts:
  routes:
    ana: { webhook: "https://x.example/ana", secret: s }
    ben: { webhook: "https://x.example/ben", secret: s }
    cem: { webhook: "https://x.example/cem", secret: s }
    dora: { webhook: "https://x.example/dora", secret: s }
    chief: { webhook: "https://x.example/chief", secret: s }
  rotations:
    security:
      members: { ana: ana, ben: ben }
      every: 7d
      starts: 2026-11-02T09:00:00+01:00
      overrides:
        - { from: "2026-11-11T18:00:00+01:00", until: "2026-11-12T06:00:00+01:00", who: ana }
    owners: { members: { cem: cem, dora: [dora, chief] }, every: 1d, starts: 2026-11-02T09:00:00+01:00 }
  escalations:
    security:
      owners: security
      severities: [critical, high]
      levels: [{ rotation: security }, { route: chief }]
    owners:
      levels: [{ rotation: owners }, { rotation: security, after: 10m }, { route: chief, after: 1m }]
"#;

fn roster() -> Roster {
    parse(FLEET, "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}")).alerts.roster
}

fn at(text: &str) -> Timestamp {
    moment::read(text).unwrap()
}

fn rotation(name: &str) -> Rotation {
    roster().rotations.into_iter().find(|it| it.name == name).unwrap()
}

fn who(name: &str, text: &str) -> String {
    on_call::shift(&rotation(name), at(text)).unwrap().who
}

#[test]
fn they_hand_over_at_the_moment_that_was_agreed_and_the_clocks_of_summer_do_not_move_it() {
    for (text, expected) in [
        ("2026-11-02T08:00:00Z", "ana"),
        ("2026-11-09T07:59:59.999Z", "ana"),
        ("2026-11-09T08:00:00Z", "ben"),
        ("2026-11-16T07:59:59Z", "ben"),
        ("2026-11-16T08:00:00Z", "ana"),
        // Where the offset is +02:00 by then, it is ten o'clock there.
        ("2027-07-05T07:59:59Z", "ana"),
        ("2027-07-05T08:00:00Z", "ben"),
        // Before it began the order goes on backwards: somebody is always on call.
        ("2026-11-02T07:59:59Z", "ben"),
        ("2026-10-26T07:59:59Z", "ana"),
    ] {
        assert_eq!(who("security", text), expected, "{text}");
    }
}

#[test]
fn an_override_takes_its_time_and_no_more() {
    for (text, expected) in [
        ("2026-11-11T16:59:59Z", "ben"),
        ("2026-11-11T17:00:00Z", "ana"),
        ("2026-11-12T04:59:59Z", "ana"),
        ("2026-11-12T05:00:00Z", "ben"),
    ] {
        assert_eq!(who("security", text), expected, "{text}");
    }
    let status = on_call::status(&roster(), ESCALATE_AFTER, at("2026-11-11T12:00:00Z"));
    let shifts: Vec<_> = status.rotations[0]
        .shifts
        .iter()
        .map(|it| (it.who.as_str(), it.is_override, moment::write(it.from), moment::write(it.until)))
        .collect();
    let day = |text: &str| format!("2026-11-{text}:00.000Z");
    assert_eq!(
        shifts,
        [
            ("ben", false, day("09T08:00"), day("11T17:00")),
            ("ana", true, day("11T17:00"), day("12T05:00")),
            ("ben", false, day("12T05:00"), day("16T08:00")),
            ("ana", false, day("16T08:00"), day("23T08:00")),
            ("ben", false, day("23T08:00"), day("30T08:00")),
        ]
    );
    let levels: Vec<_> = status.escalations[1].levels.iter().map(|it| (it.who.as_deref(), it.after_s)).collect();
    assert_eq!(levels, [(Some("dora"), 0), (Some("ben"), 600), (None, 60)]);
    assert_eq!(
        status.escalations.iter().map(|it| it.takes.as_str()).collect::<Vec<_>>(),
        ["owner security, severity critical or high", "everything"]
    );
}

struct Scene {
    rules: Vec<Rule>,
    roster: Roster,
    edges: Vec<(ServiceName, ServiceName)>,
    silences: Silences,
    book: Book,
    begin: Timestamp,
    /// What is wrong now: a rule's name and a service.
    wrong: Vec<(&'static str, &'static str)>,
}

/// What came, when, at which level, and by which routes.
type Told = (u64, NoticeKind, u8, Vec<String>);

impl Scene {
    /// At the beginning `ana` and `cem` are on call. `web` calls `ledger`.
    fn new() -> Self {
        let name = |text| ServiceName::parse(text).unwrap();
        Self {
            rules: built_in(),
            roster: roster(),
            edges: vec![(name("web"), name("ledger"))],
            silences: Silences::default(),
            book: Book::default(),
            begin: at("2026-11-02T09:00:00Z"),
            wrong: Vec::new(),
        }
    }

    fn at_ms(&mut self, ms: u64) -> Came {
        let reading = |(rule, service): &(&'static str, &'static str)| Reading {
            rule: self.rules.iter().position(|it| it.name == *rule).unwrap(),
            service: Some(ServiceName::parse(service).unwrap()),
            place: (*service).to_owned(),
            value: 20.0,
            threshold: 10.0,
            counted: None,
            about: None,
        };
        let readings: Vec<Reading> = self.wrong.iter().map(reading).collect();
        let context = Context {
            rules: &self.rules,
            edges: &self.edges,
            changes: &Changes::default(),
            silences: &self.silences,
            roster: &self.roster,
            escalate_after: ESCALATE_AFTER,
            settled: true,
        };
        self.book.step(&readings, &context, Timestamp::from_millis(self.begin.as_millis() + ms))
    }

    fn through(&mut self, seconds: std::ops::Range<u64>) -> Vec<Told> {
        let told = |s: u64, it: Notice| {
            let routes = it.called.iter().flat_map(|it| it.routes.clone()).collect();
            (s, it.kind, it.level, routes)
        };
        seconds.flat_map(|s| self.at_ms(s * 1000).notices.into_iter().map(move |it| told(s, it))).collect()
    }

    /// As after a restart: what was written down, and nothing else.
    fn restart(&mut self) {
        let bytes =
            state::write(&self.book, &self.silences, &Changes::default(), &Outflow::default(), &Rehearsals::default());
        self.book = state::read(&bytes).unwrap().book;
    }
}

fn told(s: u64, kind: NoticeKind, level: u8, routes: &[&str]) -> Told {
    (s, kind, level, routes.iter().map(|it| (*it).to_owned()).collect())
}

#[test]
fn a_page_of_nobody_goes_to_the_next_level_after_five_minutes_not_before_and_once() {
    let mut scene = Scene::new();
    scene.wrong = vec![("LedgerGap", "ledger")];
    let first = scene.at_ms(0).notices.remove(0);
    assert_eq!(first.called[0].to_string(), "ana, on call of security (escalation security, level 1)");
    assert_eq!(first.alerts[0].called, first.called, "the alert says it too");
    assert_eq!(scene.at_ms(299_999).notices, []);
    let second = scene.at_ms(300_000).notices;
    assert_eq!((second.len(), second[0].kind, second[0].level), (1, NoticeKind::Escalation, 2));
    assert_eq!(second[0].called[0].to_string(), "chief (escalation security, level 2)");
    assert_eq!(second[0].alerts[0].called.len(), 2);
    assert_eq!(scene.through(301..7200), [], "there is no third level");
    // Whoever was told is told that it is over.
    scene.wrong.clear();
    assert_eq!(scene.through(7200..7300), [told(7210, NoticeKind::Resolved, 2, &["ana", "chief"])]);
}

#[test]
fn each_level_waits_for_its_own_time() {
    let mut scene = Scene::new();
    scene.wrong = vec![("GuardMissing", "ledger")];
    assert_eq!(
        scene.through(0..3600),
        [
            told(0, NoticeKind::Page, 1, &["cem"]),
            told(600, NoticeKind::Escalation, 2, &["ana"]),
            told(660, NoticeKind::Escalation, 3, &["chief"]),
        ]
    );
}

#[test]
fn whoever_takes_notice_stops_it_and_so_does_its_end() {
    let mut scene = Scene::new();
    scene.wrong = vec![("LedgerGap", "ledger")];
    assert_eq!(scene.through(0..299).len(), 1);
    assert_eq!(scene.book.acknowledge("i1", "uid 0", None).len(), 1);
    assert_eq!(scene.through(299..3600), [], "somebody is at it");

    // What begins later in the same incident is news, and nobody has taken notice of that.
    let mut more = Scene::new();
    more.wrong = vec![("LedgerGap", "ledger")];
    more.through(0..100);
    more.book.acknowledge("i1", "uid 0", None);
    more.wrong.push(("ExfiltrationBurst", "web"));
    let expected = [told(600, NoticeKind::Page, 1, &["ana"]), told(900, NoticeKind::Escalation, 2, &["chief"])];
    assert_eq!(more.through(100..3600), expected);

    let mut over = Scene::new();
    over.wrong = vec![("LedgerGap", "ledger")];
    over.through(0..280);
    over.wrong.clear();
    assert_eq!(over.through(280..3600), [told(290, NoticeKind::Resolved, 1, &["ana"])]);
}

#[test]
fn a_page_that_is_silenced_waits_anew_once_the_silence_is_over() {
    let mut scene = Scene::new();
    scene.wrong = vec![("LedgerGap", "ledger")];
    scene.through(0..100);
    let matcher = Matcher { name: "service".into(), value: "ledger".into(), is_regex: false, is_equal: true };
    let from = scene.begin;
    let until = Timestamp::from_millis(from.as_millis() + 1_000_000);
    let (by, why) = ("me".to_owned(), "disk".to_owned());
    let window =
        Window { id: "s1".into(), matchers: vec![matcher], from, until, by, why, pages_only: true, active: true };
    scene.silences.add(window, from).unwrap();
    assert_eq!(scene.through(100..1299), []);
    assert_eq!(scene.through(1299..1400), [told(1299, NoticeKind::Escalation, 2, &["chief"])]);
}

#[test]
fn a_restart_neither_tells_twice_nor_forgets_and_asks_who_is_on_call_by_then() {
    let mut scene = Scene::new();
    // One second before cem hands over to dora, and ana to ben.
    scene.begin = at("2026-11-09T07:59:59Z");
    scene.wrong = vec![("GuardMissing", "ledger"), ("LedgerGap", "ledger")];
    let mut all = Vec::new();
    for s in 0..1200 {
        scene.restart();
        all.extend(scene.through(s..s + 1));
    }
    assert_eq!(
        all,
        [
            told(0, NoticeKind::Page, 1, &["cem"]),
            told(0, NoticeKind::Page, 1, &["ana"]),
            told(300, NoticeKind::Escalation, 2, &["chief"]),
            told(600, NoticeKind::Escalation, 2, &["ben"]),
            told(660, NoticeKind::Escalation, 3, &["chief"]),
        ]
    );
    // Away for an hour: the next level is told at once, and the one after it after its own time.
    let mut away = Scene::new();
    away.wrong = vec![("GuardMissing", "ledger")];
    away.through(0..10);
    away.restart();
    let after = away.through(3600..3700);
    assert_eq!(
        after,
        [told(3600, NoticeKind::Escalation, 2, &["ana"]), told(3660, NoticeKind::Escalation, 3, &["chief"])]
    );
    // Before there were escalations the book said nothing of them.
    let mut old: serde_json::Value = serde_json::from_slice(&state::write(
        &away.book,
        &away.silences,
        &Changes::default(),
        &Outflow::default(),
        &Rehearsals::default(),
    ))
    .unwrap();
    let incident = old["book"]["incidents"][0].as_object_mut().unwrap();
    incident.remove("escalation");
    incident.insert("waiting_since".into(), serde_json::Value::Null);
    incident.insert("level".into(), 1.into());
    let entry = old["book"]["entries"][0].as_object_mut().unwrap();
    entry.remove("waits_since");
    entry["alert"].as_object_mut().unwrap().remove("called");
    assert!(state::read(old.to_string().as_bytes()).is_some());
}

/// High and critical ones of security are for security on call, all else for the owners; each rule of the product once.
#[test]
fn every_class_of_incident_reaches_those_who_are_on_call_for_it() {
    let security = [
        "AuthenticationBurns",
        "HandshakesBurn",
        "DeniesBurn",
        "DeniedBurst",
        "HandshakesFail",
        "LedgerGap",
        "LogInsRefused",
        "ExfiltrationBurst",
        "ExfiltrationSlow",
        "SignInsGuessed",
        "IdsWalked",
        "AttackProbed",
        "CallUndeclared",
        "AnswersLarge",
        "SecretsReadAnew",
        "PodEntered",
        "AdminGranted",
        "AnonymousAtKubernetes",
        "TokensRequested",
    ];
    let owners = [
        "AuthenticationLeaks",
        "HandshakesLeak",
        "DeniesLeak",
        "PolicyViolations",
        "NewDestination",
        "CertificateNotRenewed",
        "CertificateRunsOut",
        "CertificatesRunOut",
        "RotationOverdue",
        "VersionWorse",
        "GuardSilent",
        "GuardMissing",
        "EventsLost",
        "StoreFull",
        "TelemetryGap",
        "MemberAway",
        "SnapshotRefused",
        "GuardOverBudget",
        "FilesDrift",
        "CallsUnusual",
        "PathsSearched",
    ];
    let expected: BTreeMap<&str, (&str, &str)> = security
        .iter()
        .map(|it| (*it, ("security", "ana")))
        .chain(owners.iter().map(|it| (*it, ("owners", "cem"))))
        .collect();
    let rules = built_in();
    assert_eq!(expected.len(), rules.len(), "a rule of the product is in neither list");
    for rule in &rules {
        let mut scene = Scene::new();
        let name = *expected.keys().find(|it| **it == rule.name).unwrap_or_else(|| panic!("{}", rule.name));
        scene.wrong = vec![(name, "ledger")];
        let kind = if rule.urgency == Urgency::Page { NoticeKind::Page } else { NoticeKind::Ticket };
        let notices: Vec<Notice> = (0..=rule.for_s).flat_map(|s| scene.at_ms(s * 1000).notices).collect();
        let reached: Vec<_> = notices
            .iter()
            .map(|it| (it.kind, it.called[0].escalation.as_str(), it.called[0].who.as_deref().unwrap()))
            .collect();
        let (escalation, who) = expected[name];
        assert_eq!(reached, [(kind, escalation, who)], "{name}");
    }
}

#[test]
fn what_belongs_together_is_still_told_to_each_of_those_whom_it_concerns() {
    let mut scene = Scene::new();
    scene.wrong = vec![("DeniedBurst", "ledger"), ("GuardMissing", "ledger"), ("DeniedBurst", "web")];
    let pages = scene.through(0..5);
    assert_eq!(
        pages,
        [told(0, NoticeKind::Page, 1, &["ana"]), told(0, NoticeKind::Page, 1, &["cem"])],
        "two of security are one page"
    );
    scene.book.acknowledge("i1", "ana", None);
    let rest = scene.through(5..601);
    assert_eq!(rest, [told(600, NoticeKind::Escalation, 2, &["ana"])], "ana took notice of hers alone");
}

#[test]
fn services_owners_and_labels_are_conditions_too() {
    let text = FLEET.replace(
        "  escalations:\n",
        "  escalations:\n    bank: { service_owners: core-banking, urgency: page, levels: [{ route: dora }] }\n    team: { labels: { team: shop }, levels: [{ route: ben }] }\n",
    );
    let mut scene = Scene::new();
    scene.roster = parse(&text, "fleet.yaml").unwrap_or_else(|errors| panic!("{errors}")).alerts.roster;
    scene.rules.iter_mut().filter(|it| it.name == "StoreFull").for_each(|it| {
        it.labels.insert("team".into(), "shop".into());
    });
    scene.wrong =
        vec![("GuardMissing", "ledger"), ("GuardMissing", "web"), ("EventsLost", "ledger"), ("StoreFull", "web")];
    let mut routes: Vec<_> = scene.through(0..2).into_iter().map(|it| (it.1, it.3.join(","))).collect();
    routes.sort_by_key(|it| it.1.clone());
    assert_eq!(
        routes,
        [
            (NoticeKind::Ticket, "ben".to_owned()),
            (NoticeKind::Ticket, "cem".to_owned()),
            (NoticeKind::Page, "cem".to_owned()),
            (NoticeKind::Page, "dora".to_owned()),
        ]
    );
}

#[test]
fn an_escalation_that_is_taken_out_leaves_its_incidents_to_all_other_routes() {
    let mut scene = Scene::new();
    scene.wrong = vec![("GuardMissing", "ledger")];
    scene.through(0..10);
    scene.roster = Roster::default();
    assert_eq!(scene.through(10..3600), [told(300, NoticeKind::Escalation, 2, &[])]);
}

#[test]
fn an_escalation_that_is_renamed_or_new_takes_what_is_there_already() {
    for before in [roster(), Roster::default()] {
        let mut scene = Scene::new();
        scene.roster = before;
        scene.wrong = vec![("LedgerGap", "ledger")];
        assert_eq!(scene.through(0..10).len(), 1);
        scene.roster = roster();
        scene.roster.escalations[0].name = "watch".into();
        // What comes to the same incident later goes there too.
        scene.wrong.push(("GuardMissing", "ledger"));
        assert_eq!(
            scene.through(10..300)[..1],
            [told(10, NoticeKind::Page, 1, &["cem"])],
            "that of the owners is still an incident of its own"
        );
        assert_eq!(scene.through(300..301), [told(300, NoticeKind::Escalation, 2, &["chief"])]);
    }
}

#[test]
fn a_page_of_one_incident_goes_to_each_of_those_who_have_a_part_of_it_by_now() {
    let mut scene = Scene::new();
    // One escalation has both, until there are two.
    scene.roster.escalations.remove(0);
    scene.roster.escalations[0].name = "all".into();
    scene.wrong = vec![("LedgerGap", "ledger"), ("GuardMissing", "ledger")];
    assert_eq!(scene.through(0..10), [told(0, NoticeKind::Page, 1, &["cem"])], "one page of both");
    scene.roster = roster();
    assert_eq!(
        scene.through(10..700),
        [
            told(300, NoticeKind::Escalation, 2, &["chief"]),
            told(600, NoticeKind::Escalation, 2, &["ana"]),
            told(660, NoticeKind::Escalation, 3, &["chief"])
        ]
    );
}

#[test]
fn a_moment_beyond_all_others_is_no_moment_of_the_year_1970() {
    let far = Timestamp::from_millis(u64::MAX);
    let shift = on_call::shift(&rotation("security"), far).unwrap();
    assert_eq!(shift.until, far, "{shift:?}");
}

proptest! {
    #[test]
    fn somebody_is_on_call_at_any_moment_and_shifts_follow_each_other(ms in 0u64..8_000_000_000_000, every in 1u64..10_000_000) {
        let mut rotation = rotation("security");
        rotation.every = std::time::Duration::from_secs(every);
        let now = Timestamp::from_millis(ms);
        let shift = on_call::shift(&rotation, now).unwrap();
        prop_assert!(shift.from <= now && now < shift.until, "{shift:?}");
        let last = Timestamp::from_millis(shift.until.as_millis() - 1);
        prop_assert_eq!(&on_call::shift(&rotation, last).unwrap(), &shift);
        prop_assert_eq!(&on_call::shift(&rotation, shift.from).unwrap(), &shift);
        prop_assert_eq!(on_call::shift(&rotation, shift.until).unwrap().from, shift.until);
    }
}
