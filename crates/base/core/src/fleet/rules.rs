//! Files of alert rules, which lie in the folder that `alerts:` of the fleet file names.

use super::Fleet;
use super::document;
use super::node::Node;
use super::reader::{At, Field, Named, Read, Report, Reported, Spot, did_you_mean};
use super::report::FleetErrors;
use crate::alerts::{Bound, Condition, Measure, Rule, Severity, Urgency};
use crate::event::{Class, Upshot};
use crate::indicator::{Goal, Indicator};
use crate::limits::{
    ALERT_LABELS_MAX, ALERT_RULES_FILE_BYTES_MAX, ALERT_RULES_MAX, ALERT_WITHIN_MAX, ALERT_WORDS_BYTES_MAX,
};
use crate::moment;
use crate::name::{GATEWAY, ServiceName};
use schemars::JsonSchema;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an alert stays after its cause is gone, where its rule does not say: long enough for a value at its limit.
const KEEP: Duration = Duration::from_secs(10);

/// Rules that make alerts.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AlertRules", deny_unknown_fields, title = "Bartizan alert rules")]
struct RawRules {
    /// Version of this form; 1.
    #[schemars(with = "u32", range(min = 1, max = 1))]
    version: Field<String>,
    /// The rules. One with the name of a rule that comes with the product takes its place.
    #[schemars(with = "Vec<RawRule>", length(max = ALERT_RULES_MAX))]
    rules: Field<Vec<Result<RawRule, Reported>>>,
    #[schemars(skip)]
    spot: Spot,
}

/// One rule.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AlertRule", deny_unknown_fields)]
struct RawRule {
    /// Its name, unique: letters and digits.
    #[schemars(regex(pattern = "^[A-Za-z][A-Za-z0-9]*$"), length(max = ALERT_WORDS_BYTES_MAX))]
    name: Field<String>,
    /// What is wrong, in a sentence; `{service}`, `{value}` and `{threshold}` stand for what they say.
    #[schemars(length(min = 1))]
    summary: Field<String>,
    /// Who answers for it.
    #[schemars(length(min = 1))]
    owner: Field<String>,
    /// How bad it is.
    #[schemars(with = "Severity")]
    severity: Field<String>,
    /// Who has to know.
    #[schemars(with = "Urgency")]
    urgency: Field<String>,
    /// Where it stands what to do: a path with its section, or an address.
    #[schemars(length(min = 1))]
    runbook: Field<String>,
    /// When it is there.
    when: Field<RawWhen>,
    /// For how long before somebody is told, such as `1m`; at once where left out.
    #[schemars(default, rename = "for", regex(pattern = "^[0-9]+[smhd]$"))]
    hold: Field<String>,
    /// For how long it has to be gone before it is over; `10s` where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[smhd]$"))]
    keep: Field<String>,
    /// The only services that it is for; all where left out.
    #[schemars(default, with = "Vec<String>")]
    services: Field<Vec<Read<String>>>,
    /// What is added to what it tells.
    #[schemars(default, with = "BTreeMap<String, String>")]
    labels: Field<Named<Read<String>>>,
    /// Whether it may be a mere consequence of a callee that is away, and is muted then; false where left out.
    #[schemars(default, with = "bool")]
    symptom: Field<String>,
    /// Whether the service is away while it fires, so that symptoms of its callers are muted; false where left out.
    #[schemars(default, with = "bool")]
    away: Field<String>,
    /// Names of rules that say the same of a place with less weight; they are muted there while this one is there.
    #[schemars(default, with = "Vec<String>")]
    covers: Field<Vec<Read<String>>>,
    /// For how long after a change of the service nobody is paged, such as `2m`; not at all where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[smhd]$"))]
    deploy_grace: Field<String>,
    #[schemars(skip)]
    spot: Spot,
}

