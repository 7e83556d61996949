//! The file of objectives, which `objectives:` of the fleet file names.

use super::Fleet;
use super::document;
use super::node::Node;
use super::reader::{At, Field, Report, Reported, Spot, did_you_mean, dot};
use super::report::FleetErrors;
use crate::indicator::{Goal, Indicator, Place};
use crate::limits::OBJECTIVES_FILE_BYTES_MAX;
use crate::moment;
use crate::name::{GATEWAY, ServiceName};
use crate::objectives::{BAD_SHARE_MAX, BAD_SHARE_MIN, OBJECTIVES_MAX, Said, WINDOWS, WhenNothing};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// What is asked of indicators, where that is not what is asked everywhere.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Objectives", deny_unknown_fields, title = "Bartizan objectives (slo.yaml)")]
struct RawObjectives {
    /// Version of this form; 1.
    #[schemars(with = "u32", range(min = 1, max = 1))]
    version: Field<String>,
    /// What is said where nothing was counted, for objectives that do not say it themselves.
    #[schemars(default, with = "WhenNothing")]
    when_nothing: Field<String>,
    /// The objectives; each indicator once at each place.
    #[schemars(with = "Vec<RawObjective>", length(max = OBJECTIVES_MAX))]
    objectives: Field<Vec<Result<RawObjective, Reported>>>,
    #[schemars(skip)]
    spot: Spot,
}

/// One objective: of the whole fleet, or of a `service`, or of an `edge`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Objective", deny_unknown_fields)]
struct RawObjective {
    /// Of which indicator: `M1`, `M2`, `M3` or `M9`.
    #[schemars(regex(pattern = "^M(1|2|3|9)$"))]
    indicator: Field<String>,
    /// A service, or `gateway`; the whole fleet where neither this nor `edge` is there.
    #[schemars(default)]
    service: Field<String>,
    /// A declared call, such as `payment -> ledger`; M1 and M3 are counted there.
    #[schemars(default)]
    edge: Field<String>,
    /// `at least 99.95 %` of what succeeds (M1, M2), or `below 0.2 %` of what fails (M3, M9).
    #[schemars(regex(pattern = "^(at least|below) [0-9]+([.][0-9]+)? ?%$"))]
    target: Field<String>,
    /// Time over which it counts, `7d` to `30d`; `30d` where left out.
    #[schemars(default, regex(pattern = "^[0-9]+d$"))]
    window: Field<String>,
    /// What is said where nothing was counted: `unknown`, `met`, or `missed`.
    #[schemars(default, with = "WhenNothing")]
    when_nothing: Field<String>,
    /// Who answers for it.
    #[schemars(length(min = 1))]
    owner: Field<String>,
    /// Why it is another than everybody's.
    #[schemars(length(min = 1))]
    why: Field<String>,
    /// Last day on which it counts, such as `2027-03-31`.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    expires: Field<String>,
    /// `promotion`: while its budget is used up, or burns more than three times too fast, nothing new is put in force. Left out: nothing is locked.
    #[schemars(default, regex(pattern = "^promotion$"))]
    locks: Field<String>,
    #[schemars(skip)]
    spot: Spot,
}

impl RawObjectives {
    const KEYS: &[&str] = &["version", "when_nothing", "objectives"];

    fn read(report: &mut Report<'_>, node: Node) -> Result<Self, Reported> {
        let mut fields = report.fields(node, String::new(), Self::KEYS)?;
        Ok(Self {
            version: fields.take("version", Report::scalar),
            when_nothing: fields.text("when_nothing"),
            objectives: fields.take("objectives", |report, node, key| report.list(node, key, RawObjective::read)),
            spot: fields.spot,
        })
    }
}

impl RawObjective {
    const KEYS: &[&str] =
        &["indicator", "service", "edge", "target", "window", "when_nothing", "owner", "why", "expires", "locks"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            indicator: fields.text("indicator"),
            service: fields.text("service"),
            edge: fields.text("edge"),
            target: fields.take("target", Report::scalar),
            window: fields.take("window", Report::scalar),
            when_nothing: fields.text("when_nothing"),
            owner: fields.text("owner"),
            why: fields.text("why"),
            expires: fields.take("expires", Report::scalar),
            locks: fields.text("locks"),
            spot: fields.spot,
        })
    }
}

/// The JSON Schema of the file, for editors.
pub fn objectives_schema() -> String {
    super::raw::sorted_schema(schemars::schema_for!(RawObjectives))
}

/// Parses and checks a file of objectives. `file` is its name for messages.
///
/// # Errors
/// Everything that is wrong with it. No part of a file with an error is of use.
pub fn parse_objectives(text: &str, file: &str, fleet: &Fleet) -> Result<Vec<Said>, FleetErrors> {
    let mut report = Report::new(file, text);
    let said = read(&mut report, text).and_then(|raw| check(&mut report, raw, fleet));
    report.finish()?;
    Ok(said.expect("what failed is in the report, which was empty"))
}

