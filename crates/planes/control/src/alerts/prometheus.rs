//! Rules in the form of Prometheus, held against our own metrics with each measurement. What they record is kept beside what is measured; their
//! alerts go the way of those that others hand in: grouped, muted, told.

use crate::app::App;
use crate::limits::{PROMETHEUS_AGAIN_AFTER, PROMETHEUS_LASTS};
use crate::series;
use bartizan_alerts::Foreign;
use bartizan_core::Timestamp;
use bartizan_core::alerts::PrometheusRuleStatus;
use bartizan_core::fleet::{Fleet, FleetError};
use bartizan_core::prometheus_rules as file;
use bartizan_promql::rules::{Alert, Recorder, Rules};
use bartizan_promql::{Error, Labels, Loaded, Matcher, NAME, Sample, Series, Source, compile, is_stale};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What every alert that is there is recorded as, with its state.
const ALERTS: &str = "ALERTS";

/// The rules in force, with what they remember.
#[derive(Debug, Default)]
pub(crate) struct Prometheus {
    /// Held for as long as rules are asked, which may be seconds: whoever only looks takes `shown`.
    inner: Mutex<Inner>,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Inner {
    groups: Vec<Group>,
    /// When the book was told of an alert last.
    told: BTreeMap<Labels, Timestamp>,
}

#[derive(Debug, Default)]
struct Shown {
    /// What the files say, where that was not taken over yet.
    next: Option<Vec<file::Group>>,
    rules: Vec<PrometheusRuleStatus>,
    asked: Asked,
}

#[derive(Debug)]
struct Group {
    said: file::Group,
    rules: Rules,
    /// By the name of the rule.
    wrong: BTreeMap<String, String>,
    /// How many alerts of a rule are there.
    there: BTreeMap<String, usize>,
}

/// How often rules were asked, since this process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Rules, each time.
    pub(crate) asked: u64,
    /// Those that could not be answered.
    pub(crate) failed: u64,
}

/// Reads what the rules of a fleet ask.
///
/// # Errors
/// Everything that is wrong with them, each with its place.
pub fn check_prometheus_rules(groups: &[file::Group]) -> Result<(), Vec<FleetError>> {
    compile(groups).map(drop)
}

impl Prometheus {
    /// What the files say from the next measurement on.
    pub(super) fn set(&self, fleet: &Fleet) {
        let mut shown = lock(&self.shown);
        let groups = fleet.alerts.prometheus.clone();
        let before = std::mem::take(&mut shown.rules);
        let rules = groups.iter().flat_map(|group| group.rules.iter().map(|rule| status(group, rule)));
        let as_before = |now: PrometheusRuleStatus| {
            let same =
                |it: &&PrometheusRuleStatus| (&it.group, &it.name, &it.expr) == (&now.group, &now.name, &now.expr);
            let (alerts, wrong) = before.iter().find(same).map_or((0, None), |it| (it.alerts, it.wrong.clone()));
            PrometheusRuleStatus { alerts, wrong, ..now }
        };
        shown.rules = rules.map(as_before).collect();
        shown.next = Some(groups);
    }

    /// Asks all of them at the moment of a measurement, and tells of what changed. Blocks for as long as they take.
    pub(crate) fn step(&self, app: &App, now: Timestamp) {
        let at_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let mut inner = lock(&self.inner);
        if let Some(groups) = lock(&self.shown).next.take() {
            inner.take_over(groups);
        }
        let mut moment = Moment { kept: &app.series, at_ms, recorded: BTreeMap::new() };
        let (mut there, mut asked) = (Vec::new(), Asked::default());
        for group in &mut inner.groups {
            let (alerts, wrong) = group.rules.step(at_ms, &mut moment);
            asked.asked += group.said.rules.len() as u64;
            asked.failed += wrong.len() as u64;
            group.note(&alerts, wrong);
            for alert in &alerts {
                let state = if alert.fires { "firing" } else { "pending" };
                moment.record(at_ms, alert.labels.with(NAME, ALERTS).with("alertstate", state), 1.0);
            }
            there.extend(alerts);
        }
        app.series.record(at_ms, moment.recorded.into_iter().filter(|(_, value)| !is_stale(*value)).collect());
        self.show(&inner, asked);
        let foreign = inner.news(app, &there, now);
        drop(inner);
        if !foreign.is_empty() {
            app.alerts.raise(&foreign);
        }
    }

