//! The labelled set of `corpus/observe`, through the same parsers, counters and rules as what comes in by the doors: how many of its attacks
//! are found, and how often somebody is told of nothing.

use bartizan_alerts::{Counters, Facts, built_in, readings};
use bartizan_core::alerts::Urgency;
use bartizan_core::alerts::{Condition, Measure, Rule};
use bartizan_core::event::{Event, EventId, SeenBy, What};
use bartizan_core::fleet::{Fleet, parse};
use bartizan_core::indicator::{Indicator, Place};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_detect::{Declared, Suspects, Suspicion, mark};
use bartizan_telemetry::{Handed, Scene, audit, ndjson, otlp, syslog, unpack};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Attacks that have to be found, a share.
const FOUND_MIN: f64 = 0.9;
/// Cases without an attack in which an alert may begin, a share.
const FALSE_MAX: f64 = 0.01;
/// Seconds between two cases that are no attacks: some 150 of them overlap.
const APART_S: f64 = 2.0;
/// When attacks begin: who reads secrets by right is known by then.
const LEARNED_S: u64 = 3_600;

#[derive(Deserialize)]
struct Case {
    case: String,
    label: String,
    technique: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    s: f64,
    door: String,
    text: String,
}

const FLEET: &str = "fleet: bank\ntrust_domain: bank.example\nprofile: observe\nintake: { ndjson: \"127.0.0.1:5170\" }\nservices:\n  \
    web: { at: \"127.0.0.1:1\", protocol: http, owner: o, calls: [accounts, payment] }\n  \
    accounts: { at: \"127.0.0.1:2\", protocol: http, owner: o, calls: [users] }\n  \
    payment: { at: \"127.0.0.1:3\", protocol: http, owner: o, calls: [accounts, ledger] }\n  \
    ledger: { at: \"127.0.0.1:4\", protocol: http, owner: o, calls: [notify] }\n  \
    users: { at: \"127.0.0.1:5\", protocol: http, owner: o }\n  \
    notify: { at: \"127.0.0.1:6\", protocol: http, owner: o }\n";

/// Which rule is to tell of a technique.
fn expected(technique: &str) -> Measure {
    match technique {
        "sign_ins" => Measure::SignInsRefused,
        "ids" => Measure::IdsWalked,
        "paths" => Measure::PathsSearched,
        "probes" => Measure::AttackProbes,
        "undeclared" => Measure::UndeclaredCalls,
        "large" => Measure::SentToOneBytes,
        "secrets" => Measure::SecretsRead,
        "pods" => Measure::PodsEntered,
        "admins" => Measure::AdminGrants,
        "anonymous" => Measure::AnonymousCalls,
        "tokens" => Measure::TokenRequests,
        other => panic!("no rule is named for {other}"),
    }
}

/// What is suspicious now, and nothing else.
struct Now(Vec<Suspicion>);

impl Facts for Now {
    fn measured(&self, measure: Measure) -> Vec<(Option<ServiceName>, f64)> {
        self.0.iter().filter(|it| it.measure == measure).map(|it| (it.service.clone(), it.value)).collect()
    }

    fn counted(&self, _: Indicator, _: Duration) -> Vec<(Place, u64, u64)> {
        Vec::new()
    }

    fn burning(&self, _: Indicator, _: Urgency) -> Vec<(Place, f64, f64)> {
        Vec::new()
    }
}

/// One who watches.
struct Watch<'a> {
    fleet: &'a Fleet,
    rules: &'a [Rule],
    declared: Declared,
    suspects: Suspects,
    /// What fires, by rule and place.
    firing: BTreeSet<(usize, String)>,
    began: Vec<(Measure, String)>,
    written: u64,
}

impl<'a> Watch<'a> {
    fn new(fleet: &'a Fleet, rules: &'a [Rule]) -> Self {
        let (declared, suspects) = (Declared::of(fleet), Suspects::default());
        Self { fleet, rules, declared, suspects, firing: BTreeSet::new(), began: Vec::new(), written: 0 }
    }

    fn take(&mut self, line: &Line, now: Timestamp) {
        for mut handed in read(line, now) {
            mark(&mut handed.telemetry);
            let held = format!("{handed:?}");
            assert!(!held.contains("url.query"), "no query goes to the store: {held}");
            let named = |it: &str| ServiceName::parse(it).ok().filter(|it| self.fleet.services.contains_key(it));
            let service = handed.telemetry.emitter.as_deref().and_then(named);
            let service = service.or_else(|| handed.telemetry.attribute("destination.service").and_then(named));
            self.written += 1;
            let what = What::Telemetry(handed.telemetry);
            let event =
                Event { id: EventId(1, self.written), at: now, service, seen_by: SeenBy::Intake, request: None, what };
            self.suspects.note(&event, &self.declared, now);
        }
    }