fn read(report: &mut Report<'_>, text: &str) -> Result<RawObjectives, Reported> {
    let root = document::root(report, text, OBJECTIVES_FILE_BYTES_MAX, "`version: 1` and `objectives:`")?;
    RawObjectives::read(report, root)
}

fn check(report: &mut Report<'_>, raw: RawObjectives, fleet: &Fleet) -> Result<Vec<Said>, Reported> {
    let RawObjectives { version, when_nothing, objectives, spot } = raw;
    let version = document::version(report, version, &spot);
    let for_all = when_nothing.optional().and_then(|at| at.map(|at| nothing(report, &at)).transpose());
    let objectives =
        super::check::required(report, objectives, &spot, "objectives", "list them, or delete the file and its key");
    let (for_all, objectives) = (for_all?, objectives?);
    if objectives.value.len() > OBJECTIVES_MAX {
        let problem = format!("{} objectives, more than the {OBJECTIVES_MAX} that are kept", objectives.value.len());
        return Err(report.refuse(&objectives.spot, problem, "leave to the fleet's what is the same everywhere"));
    }
    let mut seen = BTreeMap::new();
    let mut all = Vec::new();
    for raw in objectives.value {
        let one = raw.and_then(|raw| {
            let spot = raw.spot.clone();
            let said = one(report, raw, for_all, fleet)?;
            if let Some(line) = seen.insert((said.indicator, said.place.clone()), said.line) {
                let problem = format!("{} of {} is there already, in line {line}", said.indicator, said.place);
                return Err(report.refuse(&spot, problem, "keep one of the two"));
            }
            Ok(said)
        });
        all.push(one);
    }
    version.and(all.into_iter().collect())
}

fn one(
    report: &mut Report<'_>,
    raw: RawObjective,
    for_all: Option<WhenNothing>,
    fleet: &Fleet,
) -> Result<Said, Reported> {
    let RawObjective { indicator, service, edge, target, window, when_nothing, owner, why, expires, locks, spot } = raw;
    let required = super::check::required::<String>;
    let indicator = required(report, indicator, &spot, "indicator", "say of which, such as `indicator: M3`")
        .and_then(|at| indicator_of(report, &at));
    let place = place(report, service, edge, &spot, indicator.ok(), fleet);
    let target =
        required(report, target, &spot, "target", "such as `at least 99.95 %`, or `below 0.2 %` for M3 and M9");
    let bad_max = target.and_then(|at| indicator.and_then(|indicator| share(report, &at, indicator)));
    let window = window.optional().and_then(|at| at.map(|at| span(report, &at)).transpose());
    let own = when_nothing.optional().and_then(|at| at.map(|at| nothing(report, &at)).transpose());
    // Every share has a denominator that can be 0: in a quiet week nothing is counted.
    let when_nothing = own.and_then(|own| {
        own.or(for_all).ok_or_else(|| {
            let missing = Spot { place: spot.place, key: dot(&spot.key, "when_nothing") };
            let way_out = "write `when_nothing: unknown` (or `met`, or `missed`) here, or once at the top of the file";
            report.refuse(&missing, "is missing: where nothing is counted there is no share", way_out)
        })
    });
    let owner = required(report, owner, &spot, "owner", "name who answers for it").and_then(|at| words(report, at));
    let why =
        required(report, why, &spot, "why", "say why it is another than everybody's").and_then(|at| words(report, at));
    let expires =
        required(report, expires, &spot, "expires", "name the last day on which it counts, such as `2027-03-31`")
            .and_then(|at| {
                moment::end_of_day(&at.value)
                    .ok_or_else(|| report.refuse_value(&at, "not a day", "write it as `2027-03-31`"))
            });
    let locks = locks.optional().and_then(|at| match at {
        Some(at) if at.value != "promotion" => {
            let way_out = "write `locks: promotion`, or leave it out: nothing is locked then";
            Err(report.refuse_value(&at, "nothing that can be locked", way_out))
        }
        at => Ok(at.is_some()),
    });
    Ok(Said {
        indicator: indicator?,
        place: place?,
        bad_max: bad_max?,
        window_s: window?.unwrap_or(WINDOWS[1].as_secs()),
        when_nothing: when_nothing?,
        owner: owner?,
        why: why?,
        expires: expires?,
        locks_promotion: locks?,
        line: spot.place.line,
    })
}

fn indicator_of(report: &mut Report<'_>, at: &At<String>) -> Result<Indicator, Reported> {
    let it = Indicator::ALL.into_iter().find(|it| it.id() == at.value);
    let Some(it) = it else {
        return Err(report.refuse_value(at, "no such indicator", "M1, M2, M3 and M9 have objectives"));
    };
    if !it.has_source() {
        return Err(report.refuse_value(at, "nothing counts it yet", "M1, M2, M3 and M9 have objectives"));
    }
    if !matches!(it.goal(), Goal::Share(_)) {
        let problem = "a mere count, which nothing divides: there is no share that could be asked for";
        return Err(report.refuse_value(at, problem, "M1, M2, M3 and M9 have objectives; watch M8 with an alert rule"));
    }
    Ok(it)
}