/// When an alert is there: one of `burn`, `ratio`, `events` and `measure`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AlertWhen", deny_unknown_fields)]
struct RawWhen {
    /// The indicator whose error budget burns so fast that somebody of the rule's urgency has to know.
    #[schemars(default, regex(pattern = "^M(1|2|3|9)$"))]
    burn: Field<String>,
    /// The indicator of which more than `above` is bad.
    #[schemars(default, regex(pattern = "^M(1|2|3|9)$"))]
    ratio: Field<String>,
    /// Which events are counted, for each service.
    #[schemars(default)]
    events: Field<RawEventsOf>,
    /// What is measured.
    #[schemars(default, with = "Measure")]
    measure: Field<String>,
    /// With `ratio`: percent, such as `20 %`. With `measure`: a number.
    #[schemars(default, with = "String")]
    above: Field<String>,
    /// With `measure`: a number.
    #[schemars(default, with = "f64")]
    below: Field<String>,
    /// With `events` and `ratio`: so many at least.
    #[schemars(default, with = "u64", range(min = 1))]
    at_least: Field<String>,
    /// With `events` and `ratio`: in this time until now, such as `5m`.
    #[schemars(default, regex(pattern = "^[0-9]+[smh]$"))]
    within: Field<String>,
    #[schemars(skip)]
    spot: Spot,
}

/// Which events are counted.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AlertEvents", deny_unknown_fields)]
struct RawEventsOf {
    /// Their class, such as `request`.
    #[schemars(default)]
    class: Field<String>,
    /// How they came out: `ok`, `denied` or `failed`.
    #[schemars(default)]
    outcome: Field<String>,
    /// The word of their class, such as `not_signed_in` of `person`, `new` of `egress`, `refused` of `config`.
    #[schemars(default)]
    kind: Field<String>,
}

impl RawRules {
    const KEYS: &[&str] = &["version", "rules"];
}

impl RawRule {
    const KEYS: &[&str] = &[
        "name",
        "summary",
        "owner",
        "severity",
        "urgency",
        "runbook",
        "when",
        "for",
        "keep",
        "services",
        "labels",
        "symptom",
        "away",
        "covers",
        "deploy_grace",
    ];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            name: fields.text("name"),
            summary: fields.text("summary"),
            owner: fields.text("owner"),
            severity: fields.text("severity"),
            urgency: fields.text("urgency"),
            runbook: fields.text("runbook"),
            when: fields.take("when", RawWhen::read),
            hold: fields.take("for", Report::scalar),
            keep: fields.take("keep", Report::scalar),
            services: fields.take("services", |report, node, key| report.list(node, key, Report::text)),
            labels: fields.take("labels", |report, node, key| report.named(node, key, Report::scalar)),
            symptom: fields.take("symptom", Report::scalar),
            away: fields.take("away", Report::scalar),
            covers: fields.take("covers", |report, node, key| report.list(node, key, Report::text)),
            deploy_grace: fields.take("deploy_grace", Report::scalar),
            spot: fields.spot,
        })
    }
}

impl RawWhen {
    const KEYS: &[&str] = &["burn", "ratio", "events", "measure", "above", "below", "at_least", "within"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let spot = fields.spot.clone();
        let value = Self {
            burn: fields.text("burn"),
            ratio: fields.text("ratio"),
            events: fields.take("events", RawEventsOf::read),
            measure: fields.text("measure"),
            above: fields.take("above", Report::scalar),
            below: fields.take("below", Report::scalar),
            at_least: fields.take("at_least", Report::scalar),
            within: fields.take("within", Report::scalar),
            spot: spot.clone(),
        };
        Ok(At { value, spot })
    }
}

impl RawEventsOf {
    const KEYS: &[&str] = &["class", "outcome", "kind"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self { class: fields.text("class"), outcome: fields.text("outcome"), kind: fields.text("kind") };
        Ok(At { value, spot: fields.spot })
    }
}

/// The JSON Schema of a file of rules, for editors.
pub fn rules_schema() -> String {
    super::raw::sorted_schema(schemars::schema_for!(RawRules))
}

