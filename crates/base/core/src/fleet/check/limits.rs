//! Checks limits of a route or a service: what nobody could enforce is refused here.

use super::super::raw_limit::RawLimit;
use super::super::reader::{At, Field, Named, Read, Report, Reported, did_you_mean};
use super::edge::number;
use super::service::METHODS;
use crate::limit::{COUNT_MAX, LIMITS_MAX, Limit, Measure, NAME_BYTES_MAX, PERIODS, Per, REFILL_S_MAX};
use std::collections::{BTreeMap, HashMap};

/// Where the limits stand, and who is known there.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// A route of the gateway; whether it asks for users or keys, whether for keys, and whether it is for named clients.
    Gateway { users: bool, keys: bool, named: bool, counts: bool },
    /// A service; whether any route of the gateway asks for users.
    Service { users: bool, counts: bool },
}

impl Place {
    /// Whether the fleet says where shared counts lie.
    const fn counts(self) -> bool {
        match self {
            Self::Gateway { counts, .. } | Self::Service { counts, .. } => counts,
        }
    }
}

pub(super) fn check(
    report: &mut Report<'_>,
    place: Place,
    limits: Field<Vec<Result<RawLimit, Reported>>>,
) -> Result<Vec<Limit>, Reported> {
    let Some(limits) = limits.optional()? else { return Ok(Vec::new()) };
    if limits.value.is_empty() || limits.value.len() > LIMITS_MAX {
        let problem = format!("there have to be 1 to {LIMITS_MAX} limits");
        return Err(report.refuse(&limits.spot, problem, "name one, or delete the line"));
    }
    let mut lines = HashMap::new();
    let checked: Vec<_> = limits.value.into_iter().map(|raw| check_one(report, place, &mut lines, raw?)).collect();
    checked.into_iter().collect()
}

/// `lines` holds the line of each name that came before.
fn check_one(
    report: &mut Report<'_>,
    place: Place,
    lines: &mut HashMap<Box<str>, u64>,
    raw: RawLimit,
) -> Result<Limit, Reported> {
    let RawLimit { name, per, rate, burst, quota, concurrency, cost, shared, spot } = raw;
    let named = name.get().map(|at| at.spot.clone());
    let said = [rate.get(), quota.get(), concurrency.get()].into_iter().flatten().count();
    let bad = [&rate, &quota, &concurrency].into_iter().any(|field| matches!(field, Field::Bad(_)));
    if said != 1 && !bad {
        let problem = if said == 0 { "it limits nothing" } else { "it limits several things at once" };
        let way_out = "give one of `rate: 100/s`, `quota: 10000/d`, `concurrency: 50`, and a limit of its own for each further one";
        return Err(report.refuse(&spot, problem, way_out));
    }
    let per = check_per(report, place, per);
    let measure = check_measure(report, rate, burst, quota, concurrency);
    let cost = check_cost(report, measure.as_ref().ok(), cost);
    let shared = check_shared(report, place, measure.as_ref().ok(), shared);
    let name = name.optional().and_then(|at| at.map(|at| check_name(report, at)).transpose());
    let (per, measure, cost) = (per?, measure?, cost?);
    let name = name?.unwrap_or_else(|| name_of(&per, &measure));
    if let Some(line) = lines.insert(name.clone(), spot.place.line) {
        let problem = format!("there is a limit `{name}` already, in line {line}");
        return Err(report.refuse(named.as_ref().unwrap_or(&spot), problem, "give it another `name`"));
    }
    Ok(Limit { name, per, measure, cost, shared: shared? })
}