    /// Every rule, and how it stood when it was asked last.
    pub(super) fn status(&self) -> Vec<PrometheusRuleStatus> {
        lock(&self.shown).rules.clone()
    }

    /// How often they were asked.
    pub(crate) fn asked(&self) -> Asked {
        lock(&self.shown).asked
    }

    fn show(&self, inner: &Inner, asked: Asked) {
        let mut shown = lock(&self.shown);
        shown.asked.asked += asked.asked;
        shown.asked.failed += asked.failed;
        // Else these are the rules of a file that is another one by now.
        if shown.next.is_none() {
            shown.rules = inner.groups.iter().flat_map(Group::status).collect();
        }
    }
}

/// Every change leaves it whole.
fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A rule that was not asked yet.
fn status(group: &file::Group, rule: &file::Rule) -> PrometheusRuleStatus {
    PrometheusRuleStatus {
        name: rule.name.clone(),
        group: group.name.clone(),
        records: rule.does == file::Does::Record,
        expr: rule.expr.text.trim().to_owned(),
        owner: rule.label("owner").to_owned(),
        severity: rule.label("severity").to_owned(),
        runbook: rule.runbook().to_owned(),
        place: format!("{}:{}", group.file, rule.line),
        alerts: 0,
        wrong: None,
    }
}

impl Group {
    fn status(&self) -> impl Iterator<Item = PrometheusRuleStatus> {
        self.said.rules.iter().map(|rule| PrometheusRuleStatus {
            alerts: self.there.get(&rule.name).copied().unwrap_or_default(),
            wrong: self.wrong.get(&rule.name).cloned(),
            ..status(&self.said, rule)
        })
    }

    fn note(&mut self, alerts: &[Alert], wrong: Vec<(String, Error)>) {
        self.there.clear();
        for alert in alerts {
            *self.there.entry(alert.labels.get("alertname").to_owned()).or_default() += 1;
        }
        let wrong: BTreeMap<String, String> = wrong.into_iter().map(|(name, why)| (name, why.to_string())).collect();
        for (rule, why) in wrong.iter().filter(|(rule, _)| !self.wrong.contains_key(*rule)) {
            tracing::warn!(group = self.said.name, rule, why, "a rule cannot be answered");
        }
        self.wrong = wrong;
    }
}

impl Inner {
    /// A group that says the same goes on with what it remembers.
    fn take_over(&mut self, groups: Vec<file::Group>) {
        let mut before = std::mem::take(&mut self.groups);
        for said in groups {
            if let Some(at) = before.iter().position(|it| it.said == said) {
                self.groups.push(before.swap_remove(at));
                continue;
            }
            // They were read before the fleet was taken over.
            match compile(std::slice::from_ref(&said)) {
                Ok(rules) => self.groups.push(Group {
                    rules: Rules::new(rules.into_iter().flatten().collect()),
                    said,
                    wrong: BTreeMap::new(),
                    there: BTreeMap::new(),
                }),
                Err(errors) => tracing::error!(group = said.name, ?errors, "rules cannot be read"),
            }
        }
    }

