//! Who is on call at a moment, which escalation takes an alert, and who of it is told.
//!
//! Everything follows from the roster and the moment: nothing is remembered, so that a restart or another control says the same.

use crate::silence::labels;
use bartizan_core::Timestamp;
use bartizan_core::alerts::Alert;
use bartizan_core::on_call::{
    Called, Escalation, EscalationStatus, Level, LevelStatus, OnCallStatus, Roster, Rotation, RotationStatus, Shift,
    Takes, Whom,
};
use std::time::Duration;

/// Hand-overs that are shown of a rotation, a count.
const SHIFTS_SHOWN: usize = 5;

/// Who of a rotation is on call at a moment. Before its `starts` the order of its members goes on backwards: somebody always is.
pub fn shift(rotation: &Rotation, at: Timestamp) -> Option<Shift> {
    let is_now = |from: Timestamp, until: Timestamp| from <= at && at < until;
    let by_override = rotation.overrides.iter().find(|it| is_now(it.from, it.until));
    let (member, from, until) = match by_override {
        Some(it) => (it.member, it.from, it.until),
        None => {
            let (member, from, until) = turn(rotation, at)?;
            // An override takes its part of the turn away.
            let before = rotation.overrides.iter().map(|it| it.until).filter(|it| *it <= at).max();
            let after = rotation.overrides.iter().map(|it| it.from).filter(|it| at < *it).min();
            (member, before.map_or(from, |it| it.max(from)), after.map_or(until, |it| it.min(until)))
        }
    };
    let member = rotation.members.get(member)?;
    let (who, routes) = (member.name.clone(), member.routes.clone());
    Some(Shift { who, routes, from, until, is_override: by_override.is_some() })
}

/// Whose turn it is by the order alone; `None` where there is nobody, or no time between hand-overs.
fn turn(rotation: &Rotation, at: Timestamp) -> Option<(usize, Timestamp, Timestamp)> {
    let ms = |it: Timestamp| i128::from(it.as_millis());
    let every = i128::try_from(rotation.every.as_millis()).ok().filter(|it| *it > 0)?;
    let nth = (ms(at) - ms(rotation.starts)).div_euclid(every);
    let member = nth.checked_rem_euclid(i128::try_from(rotation.members.len()).ok()?)?;
    // Of what a moment cannot say, the nearest that it can.
    let moment = |n: i128| {
        let at = (ms(rotation.starts) + n * every).clamp(0, i128::from(u64::MAX));
        Timestamp::from_millis(u64::try_from(at).unwrap_or_default())
    };
    Some((usize::try_from(member).ok()?, moment(nth), moment(nth + 1)))
}

/// The escalation that takes an alert: the first; `None` where none does, or there are none.
pub fn escalation<'a>(roster: &'a Roster, alert: &Alert) -> Option<&'a Escalation> {
    roster.escalations.iter().find(|it| meets(&it.takes, alert))
}

fn meets(takes: &Takes, alert: &Alert) -> bool {
    let Takes { owners, severities, urgency, services, labels: wanted } = takes;
    let has = labels(alert);
    let is_theirs = |it: &str| services.iter().any(|name| name.as_str() == it);
    (owners.is_empty() || owners.contains(&alert.owner))
        && (severities.is_empty() || severities.contains(&alert.severity))
        && urgency.is_none_or(|it| it == alert.urgency)
        && (services.is_empty() || alert.service.as_deref().is_some_and(is_theirs))
        && wanted.iter().all(|(name, value)| has.get(name.as_str()) == Some(&value.as_str()))
}

/// Who is told at a level of an escalation; `None` where it has no such level.
pub fn call(roster: &Roster, escalation: &Escalation, level: u8, at: Timestamp) -> Option<Called> {
    let place = usize::from(level).checked_sub(1)?;
    let (rotation, who, routes) = reached(roster, &escalation.levels.get(place)?.who, at)?;
    Some(Called { escalation: escalation.name.clone(), level, rotation, who, routes, at })
}

/// The rotation, who of it is on call, and the routes.
fn reached(roster: &Roster, whom: &Whom, at: Timestamp) -> Option<(Option<String>, Option<String>, Vec<String>)> {
    match whom {
        Whom::Route(route) => Some((None, None, vec![route.clone()])),
        Whom::Rotation(name) => {
            let shift = shift(roster.rotations.iter().find(|it| it.name == *name)?, at)?;
            Some((Some(name.clone()), Some(shift.who), shift.routes))
        }
    }
}

/// For how long the level before waits for somebody to take notice.
pub fn wait(level: &Level, by_default: Duration) -> Duration {
    level.after.unwrap_or(by_default)
}

/// All of it, for people.
pub fn status(roster: &Roster, by_default: Duration, at: Timestamp) -> OnCallStatus {
    let rotation = |it: &Rotation| {
        let next = |before: &Shift| shift(it, before.until);
        let shifts = std::iter::successors(shift(it, at), next).take(SHIFTS_SHOWN).collect();
        RotationStatus { name: it.name.clone(), shifts }
    };
    let escalation = |it: &Escalation| {
        let levels = it.levels.iter().zip(1..).filter_map(|(level, n)| {
            let (rotation, who, routes) = reached(roster, &level.who, at)?;
            let after_s = if n == 1 { 0 } else { wait(level, by_default).as_secs() };
            Some(LevelStatus { level: n, rotation, who, routes, after_s })
        });
        EscalationStatus { name: it.name.clone(), takes: in_words(&it.takes), levels: levels.collect() }
    };
    let rotations = roster.rotations.iter().map(rotation).collect();
    OnCallStatus { at, rotations, escalations: roster.escalations.iter().map(escalation).collect() }
}

fn in_words(takes: &Takes) -> String {
    let Takes { owners, severities, urgency, services, labels } = takes;
    let mut all = Vec::new();
    let mut say = |name: &str, values: Vec<&str>| {
        if !values.is_empty() {
            all.push(format!("{name} {}", values.join(" or ")));
        }
    };
    say("owner", owners.iter().map(String::as_str).collect());
    say("severity", severities.iter().map(|it| it.as_str()).collect());
    say("urgency", urgency.iter().map(|it| it.as_str()).collect());
    say("service", services.iter().map(|it| it.as_str()).collect());
    labels.iter().for_each(|(name, value)| say(name, vec![value.as_str()]));
    if all.is_empty() { "everything".to_owned() } else { all.join(", ") }
}