fn check_shared(
    report: &mut Report<'_>,
    place: Place,
    measure: Option<&Measure>,
    shared: Field<String>,
) -> Result<bool, Reported> {
    let Some(at) = shared.optional()? else { return Ok(false) };
    match at.value.as_str() {
        "false" => Ok(false),
        "true" if matches!(measure, Some(Measure::Concurrency { .. })) => {
            let problem = "what is under way is counted by each guard alone";
            Err(report.refuse_value(&at, problem, "delete the line, or limit a `rate`"))
        }
        "true" if !place.counts() => {
            let way_out = "name a Redis under `counts`, such as `counts: { redis: \"127.0.0.1:6379\" }`";
            Err(report.refuse_value(&at, "the fleet file does not say where shared counts lie", way_out))
        }
        "true" => Ok(true),
        _ => Err(report.refuse_value(&at, "neither true nor false", "delete the line for: no")),
    }
}

/// A name for a limit that the file gives none.
fn name_of(per: &[Per], measure: &Measure) -> Box<str> {
    let kind = match measure {
        Measure::Rate { .. } => "rate",
        Measure::Quota { .. } => "quota",
        Measure::Concurrency { .. } => "concurrency",
    };
    let words: Vec<&str> = per.iter().map(|per| per.as_str()).chain([kind]).collect();
    words.join("-").into()
}

fn check_name(report: &mut Report<'_>, at: At<String>) -> Result<Box<str>, Reported> {
    // It stands in a header as a string, and in metrics as a label.
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if at.value.is_empty() || at.value.len() > NAME_BYTES_MAX || !at.value.bytes().all(good) {
        let problem = format!("not a name: 1 to {NAME_BYTES_MAX} of a-z, 0-9 and `-`");
        return Err(report.refuse_value(&at, problem, "such as `per-client`"));
    }
    Ok(at.value.into())
}

pub(super) fn check_per(
    report: &mut Report<'_>,
    place: Place,
    per: Field<Vec<Read<String>>>,
) -> Result<Vec<Per>, Reported> {
    let Some(per) = per.optional()? else { return Ok(Vec::new()) };
    if per.value.is_empty() {
        let way_out = "name one, such as `client`, or delete the line where all requests share one count";
        return Err(report.refuse(&per.spot, "there is none", way_out));
    }
    let (mut checked, mut wrong) = (Vec::new(), None);
    for word in per.value {
        match word.and_then(|at| one_per(report, place, &checked, &at)) {
            Ok(per) => checked.push(per),
            Err(reported) => wrong = Some(reported),
        }
    }
    checked.sort();
    wrong.map_or(Ok(checked), Err)
}

fn one_per(report: &mut Report<'_>, place: Place, before: &[Per], at: &At<String>) -> Result<Per, Reported> {
    let Some(per) = Per::ALL.into_iter().find(|per| per.as_str() == at.value) else {
        let known = Per::ALL.map(Per::as_str);
        let near = report.nearest(&at.value, known.into_iter());
        let way_out = did_you_mean(near, &format!("known are {}", known.join(", ")));
        return Err(report.refuse_value(at, "nothing that requests can be told apart by", way_out));
    };
    if before.contains(&per) {
        return Err(report.refuse_value(at, "named twice", "delete one"));
    }
    // A limit that puts everybody into one count without saying so would be another one than was asked for.
    let unknown = match (per, place) {
        (Per::User | Per::Tenant, Place::Gateway { users: false, .. }) => Some((
            "the route lets in everybody, so no user is known",
            "write `auth: user` at the route, or use `client`",
        )),
        (Per::Key, Place::Gateway { keys: false, .. }) => {
            Some(("the route takes no keys", "write `auth: key` at the route, or use `client`"))
        }
        (Per::Key, Place::Service { .. }) => {
            Some(("keys are shown to the gateway alone", "use `user`, which tells their owners apart as well"))
        }
        (Per::User | Per::Tenant, Place::Service { users: false, .. }) => Some((
            "no route of the gateway asks for a user, so none is known",
            "write `auth: user` at one, or use `caller`",
        )),
        (Per::Caller, Place::Gateway { named: false, .. }) => {
            Some(("the route asks nobody for a certificate", "write `from:` at the route, or use `client`"))
        }
        (Per::Address, Place::Service { .. }) => {
            Some(("calls come from the addresses of guards", "use `caller`, or limit addresses at the gateway"))
        }
        _ => None,
    };
    match unknown {
        Some((problem, way_out)) => Err(report.refuse_value(at, problem, way_out)),
        None => Ok(per),
    }
}