    /// What the book has to be told: what fires, now and then again, and what is over.
    fn news(&mut self, app: &App, there: &[Alert], now: Timestamp) -> Vec<Foreign> {
        let mut news = Vec::new();
        let mut gone = std::mem::take(&mut self.told);
        for alert in there {
            let last = gone.remove(&alert.labels);
            let is_due = last.is_none_or(|last| now.since(last) >= PROMETHEUS_AGAIN_AFTER);
            if !is_due {
                self.told.extend(last.map(|last| (alert.labels.clone(), last)));
                continue;
            }
            let since = Timestamp::from_millis(u64::try_from(alert.since_ms).unwrap_or_default());
            let Some(it) = foreign(alert.labels.iter(), &alert.annotations, since, now.plus(PROMETHEUS_LASTS), now)
            else {
                continue;
            };
            // After a restart a rule begins anew to wait, and what was there before is still there.
            if alert.fires || app.alerts.is_open(&it) {
                self.told.insert(alert.labels.clone(), now);
                news.push(it);
            }
        }
        news.extend(gone.keys().filter_map(|labels| foreign(labels.iter(), &BTreeMap::new(), now, now, now)));
        news
    }
}

fn foreign<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    annotations: &BTreeMap<String, String>,
    since: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> Option<Foreign> {
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    match Foreign::new(labels, annotations, (Some(since), Some(until)), now) {
        Ok(it) => Some(it),
        Err(why) => {
            tracing::error!(why, "an alert of a rule cannot be told");
            None
        }
    }
}

/// What is kept, and what was recorded at this moment so far: the next rule sees it.
struct Moment<'a> {
    kept: &'a series::Kept,
    at_ms: i64,
    recorded: BTreeMap<Labels, f64>,
}

impl Source for Moment<'_> {
    fn select(&self, matchers: &[Matcher], from_ms: i64, to_ms: i64, room: &mut Loaded) -> Result<Vec<Series>, Error> {
        let mut found = self.kept.select(matchers, from_ms, to_ms, room)?;
        if !(from_ms..=to_ms).contains(&self.at_ms) {
            return Ok(found);
        }
        let at: HashMap<Labels, usize> = found.iter().enumerate().map(|(at, it)| (it.labels.clone(), at)).collect();
        for (labels, value) in self.recorded.iter().filter(|(it, _)| matchers.iter().all(|all| all.fits(it))) {
            let sample = Sample { at_ms: self.at_ms, value: *value };
            match at.get(labels) {
                Some(at) => {
                    let samples = &mut found[*at].samples;
                    // What is measured under the same name counts.
                    if samples.last().is_none_or(|last| last.at_ms < self.at_ms) {
                        samples.push(sample);
                    }
                }
                // An end of what is not there.
                None if is_stale(*value) => {}
                None => {
                    room.add(1)?;
                    found.push(Series { labels: labels.clone(), samples: vec![sample] });
                }
            }
        }
        Ok(found)
    }
}

