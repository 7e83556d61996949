//! Files of rules in the form of Prometheus, which lie where `alerts.prometheus_rules` of the fleet file says.
//!
//! What a rule asks is PromQL, which `bartizan-promql` reads. Here is the form, and the lint that every alert of ours passes: nobody is told
//! of what has no owner, no severity and nothing that could be done.

use super::document;
use super::node::Node;
use super::reader::{At, Field, Named, Read, Report, Reported, Spot};
use super::report::FleetErrors;
use crate::limits::{
    ALERT_LABELS_MAX, ALERT_RULES_FILE_BYTES_MAX, ALERT_WORDS_BYTES_MAX, PROMETHEUS_EXPR_BYTES_MAX,
    PROMETHEUS_RULES_MAX, PROMETHEUS_TEXT_BYTES_MAX,
};
use crate::prometheus_rules::{Does, Group, Rule, Said};
use std::collections::BTreeMap;

/// Words of severity that alerts from outside may have, and that mean something here.
const SEVERITIES: &[&str] = &["critical", "high", "medium", "low", "page", "ticket", "error", "warning", "info"];

struct RawGroup {
    name: Field<String>,
    interval: Field<String>,
    rules: Field<Vec<Result<RawRule, Reported>>>,
    spot: Spot,
}

struct RawRule {
    record: Field<String>,
    alert: Field<String>,
    expr: Field<String>,
    hold: Field<String>,
    keep: Field<String>,
    labels: Field<Named<Read<String>>>,
    annotations: Field<Named<Read<String>>>,
    spot: Spot,
}

impl RawGroup {
    const KEYS: &[&str] = &["name", "interval", "rules"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            name: fields.take("name", Report::scalar),
            interval: fields.take("interval", Report::scalar),
            rules: fields.take("rules", |report, node, key| report.list(node, key, RawRule::read)),
            spot: fields.spot,
        })
    }
}

impl RawRule {
    const KEYS: &[&str] = &["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let texts = |report: &mut Report<'_>, node, key| report.named(node, key, Report::scalar);
        Ok(Self {
            record: fields.take("record", Report::scalar),
            alert: fields.take("alert", Report::scalar),
            // A number is a query, too.
            expr: fields.take("expr", Report::scalar),
            hold: fields.take("for", Report::scalar),
            keep: fields.take("keep_firing_for", Report::scalar),
            labels: fields.take("labels", texts),
            annotations: fields.take("annotations", texts),
            spot: fields.spot,
        })
    }
}

/// Parses and checks a file of rules in the form of Prometheus. `file` is its name for messages.
///
/// # Errors
/// Everything that is wrong with it but its PromQL. No part of a file with an error is of use.
pub fn parse_prometheus_rules(text: &str, file: &str) -> Result<Vec<Group>, FleetErrors> {
    let mut report = Report::new(file, text);
    let groups = read(&mut report, text).and_then(|(raw, spot)| check(&mut report, raw, &spot, file));
    report.finish()?;
    Ok(groups.expect("what failed is in the report, which was empty"))
}

type Groups = Field<Vec<Result<RawGroup, Reported>>>;

fn read(report: &mut Report<'_>, text: &str) -> Result<(Groups, Spot), Reported> {
    let root = document::root(report, text, ALERT_RULES_FILE_BYTES_MAX, "`groups:`")?;
    let mut fields = report.fields(root, String::new(), &["groups"])?;
    let groups = fields.take("groups", |report, node, key| report.list(node, key, RawGroup::read));
    Ok((groups, fields.spot))
}

fn check(report: &mut Report<'_>, raw: Groups, spot: &Spot, file: &str) -> Result<Vec<Group>, Reported> {
    let groups = super::check::required(report, raw, spot, "groups", "list them, or delete the file")?;
    let mut seen = BTreeMap::new();
    let mut all = Vec::new();
    for raw in groups.value {
        all.push(raw.and_then(|raw| {
            let spot = raw.spot.clone();
            let group = group(report, raw, file)?;
            if let Some(line) = seen.insert(group.name.clone(), spot.place.line) {
                let problem = format!("group `{}` is there already, in line {line}", group.name);
                return Err(report.refuse(&spot, problem, "give each a name of its own"));
            }
            Ok(group)
        }));
    }
    let all: Vec<Group> = all.into_iter().collect::<Result<_, _>>()?;
    let count: usize = all.iter().map(|it| it.rules.len()).sum();
    if count > PROMETHEUS_RULES_MAX {
        let problem = format!("{count} rules, more than the {PROMETHEUS_RULES_MAX} that are evaluated");
        return Err(report.refuse(&groups.spot, problem, "leave out those that nobody would act on"));
    }
    Ok(all)
}

fn group(report: &mut Report<'_>, raw: RawGroup, file: &str) -> Result<Group, Reported> {
    let RawGroup { name, interval, rules, spot } = raw;
    let name = super::check::required(report, name, &spot, "name", "name the group").and_then(|at| word(report, at));
    let interval = interval.optional();
    let rules = super::check::required(report, rules, &spot, "rules", "list them, or delete the group")?;
    let rules: Vec<Result<Rule, Reported>> =
        rules.value.into_iter().map(|raw| raw.and_then(|raw| rule(report, raw))).collect();
    let interval = interval?.map(said);
    Ok(Group { name: name?, file: file.to_owned(), interval, rules: rules.into_iter().collect::<Result<_, _>>()? })
}