fn check_measure(
    report: &mut Report<'_>,
    rate: Field<String>,
    burst: Field<String>,
    quota: Field<String>,
    concurrency: Field<String>,
) -> Result<Measure, Reported> {
    if let (Some(at), None) = (burst.get(), rate.get()) {
        return Err(report.refuse_value(at, "a burst is of a `rate`", "give `rate`, or delete the line"));
    }
    let burst_at = burst.get().map(|at| At { value: at.value.clone(), spot: at.spot.clone() });
    let burst = number(report, burst, 1..=COUNT_MAX);
    if let Some(at) = rate.optional()? {
        let (count, period_s) = per_time(report, &at, &PERIODS, "100/s")?;
        let burst = burst?.unwrap_or(count);
        if u64::from(burst) * u64::from(period_s) / u64::from(count) > REFILL_S_MAX {
            let problem = "a burst of that rate takes more than a year to come back";
            return Err(report.refuse_value(&burst_at.unwrap_or(at), problem, "make it smaller, or the rate larger"));
        }
        return Ok(Measure::Rate { count, period_s, burst });
    }
    if let Some(at) = quota.optional()? {
        let (count, window_s) = per_time(report, &at, &PERIODS[2..], "10000/d")?;
        return Ok(Measure::Quota { count, window_s });
    }
    let most = number(report, concurrency, 1..=COUNT_MAX)?;
    Ok(Measure::Concurrency { most: most.expect("one of the three is said") })
}

/// A count in time, such as `100/s`.
fn per_time(
    report: &mut Report<'_>,
    at: &At<String>,
    periods: &[(&str, u32)],
    example: &str,
) -> Result<(u32, u32), Reported> {
    let read = at.value.split_once('/').and_then(|(count, period)| {
        let whole = Some(count).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let count = whole?.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count))?;
        Some((count, periods.iter().find(|(word, _)| *word == period)?.1))
    });
    read.ok_or_else(|| {
        let words: Vec<_> = periods.iter().map(|(word, _)| format!("`/{word}`")).collect();
        let problem = format!("not a whole number up to {COUNT_MAX} in a time, which is one of {}", words.join(", "));
        report.refuse_value(at, problem, format!("write it as `{example}`"))
    })
}

/// `measure` is `None` where it made no sense itself, which was reported.
fn check_cost(
    report: &mut Report<'_>,
    measure: Option<&Measure>,
    cost: Field<Named<Read<String>>>,
) -> Result<BTreeMap<Box<str>, u32>, Reported> {
    let Some(cost) = cost.optional()? else { return Ok(BTreeMap::new()) };
    if let Some(Measure::Concurrency { .. }) = measure {
        let problem = "a request that is under way counts once, whatever it is";
        return Err(report.refuse(&cost.spot, problem, "delete the line"));
    }
    let most = measure.map_or(COUNT_MAX, Measure::most_at_once);
    let (mut checked, mut wrong) = (BTreeMap::new(), None);
    for (method, count) in cost.value {
        let one = count.and_then(|at| {
            if !METHODS.contains(&method.value.as_str()) {
                let way_out = format!("known are {}", METHODS.join(", "));
                return Err(report.refuse(&method.spot, "no method of a request", way_out));
            }
            let count = at.value.parse().ok().filter(|count| *count <= most);
            count.ok_or_else(|| {
                let problem = format!("not a whole number from 0 to {most}, the most that may come at once");
                report.refuse_value(&at, problem, "such a request would never be let through")
            })
        });
        match one {
            Ok(count) => _ = checked.insert(method.value.into(), count),
            Err(reported) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(checked), Err)
}