impl Recorder for Moment<'_> {
    fn record(&mut self, _at_ms: i64, labels: Labels, value: f64) {
        self.recorded.insert(labels, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::alerts::Standing;
    use bartizan_core::fleet::parse_prometheus_rules;
    use std::sync::Arc;
    use std::time::Duration;

    const RULES: &str = "groups:\n  - name: one\n    rules:\n      - { record: \"x:sum\", expr: sum by (at) (x) }\n      - alert: Much\n        expr: x:sum > 5\n        for: 30s\n        labels: { owner: core, severity: page, service: \"{{ $labels.at }}\" }\n        annotations: { summary: \"{{ $value }} of {{ $labels.at }}\", runbook: r.md }\n";

    fn fleet(app: &App, rules: &str) -> Fleet {
        let mut fleet = app.in_force().desired.fleet.clone();
        fleet.alerts.prometheus = parse_prometheus_rules(rules, "r.yml").unwrap_or_else(|errors| panic!("{errors}"));
        fleet
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_rules_say_is_recorded_and_told_until_it_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let started = crate::tests::started(dir.path()).await;
        let app: &Arc<App> = &started.app;
        app.alerts.set_rules(&fleet(app, RULES));
        let mut now = bartizan_runtime::clock::now();
        let mut step = |page: &str| {
            now = now.plus(Duration::from_secs(15));
            app.series.take(page, i64::try_from(now.as_millis()).unwrap());
            app.alerts.prometheus.step(app, now);
            app.alerts.step(app, now);
            // Nobody has guards here, which is an alert as well.
            let (mut alerts, _) = app.alerts.alerts(now);
            alerts.retain(|it| it.rule == "Much");
            (alerts, now)
        };
        let ask = |query: &str, at: Timestamp| {
            let expr = bartizan_promql::parse(query).unwrap();
            match bartizan_promql::instant(&expr, &app.series, i64::try_from(at.as_millis()).unwrap()).unwrap() {
                bartizan_promql::Value::Vector(all) => all.iter().map(|it| (it.labels.to_string(), it.value)).collect(),
                other => panic!("{other:?}"),
            }
        };
        let much = "x{at=\"ledger\",n=\"1\"} 3\nx{at=\"ledger\",n=\"2\"} 4\nx{at=\"pay\"} 1\n";
        let (alerts, at) = step(much);
        assert_eq!(alerts, [], "it has not been there for half a minute");
        let recorded: Vec<(String, f64)> = ask("x:sum > 5", at);
        assert_eq!(recorded, [("x:sum{at=\"ledger\"}".to_owned(), 7.0)]);
        let states: Vec<(String, f64)> = ask("count by (alertstate) (ALERTS)", at);
        assert_eq!(states, [("{alertstate=\"pending\"}".to_owned(), 1.0)]);
        step(much);
        let (alerts, at) = step(much);
        let it = &alerts[0];
        assert_eq!((alerts.len(), it.rule.as_str(), it.state), (1, "Much", Standing::Firing), "{alerts:?}");
        assert_eq!((it.owner.as_str(), it.service.as_deref(), it.runbook.as_str()), ("core", Some("ledger"), "r.md"));
        assert_eq!(it.summary, "7 of ledger");
        let states: Vec<(String, f64)> = ask("count by (alertstate) (ALERTS)", at);
        assert_eq!(states, [("{alertstate=\"firing\"}".to_owned(), 1.0)], "the other state has ended");
        let status = app.alerts.prometheus.status();
        assert_eq!((status.len(), status[1].alerts, &status[1].wrong), (2, 1, &None), "{status:?}");
        for _ in 0..30 {
            let (alerts, _) = step(much);
            assert_eq!((alerts.len(), alerts[0].state), (1, Standing::Firing), "one, for as long as it is there");
        }
        let (alerts, at) = step("x{at=\"pay\"} 1\n");
        assert_eq!((alerts.len(), alerts[0].state), (1, Standing::Resolved));
        let none: Vec<(String, f64)> = ask("ALERTS", at);
        assert_eq!(none, []);
        let none: Vec<(String, f64)> = ask("x:sum{at=\"ledger\"}", at);
        assert_eq!(none, [], "what is not recorded any more has ended");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_rule_that_cannot_be_answered_is_named_and_others_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let started = crate::tests::started(dir.path()).await;
        let app: &Arc<App> = &started.app;
        let two = "groups:\n  - name: one\n    rules:\n      - { record: a, expr: \"x / on () x\" }\n      - { record: b, expr: count(x) }\n";
        app.alerts.set_rules(&fleet(app, two));
        let now = bartizan_runtime::clock::now();
        app.series.take("x{at=\"a\"} 1\nx{at=\"b\"} 1\n", i64::try_from(now.as_millis()).unwrap());
        app.alerts.prometheus.step(app, now);
        let status = app.alerts.prometheus.status();
        assert!(status[0].wrong.as_deref().is_some_and(|it| !it.is_empty()) && status[1].wrong.is_none(), "{status:?}");
        assert_eq!(app.alerts.prometheus.asked(), Asked { asked: 2, failed: 1 });
        // A reload that takes the rule out ends what it told of.
        app.alerts.set_rules(&fleet(app, "groups: []"));
        assert_eq!(app.alerts.prometheus.status(), []);
    }
}