/// Parses and checks a file of rules. `file` is its name for messages; without a fleet, names of services are taken as they are.
///
/// # Errors
/// Everything that is wrong with it. No part of a file with an error is of use.
pub fn parse_rules(text: &str, file: &str, fleet: Option<&Fleet>) -> Result<Vec<Rule>, FleetErrors> {
    let mut report = Report::new(file, text);
    let rules = read(&mut report, text).and_then(|raw| check(&mut report, raw, file, fleet));
    report.finish()?;
    Ok(rules.expect("what failed is in the report, which was empty"))
}

fn read(report: &mut Report<'_>, text: &str) -> Result<RawRules, Reported> {
    let root = document::root(report, text, ALERT_RULES_FILE_BYTES_MAX, "`version: 1` and `rules:`")?;
    let mut fields = report.fields(root, String::new(), RawRules::KEYS)?;
    Ok(RawRules {
        version: fields.take("version", Report::scalar),
        rules: fields.take("rules", |report, node, key| report.list(node, key, RawRule::read)),
        spot: fields.spot,
    })
}

fn check(report: &mut Report<'_>, raw: RawRules, file: &str, fleet: Option<&Fleet>) -> Result<Vec<Rule>, Reported> {
    let RawRules { version, rules, spot } = raw;
    let version = document::version(report, version, &spot);
    let rules = super::check::required(report, rules, &spot, "rules", "list them, or delete the file")?;
    if rules.value.len() > ALERT_RULES_MAX {
        let problem = format!("{} rules, more than the {ALERT_RULES_MAX} that are evaluated", rules.value.len());
        return Err(report.refuse(&rules.spot, problem, "leave out those that nobody would act on"));
    }
    let mut seen = BTreeMap::new();
    let mut all = Vec::new();
    for raw in rules.value {
        let rule = raw.and_then(|raw| {
            let spot = raw.spot.clone();
            let rule = rule(report, raw, file, fleet)?;
            if let Some(line) = seen.insert(rule.name.clone(), spot.place.line) {
                let problem = format!("rule `{}` is there already, in line {line}", rule.name);
                return Err(report.refuse(&spot, problem, "give each a name of its own"));
            }
            Ok(rule)
        });
        all.push(rule);
    }
    version.and(all.into_iter().collect())
}

fn rule(report: &mut Report<'_>, raw: RawRule, file: &str, fleet: Option<&Fleet>) -> Result<Rule, Reported> {
    let RawRule {
        name,
        summary,
        owner,
        severity,
        urgency,
        runbook,
        when,
        hold,
        keep,
        services,
        labels,
        symptom,
        away,
        covers,
        deploy_grace,
        spot,
    } = raw;
    let required = super::check::required::<String>;
    let name =
        required(report, name, &spot, "name", "name it, such as `name: ManyDenied`").and_then(|at| name_of(report, at));
    let summary =
        required(report, summary, &spot, "summary", "say in a sentence what is wrong").and_then(|at| words(report, at));
    let owner =
        required(report, owner, &spot, "owner", "name who answers for it: an alert of nobody is read by nobody")
            .and_then(|at| words(report, at));
    let severity = required(report, severity, &spot, "severity", "write `critical`, `high`, `medium` or `low`")
        .and_then(|at| {
            Severity::parse(&at.value).ok_or_else(|| {
                report.refuse_value(&at, "not a severity", "write `critical`, `high`, `medium` or `low`")
            })
        });
    let urgency = required(
        report,
        urgency,
        &spot,
        "urgency",
        "write `page` (somebody, now) or `ticket` (somebody, on a working day)",
    )
    .and_then(|at| {
        Urgency::parse(&at.value).ok_or_else(|| report.refuse_value(&at, "not an urgency", "write `page` or `ticket`"))
    });
    let runbook =
        required(report, runbook, &spot, "runbook", "link what is to be done, such as `runbooks.md#manydenied`")
            .and_then(|at| words(report, at));
    let when = super::check::required(
        report,
        when,
        &spot,
        "when",
        "say when it is there: `burn`, `ratio`, `events` or `measure`",
    )
    .and_then(|at| condition(report, at));
    let hold = time(report, hold, Duration::ZERO);
    let keep = time(report, keep, KEEP);
    let services = services.optional().and_then(|at| at.map(|at| services_of(report, at, fleet)).transpose());
    let labels = labels.optional().and_then(|at| at.map(|at| labels_of(report, at)).transpose());
    let symptom = super::check::truth(report, symptom);
    let away = super::check::truth(report, away);
    let covers = covers.optional().and_then(|at| at.map(|at| covered(report, at, name.as_ref().ok())).transpose());
    let deploy_grace = time(report, deploy_grace, Duration::ZERO);
    let (urgency, severity) = (urgency?, severity?);
    if urgency == Urgency::Page && severity == Severity::Low {
        let way_out = "make it a ticket, or say how it is worse than low";
        return Err(report.refuse(&spot, "pages somebody for what is of low severity", way_out));
    }
    Ok(Rule {
        name: name?,
        summary: summary?,
        owner: owner?,
        severity,
        urgency,
        runbook: runbook?,
        when: when?,
        for_s: hold?.as_secs(),
        keep_s: keep?.as_secs(),
        services: services?.unwrap_or_default(),
        labels: labels?.unwrap_or_default(),
        symptom: symptom?.unwrap_or_default(),
        away: away?.unwrap_or_default(),
        covers: covers?.unwrap_or_default(),
        deploy_grace_s: deploy_grace?.as_secs(),
        place: format!("{file}:{}", spot.place.line),
    })
}