    /// Notes which alerts begin.
    fn look(&mut self, now: Timestamp) {
        let facts = Now(self.suspects.found(now));
        let found = readings(self.rules, &facts, &mut Counters::default(), now);
        let firing: BTreeSet<_> = found.into_iter().map(|it| (it.rule, it.place)).collect();
        for (rule, place) in firing.difference(&self.firing) {
            let Condition::Measured { measure, .. } = self.rules[*rule].when else { continue };
            self.began.push((measure, place.clone()));
        }
        self.firing = firing;
    }
}

fn read(line: &Line, now: Timestamp) -> Vec<Handed> {
    let scene = Scene { source: line.door.as_str().into(), from: "corpus".into(), now };
    let text = line.text.as_bytes();
    match line.door.as_str() {
        "syslog" => vec![syslog::read(text, &scene).unwrap()],
        "lines" => vec![ndjson::read_line(text, &scene).unwrap()],
        "kubernetes" => audit::read(text, &scene).unwrap().records,
        "otlp" => otlp::read_json(otlp::Kind::Logs, text, &scene).unwrap().records,
        other => panic!("no door `{other}`"),
    }
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../corpus/observe/cases.ndjson.gz");
    let text = unpack::gunzip(&std::fs::read(path).unwrap(), 64 << 20).unwrap();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn at(s: f64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + (s * 1000.0) as u64)
}

/// Every case that is no attack, one after the other; each rule that begins, and how many lines there were.
fn benign(watch: &mut Watch<'_>, cases: &[&Case]) -> usize {
    let mut lines: Vec<(f64, &Line)> = Vec::new();
    for (n, case) in cases.iter().enumerate() {
        // The cluster goes on all the time; what reads secrets there has done so from the beginning.
        let begin = if case.technique == "cluster" { n as f64 % 300.0 } else { n as f64 * APART_S };
        lines.extend(case.lines.iter().map(|line| (begin + line.s, line)));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut looked = f64::MIN;
    for (s, line) in &lines {
        watch.take(line, at(*s));
        // As control does, some of them at once; nothing ends within a second.
        if *s - looked >= 1.0 {
            looked = *s;
            watch.look(at(*s));
        }
    }
    lines.len()
}

#[test]
fn nine_attacks_of_ten_are_found_in_what_others_log() {
    let fleet = parse(FLEET, "fleet.yaml").unwrap();
    let rules: Vec<Rule> = built_in()
        .into_iter()
        .filter(|it| matches!(it.when, Condition::Measured { measure, .. } if Measure::SUSPECTS.contains(&measure)))
        .collect();
    assert_eq!(rules.len(), Measure::SUSPECTS.len(), "a rule for each");
    let all = cases();
    let (attacks, others): (Vec<&Case>, Vec<&Case>) = all.iter().partition(|it| it.label == "attack");
    assert!(attacks.len() >= 200 && others.len() >= 900, "{} and {}", attacks.len(), others.len());

    let mut quiet = Watch::new(&fleet, &rules);
    let lines = benign(&mut quiet, &others);
    // Each attack beside what is none: the last of it is still counted when the attack begins.
    let cluster: Vec<&Case> = others.iter().filter(|it| it.technique == "cluster").copied().collect();
    let beside: Vec<&Case> = others.iter().filter(|it| it.technique == "visits").take(40).copied().collect();
    let mut table: BTreeMap<&str, (usize, usize, Vec<&str>)> = BTreeMap::new();
    for case in &attacks {
        let mut watch = Watch::new(&fleet, &rules);
        for it in &cluster {
            it.lines.iter().for_each(|line| watch.take(line, at(0.0)));
        }
        let begin = LEARNED_S as f64;
        for (n, it) in beside.iter().enumerate() {
            it.lines.iter().for_each(|line| watch.take(line, at(begin - 60.0 + n as f64)));
        }
        watch.look(at(begin));
        watch.began.clear();
        for line in &case.lines {
            watch.take(line, at(begin + line.s));
            watch.look(at(begin + line.s));
        }
        let row = table.entry(case.technique.as_str()).or_default();
        row.0 += 1;
        let found = watch.began.iter().any(|(measure, _)| *measure == expected(&case.technique));
        row.1 += usize::from(found);
        if !found {
            row.2.push(&case.case);
        }
    }

    let found: usize = table.values().map(|row| row.1).sum();
    println!("{:<12} {:>6} {:>6}  missed", "technique", "cases", "found");
    for (technique, (cases, found, missed)) in &table {
        println!("{technique:<12} {cases:>6} {found:>6}  {}", missed.join(" "));
    }
    let (share, wrong) = (found as f64 / attacks.len() as f64, quiet.began.len() as f64 / others.len() as f64);
    println!("found {found} of {} attacks, {:.1} %", attacks.len(), share * 100.0);
    println!(
        "{} alerts in {} cases without an attack, {:.2} %, and {lines} lines: {:?}",
        quiet.began.len(),
        others.len(),
        wrong * 100.0,
        quiet.began
    );
    assert!(share >= FOUND_MIN, "found {:.1} %", share * 100.0);
    assert!(wrong <= FALSE_MAX, "{:.2} % of cases without an attack", wrong * 100.0);
}
