//! The rules that we ship for a Prometheus, and its tests of them: `promtool test rules` passes them, and so do we.

use bartizan_core::fleet::parse_prometheus_rules;
use bartizan_promql::rules::{Recorder, Rule, Rules};
use bartizan_promql::{Error, Labels, Loaded, Matcher, Memory, Sample, Series, Source, compile, duration, notation};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../monitoring/prometheus").canonicalize().unwrap()
}

fn yaml(name: &str) -> Json {
    serde_saphyr::from_str(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

/// Every rule of our files, read as control reads them. None of them goes beyond the subset.
fn rules() -> Vec<Rule> {
    let group = |name: &str| {
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        parse_prometheus_rules(&text, name).unwrap_or_else(|errors| panic!("{errors}"))
    };
    let groups = ["bartizan.rules.yml", "bartizan.alerts.yml"].map(group).concat();
    compile(&groups).unwrap_or_else(|errors| panic!("{errors:?}")).concat()
}

/// Series of a test, of which those to come are not to be seen, and what rules recorded.
struct World {
    given: Memory,
    recorded: BTreeMap<Labels, Vec<Sample>>,
}

impl Source for World {
    fn select(&self, matchers: &[Matcher], from: i64, to: i64, room: &mut Loaded) -> Result<Vec<Series>, Error> {
        let recorded =
            self.recorded.iter().map(|(labels, samples)| Series { labels: labels.clone(), samples: samples.clone() });
        let mut found = self.given.select(matchers, from, to, room)?;
        found.extend(Memory(recorded.collect()).select(matchers, from, to, room)?);
        Ok(found)
    }
}

impl Recorder for World {
    fn record(&mut self, at_ms: i64, labels: Labels, value: f64) {
        self.recorded.entry(labels).or_default().push(Sample { at_ms, value });
    }
}

fn labels(of: &Json) -> BTreeMap<String, String> {
    let all = of.as_object().into_iter().flatten();
    all.map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
}

#[test]
fn our_rules_for_prometheus_give_the_alerts_that_promtool_expects() {
    let (tests, mut compared, mut came) = (yaml("tests.yml"), 0, 0);
    let every_ms = duration::read(tests["evaluation_interval"].as_str().unwrap()).unwrap();
    for test in tests["tests"].as_array().unwrap() {
        let interval_ms = duration::read(test["interval"].as_str().unwrap()).unwrap();
        let one = |it: &Json| {
            let (name, values) = (it["series"].as_str().unwrap(), it["values"].as_str().unwrap());
            notation::series(name, values, 0, interval_ms).unwrap_or_else(|why| panic!("{name} {values}: {why}"))
        };
        let given = Memory(test["input_series"].as_array().unwrap().iter().map(one).collect());
        let mut world = World { given, recorded: BTreeMap::new() };
        let (mut rules, mut at_ms) = (Rules::new(rules()), 0);
        let expected = test["alert_rule_test"].as_array().unwrap();
        let time = |it: &Json| duration::read(it["eval_time"].as_str().unwrap()).unwrap();
        let last_ms = expected.iter().map(time).max().unwrap();
        while at_ms <= last_ms {
            let (alerts, wrong) = rules.step(at_ms, &mut world);
            assert!(wrong.is_empty(), "{}: {wrong:?}", test["name"]);
            for it in expected.iter().filter(|it| time(it) == at_ms) {
                let name = it["alertname"].as_str().unwrap();
                let firing = alerts.iter().filter(|alert| alert.fires && alert.labels.get("alertname") == name);
                let mut ours: Vec<_> = firing
                    .map(|alert| {
                        let labels = alert.labels.iter().filter(|(name, _)| *name != "alertname");
                        let labels: BTreeMap<String, String> =
                            labels.map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
                        (labels, alert.annotations.clone())
                    })
                    .collect();
                let theirs = it["exp_alerts"].as_array().unwrap().iter();
                let mut theirs: Vec<_> =
                    theirs.map(|it| (labels(&it["exp_labels"]), labels(&it["exp_annotations"]))).collect();
                ours.sort();
                theirs.sort();
                assert_eq!(ours, theirs, "{}: {name} after {}", test["name"], duration::write(at_ms));
                compared += 1;
                came += theirs.len();
            }
            at_ms += every_ms;
        }
    }
    assert!(compared >= 25 && came >= 14, "{compared} {came}");
}

#[test]
fn an_alert_that_is_gone_is_kept_for_as_long_as_its_rule_says() {
    let text = "groups: [{ name: a, rules: [{ alert: A, expr: up == 0, for: 1m, keep_firing_for: 2m, labels: { owner: o, severity: page }, annotations: { summary: s, runbook: r } }] }]";
    let compiled = compile(&parse_prometheus_rules(text, "a.yml").unwrap()).unwrap().concat();
    // Down for two minutes, up for one, down for one, then up.
    let given = notation::series("up", "0 0 0 1 0 1 1 1 1", 0, 60_000).unwrap();
    let mut world = World { given: Memory(vec![given]), recorded: BTreeMap::new() };
    let mut rules = Rules::new(compiled);
    let states: Vec<&str> = (0..9)
        .map(|minute| match rules.step(minute * 60_000, &mut world).0.first() {
            Some(alert) if alert.fires => "fires",
            Some(_) => "waits",
            None => "-",
        })
        .collect();
    assert_eq!(states, ["waits", "fires", "fires", "fires", "fires", "fires", "fires", "-", "-"]);
}