fn condition(report: &mut Report<'_>, at: At<RawWhen>) -> Result<Condition, Reported> {
    let RawWhen { burn, ratio, events, measure, above, below, at_least, within, spot } = at.value;
    let said = [
        !matches!(burn, Field::Absent),
        !matches!(ratio, Field::Absent),
        !matches!(events, Field::Absent),
        !matches!(measure, Field::Absent),
    ];
    if said.iter().filter(|it| **it).count() != 1 {
        return Err(report.refuse(
            &spot,
            "has to have one of `burn`, `ratio`, `events` and `measure`",
            "make a rule for each",
        ));
    }
    let has = |field: &Field<String>| !matches!(field, Field::Absent);
    let needs_count = said[1] || said[2];
    if !needs_count && (has(&at_least) || has(&within)) {
        return Err(report.refuse(&spot, "has `at_least` or `within` with what is not counted", "delete them"));
    }
    if !said[3] && has(&below) || !said[1] && !said[3] && has(&above) {
        return Err(report.refuse(&spot, "has `above` or `below` with what has no value", "delete them"));
    }
    let counted = |report: &mut Report<'_>, at_least: Field<String>, within: Field<String>| {
        let least = super::check::required(report, at_least, &spot, "at_least", "say how many, such as `at_least: 20`")
            .and_then(|at| {
                let read = at.value.parse().ok().filter(|count: &u64| *count > 0);
                read.ok_or_else(|| report.refuse_value(&at, "not a count from 1 on", ""))
            });
        let within = super::check::required(report, within, &spot, "within", "say in which time, such as `within: 5m`")
            .and_then(|at| {
                let read = moment::span(&at.value).filter(|span| *span <= ALERT_WITHIN_MAX && !span.is_zero());
                read.ok_or_else(|| {
                    report.refuse_value(&at, "not a time from 1s to 24h", "write it as `30s`, `5m` or `2h`")
                })
            });
        Ok((least?, within?.as_secs()))
    };
    if let Some(at) = burn.optional()? {
        return indicator(report, &at).map(|indicator| Condition::Burn { indicator });
    }
    if let Some(at) = ratio.optional()? {
        let indicator = indicator(report, &at);
        let above =
            super::check::required(report, above, &spot, "above", "say more than which share, such as `above: 20 %`")
                .and_then(|at| {
                    let percent = at.value.strip_suffix('%').and_then(|it| it.trim_end().parse::<f64>().ok());
                    let share = percent.map(|it| it / 100.0).filter(|it| (0.0..1.0).contains(it));
                    share.ok_or_else(|| {
                        report.refuse_value(&at, "not a share from 0 % to less than 100 %", "write it as `20 %`")
                    })
                });
        let (of_at_least, within_s) = counted(report, at_least, within)?;
        return Ok(Condition::Ratio { indicator: indicator?, above: above?, of_at_least, within_s });
    }
    if let Some(at) = events.optional()? {
        let of = events_of(report, at);
        let (at_least, within_s) = counted(report, at_least, within)?;
        let (class, outcome, kind) = of?;
        return Ok(Condition::Events { class, outcome, kind, at_least, within_s });
    }
    let at = super::check::required(report, measure, &spot, "measure", "")?;
    let measure = Measure::ALL.into_iter().find(|it| it.as_str() == at.value).ok_or_else(|| {
        let near = report.nearest(&at.value, Measure::ALL.iter().map(|it| it.as_str()));
        let known = Measure::ALL.map(Measure::as_str).join(", ");
        let way_out = did_you_mean(near, &format!("known: {known}"));
        report.refuse_value(&at, "not measured", way_out)
    });
    let number = |report: &mut Report<'_>, at: &At<String>| {
        let read = at.value.parse::<f64>().ok().filter(|it| it.is_finite() && *it >= 0.0);
        read.ok_or_else(|| report.refuse_value(at, "not a number from 0 on", ""))
    };
    let limit = match (above.optional()?, below.optional()?) {
        (Some(at), None) => number(report, &at).map(Bound::Above),
        (None, Some(at)) => number(report, &at).map(Bound::Below),
        _ => {
            Err(report.refuse(&spot, "has to have one of `above` and `below`", "say on which side of what it is wrong"))
        }
    };
    Ok(Condition::Measured { measure: measure?, limit: limit? })
}