fn place(
    report: &mut Report<'_>,
    service: Field<String>,
    edge: Field<String>,
    spot: &Spot,
    indicator: Option<Indicator>,
    fleet: &Fleet,
) -> Result<Place, Reported> {
    let (service, edge) = (service.optional()?, edge.optional()?);
    let place = match (service, edge) {
        (None, None) => return Ok(Place::Fleet),
        (Some(_), Some(_)) => {
            return Err(report.refuse(spot, "has both `service` and `edge`", "keep one of the two"));
        }
        (Some(at), None) => Place::Service(callee(report, &at, &at.value, fleet)?),
        (None, Some(at)) => {
            let Some((from, to)) = at.value.split_once(" -> ") else {
                return Err(report.refuse_value(&at, "not an edge", "write it as `caller -> callee`"));
            };
            let to = callee(report, &at, to, fleet)?;
            let is_declared = fleet.edges().any(|(caller, callee)| caller.as_str() == from && callee == to);
            if !is_declared && from != "outside" {
                let way_out = "name a call that the fleet file declares; `outside` stands for who has no identity";
                return Err(report.refuse_value(&at, "no such call", way_out));
            }
            Place::Edge(if from == "outside" { String::new() } else { from.to_owned() }, to)
        }
    };
    match (indicator, &place) {
        (Some(Indicator::M9), _) => {
            Err(report.refuse(spot, "M9 is counted for the whole fleet", "delete `service` and `edge`"))
        }
        (Some(it), Place::Edge(..)) if !matches!(it, Indicator::M1 | Indicator::M3) => {
            Err(report.refuse(spot, format!("{it} is not counted for each edge"), "name the called service instead"))
        }
        _ => Ok(place),
    }
}

fn callee(report: &mut Report<'_>, at: &At<String>, name: &str, fleet: &Fleet) -> Result<ServiceName, Reported> {
    let known = |it: &ServiceName| it.as_str() == name;
    if name == GATEWAY && fleet.gateway.is_some() {
        return Ok(ServiceName::gateway());
    }
    if let Some(name) = fleet.services.keys().find(|it| known(it)) {
        return Ok(name.clone());
    }
    let near = report.nearest(name, fleet.services.keys().map(ServiceName::as_str));
    let way_out = did_you_mean(near, "name a service of the fleet file, or `gateway`");
    Err(report.refuse_value(at, "no such service", way_out))
}

/// The share of bad ones that a target leaves.
fn share(report: &mut Report<'_>, at: &At<String>, indicator: Indicator) -> Result<f64, Reported> {
    let (word, other, example) = match indicator.is_success() {
        true => ("at least ", "below ", "at least 99.95 %"),
        false => ("below ", "at least ", "below 0.2 %"),
    };
    if at.value.starts_with(other) {
        let what = if indicator.is_success() { "what succeeds" } else { "what fails" };
        return Err(report.refuse_value(
            at,
            format!("{indicator} is the share of {what}"),
            format!("write `{example}`"),
        ));
    }
    let digits = at.value.strip_prefix(word).and_then(|it| it.strip_suffix('%')).map(str::trim_end);
    let plain = |it: &&str| it.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && it.len() <= 12;
    let Some(percent) = digits.filter(plain).and_then(|it| it.parse::<f64>().ok()).filter(|it| *it <= 100.0) else {
        return Err(report.refuse_value(at, "not a target", format!("write `{example}`")));
    };
    let bad = if indicator.is_success() { 1.0 - percent / 100.0 } else { percent / 100.0 };
    if bad < BAD_SHARE_MIN {
        let problem = "leaves no error budget: the first failure of a month would use it up, and no page could say that it matters";
        let most = if indicator.is_success() { "at least 99.9999 %" } else { "below 0.0001 %" };
        return Err(report.refuse_value(at, problem, format!("the strictest is `{most}`")));
    }
    if bad > BAD_SHARE_MAX {
        return Err(report.refuse_value(at, "puts up with more failures than successes", format!("write `{example}`")));
    }
    Ok(bad)
}

fn span(report: &mut Report<'_>, at: &At<String>) -> Result<u64, Reported> {
    let span = moment::span(&at.value).filter(|it| (WINDOWS[0]..=WINDOWS[1]).contains(it));
    span.map(|it| it.as_secs()).ok_or_else(|| {
        report.refuse_value(at, "not a time from 7d to 30d", "counts are kept for a month; write `7d` or `30d`")
    })
}

fn nothing(report: &mut Report<'_>, at: &At<String>) -> Result<WhenNothing, Reported> {
    let known = WhenNothing::ALL.into_iter().find(|it| it.as_str() == at.value);
    known.ok_or_else(|| report.refuse_value(at, "not known", "write `unknown`, `met` or `missed`"))
}

/// A text that says something.
fn words(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    if at.value.trim().is_empty() {
        return Err(report.refuse_value(&at, "is empty", "write it, or delete the objective"));
    }
    Ok(at.value)
}