fn rule(report: &mut Report<'_>, raw: RawRule) -> Result<Rule, Reported> {
    let RawRule { record, alert, expr, hold, keep, labels, annotations, spot } = raw;
    let expr = super::check::required(report, expr, &spot, "expr", "say in PromQL what is asked")
        .and_then(|at| text(report, at, PROMETHEUS_EXPR_BYTES_MAX));
    let labels = texts(report, labels);
    let annotations = texts(report, annotations);
    let (hold, keep) = (hold.optional(), keep.optional());
    let (name, does) = match (record.optional()?, alert.optional()?) {
        (Some(at), None) => {
            for extra in [&hold, &keep].into_iter().filter_map(|it| it.as_ref().ok()?.as_ref()) {
                report.refuse(&extra.spot, "is for alerts alone", "delete it: the rule records");
            }
            if annotations.as_ref().is_ok_and(|it| !it.is_empty()) {
                report.refuse(&spot, "has `annotations`, which nobody reads of what is recorded", "delete them");
            }
            (metric(report, at)?, Does::Record)
        }
        (None, Some(at)) => {
            let (labels, annotations) = (labels.as_ref(), annotations?);
            let name = word(report, at);
            if let Ok(labels) = labels {
                lint(report, &spot, labels, &annotations)?;
            }
            (name?, Does::Alert { hold: hold?.map(said), keep: keep?.map(said), annotations })
        }
        _ => return Err(report.refuse(&spot, "has to have one of `record` and `alert`", "make a rule for each")),
    };
    Ok(Rule { name, line: spot.place.line, expr: expr?, does, labels: labels? })
}

/// What every alert of ours has to have.
fn lint(
    report: &mut Report<'_>,
    spot: &Spot,
    labels: &[(String, Said)],
    annotations: &[(String, Said)],
) -> Result<(), Reported> {
    let find =
        |all: &'_ [(String, Said)], names: &[&str]| all.iter().find(|(it, _)| names.contains(&it.as_str())).cloned();
    let mut outcome = Ok(());
    let mut need = |found: bool, what: &str, way_out: &str| {
        if !found {
            outcome = Err(report.refuse(spot, what, way_out));
        }
    };
    need(
        find(labels, &["owner"]).is_some(),
        "has no label `owner`",
        "name who answers for it: an alert of nobody is read by nobody",
    );
    let severity = find(labels, &["severity"]);
    let words = SEVERITIES.join(", ");
    need(severity.is_some(), "has no label `severity`", &format!("one of {words}"));
    need(
        find(annotations, &["summary", "description"]).is_some(),
        "has no annotation `summary`",
        "say in a sentence what is wrong",
    );
    need(
        find(annotations, &["runbook", "runbook_url"]).is_some(),
        "has no annotation `runbook`",
        "link what is to be done, such as `runbooks.md#manydenied`, there or in `runbook_url`",
    );
    if let Some((_, said)) = severity.filter(|(_, said)| !SEVERITIES.contains(&said.text.as_str())) {
        let spot = at(&said);
        outcome = Err(report.refuse_value(&spot, "not a severity that is known", format!("one of {words}")));
    }
    outcome
}

fn texts(report: &mut Report<'_>, field: Field<Named<Read<String>>>) -> Result<Vec<(String, Said)>, Reported> {
    let Some(all) = field.optional()? else { return Ok(Vec::new()) };
    if all.value.len() > ALERT_LABELS_MAX {
        let problem = format!("more than {ALERT_LABELS_MAX} of them");
        return Err(report.refuse(&all.spot, problem, "keep those by which alerts are routed and read"));
    }
    let one = |(name, value): (At<String>, Read<String>)| {
        let value = value?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let begins = name.value.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        if !begins || !name.value.bytes().all(plain) || name.value.len() > ALERT_WORDS_BYTES_MAX {
            return Err(report.refuse(&name.spot, "not a name", "letters, digits and `_`"));
        }
        if name.value == "__name__" {
            return Err(report.refuse(&name.spot, "is the name of the series itself", "write it behind `record:`"));
        }
        Ok((name.value, text(report, value, PROMETHEUS_TEXT_BYTES_MAX)?))
    };
    let all: Vec<Result<(String, Said), Reported>> = all.value.into_iter().map(one).collect();
    all.into_iter().collect()
}

fn text(report: &mut Report<'_>, at: At<String>, bytes_max: usize) -> Result<Said, Reported> {
    if at.value.len() > bytes_max {
        return Err(report.refuse_value(&at, format!("longer than {bytes_max} bytes"), "shorten it"));
    }
    Ok(said(at))
}

fn word(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    if at.value.trim().is_empty() || at.value.len() > ALERT_WORDS_BYTES_MAX || at.value.contains(char::is_control) {
        return Err(report.refuse_value(&at, "not a name", format!("1 to {ALERT_WORDS_BYTES_MAX} bytes on a line")));
    }
    Ok(at.value)
}

/// A name that a series can have.
fn metric(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    let begins = at.value.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if !begins || !at.value.bytes().all(plain) {
        let way_out = "letters, digits, `_` and `:`, such as `bartizan:calls:rate5m`";
        return Err(report.refuse_value(&at, "not a name of a series", way_out));
    }
    word(report, at)
}

fn said(at: At<String>) -> Said {
    Said { text: at.value, key: at.spot.key, line: at.spot.place.line, column: at.spot.place.column }
}

fn at(said: &Said) -> At<String> {
    let place = super::node::Place { line: said.line, column: said.column };
    At { value: said.text.clone(), spot: Spot { place, key: said.key.clone() } }
}