/// Class, outcome and word.
type EventsOf = (Option<Class>, Option<Upshot>, Option<String>);

fn events_of(report: &mut Report<'_>, at: At<RawEventsOf>) -> Result<EventsOf, Reported> {
    let RawEventsOf { class, outcome, kind } = at.value;
    let class = class.optional().and_then(|at| {
        let of = |at: At<String>| {
            Class::parse(&at.value).ok_or_else(|| {
                let near = report.nearest(&at.value, Class::ALL.iter().map(|it| it.as_str()));
                let known = Class::ALL.map(Class::as_str).join(", ");
                let way_out = did_you_mean(near, &format!("known: {known}"));
                report.refuse_value(&at, "no class of events", way_out)
            })
        };
        at.map(of).transpose()
    });
    let outcome = outcome.optional().and_then(|at| {
        let of = |at: At<String>| {
            Upshot::parse(&at.value)
                .ok_or_else(|| report.refuse_value(&at, "no outcome", "write `ok`, `denied` or `failed`"))
        };
        at.map(of).transpose()
    });
    let kind = kind.optional().and_then(|at| at.map(|at| words(report, at)).transpose());
    let (class, outcome, kind) = (class?, outcome?, kind?);
    if class.is_none() && outcome.is_none() {
        return Err(report.refuse(&at.spot, "would count every event", "name `class` or `outcome`"));
    }
    Ok((class, outcome, kind))
}

fn indicator(report: &mut Report<'_>, at: &At<String>) -> Result<Indicator, Reported> {
    let it = Indicator::ALL.into_iter().find(|it| it.id() == at.value);
    let divided = it.filter(|it| it.has_source() && matches!(it.goal(), Goal::Share(_)));
    divided.ok_or_else(|| {
        report.refuse_value(
            at,
            "no indicator with a share",
            "write M1, M2, M3 or M9; count what M8 counts with `events`",
        )
    })
}

fn name_of(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let plain = at.value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let begins = at.value.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if !plain || !begins || at.value.len() > ALERT_WORDS_BYTES_MAX {
        return Err(report.refuse_value(&at, "not a name", "letters and digits, a letter first, such as `ManyDenied`"));
    }
    Ok(at.value)
}

fn time(report: &mut Report<'_>, field: Field<String>, otherwise: Duration) -> Result<Duration, Reported> {
    let Some(at) = field.optional()? else { return Ok(otherwise) };
    let read = moment::span(&at.value).filter(|span| *span <= ALERT_WITHIN_MAX);
    read.ok_or_else(|| report.refuse_value(&at, "not a time up to 24h", "write it as `30s`, `5m` or `2h`"))
}

fn services_of(
    report: &mut Report<'_>,
    at: At<Vec<Read<String>>>,
    fleet: Option<&Fleet>,
) -> Result<Vec<ServiceName>, Reported> {
    let all: Vec<Result<ServiceName, Reported>> = at.value.into_iter().map(|at| service(report, &at?, fleet)).collect();
    all.into_iter().collect()
}

/// Names of other rules. Whether they are there is not asked: a fleet may have taken one out.
fn covered(report: &mut Report<'_>, at: At<Vec<Read<String>>>, own: Option<&String>) -> Result<Vec<String>, Reported> {
    let mut name = |at: At<String>| {
        if Some(&at.value) == own {
            return Err(report.refuse_value(&at, "the rule itself: it would mute itself", "name another rule"));
        }
        name_of(report, at)
    };
    let all: Vec<Result<String, Reported>> = at.value.into_iter().map(|at| name(at?)).collect();
    all.into_iter().collect()
}

/// A service of the fleet.
pub(super) fn service(
    report: &mut Report<'_>,
    at: &At<String>,
    fleet: Option<&Fleet>,
) -> Result<ServiceName, Reported> {
    let name = ServiceName::parse(&at.value)
        .map_err(|e| report.refuse_value(at, format!("not a service name: {}", e.why), ""))?;
    let Some(fleet) = fleet else { return Ok(name) };
    if fleet.services.contains_key(&name) || name.as_str() == GATEWAY && fleet.gateway.is_some() {
        return Ok(name);
    }
    let near = report.nearest(&at.value, fleet.services.keys().map(ServiceName::as_str));
    let way_out = did_you_mean(near, "name a service of the fleet file, or `gateway`");
    Err(report.refuse_value(at, "no such service", way_out))
}

pub(super) fn labels_of(
    report: &mut Report<'_>,
    at: At<Named<Read<String>>>,
) -> Result<BTreeMap<String, String>, Reported> {
    if at.value.len() > ALERT_LABELS_MAX {
        let problem = format!("more than {ALERT_LABELS_MAX} labels");
        return Err(report.refuse(&at.spot, problem, "keep those by which alerts are routed"));
    }
    let one = |(name, value): (At<String>, Read<String>)| {
        let value = value?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.value.is_empty() || !name.value.bytes().all(plain) || name.value.len() > ALERT_WORDS_BYTES_MAX {
            return Err(report.refuse(&name.spot, "not the name of a label", "lower-case letters, digits and `_`"));
        }
        if ["alertname", "service", "severity", "urgency", "owner", "place"].contains(&name.value.as_str()) {
            return Err(report.refuse(&name.spot, "every alert has that label already", "choose another name"));
        }
        Ok((name.value, words(report, value)?))
    };
    let all: Vec<_> = at.value.into_iter().map(one).collect();
    all.into_iter().collect()
}

/// A text that says something, and not a book.
fn words(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    const BYTES_MAX: usize = 512;
    if at.value.trim().is_empty() {
        return Err(report.refuse_value(&at, "is empty", "write it"));
    }
    if at.value.len() > BYTES_MAX {
        return Err(report.refuse_value(
            &at,
            format!("longer than {BYTES_MAX} bytes"),
            "the runbook is the place for more",
        ));
    }
    Ok(at.value)
}
