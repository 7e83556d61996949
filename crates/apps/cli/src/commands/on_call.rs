//! `bartizan alerts on-call`.

use super::{place, print, print_json, unanswered};
use crate::args::OnCallArgs;
use crate::failure::Failure;
use crate::render::{table, utc};
use bartizan_core::moment::write_span;
use bartizan_core::on_call::{EscalationStatus, LevelStatus, OnCallStatus, RotationStatus, Shift};
use bartizan_runtime::{clock, local};
use std::time::Duration;

/// Columns of the tables; hand-overs are long.
const WIDTH: u16 = u16::MAX;

pub(super) async fn run(args: &OnCallArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let at = args.at.map(|it| format!("?at_ms={}", it.at(clock::now()).as_millis())).unwrap_or_default();
    let asked: Result<OnCallStatus, _> = local::get(&data.control_socket(), &format!("/v1/alerts/on-call{at}")).await;
    let status = asked.map_err(|error| unanswered(&data, &error))?;
    if args.data.json { print_json(&status) } else { print(&told(&status)) }
}

fn told(status: &OnCallStatus) -> String {
    let OnCallStatus { at: _, rotations, escalations } = status;
    let mut all = Vec::new();
    if !rotations.is_empty() {
        let rows = rotations.iter().map(rotation).collect();
        all.push(table(&["ROTATION", "ON CALL", "BY", "UNTIL", "THEN"], rows, WIDTH));
    }
    if !escalations.is_empty() {
        all.push(table(&["ESCALATION", "TAKES", "TELLS"], escalations.iter().map(escalation).collect(), WIDTH));
    }
    if all.is_empty() {
        all.push("nobody: the fleet file has no `alerts.rotations` and no `alerts.escalations`".to_owned());
    }
    all.iter().map(|it| format!("{}\n", it.trim_end())).collect()
}

fn rotation(it: &RotationStatus) -> Vec<String> {
    let Some((now, then)) = it.shifts.split_first() else { return vec![it.name.clone()] };
    let then: Vec<String> = then.iter().map(|it| format!("{} from {}", who(it), utc(it.from))).collect();
    vec![it.name.clone(), who(now), now.routes.join(", "), utc(now.until), then.join(", ")]
}

fn who(it: &Shift) -> String {
    if it.is_override { format!("{} (override)", it.who) } else { it.who.clone() }
}

fn escalation(it: &EscalationStatus) -> Vec<String> {
    let levels: Vec<String> = it.levels.iter().map(level).collect();
    vec![it.name.clone(), it.takes.clone(), levels.join(", ")]
}

fn level(it: &LevelStatus) -> String {
    let who = match (&it.who, &it.rotation) {
        (Some(who), Some(rotation)) => format!("{who} ({rotation})"),
        _ => it.routes.join(", "),
    };
    if it.level == 1 { who } else { format!("{who} after {}", write_span(Duration::from_secs(it.after_s))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;

    #[test]
    fn says_who_until_when_who_then_and_whom_an_alert_reaches() {
        let at = Timestamp::from_secs;
        let mut status = OnCallStatus { at: at(0), rotations: Vec::new(), escalations: Vec::new() };
        assert!(told(&status).starts_with("nobody"));
        let shift = |who: &str, from, is_override| Shift {
            who: who.to_owned(),
            routes: vec![format!("{who}-mail")],
            from: at(from),
            until: at(from + 86_400),
            is_override,
        };
        status.rotations = vec![RotationStatus {
            name: "security".into(),
            shifts: vec![shift("ana", 0, false), shift("ben", 86_400, true)],
        }];
        let level = |level, who: Option<&str>, after_s| LevelStatus {
            level,
            rotation: who.map(|_| "security".to_owned()),
            who: who.map(str::to_owned),
            routes: vec!["chief".to_owned()],
            after_s,
        };
        let levels = vec![level(1, Some("ana"), 0), level(2, None, 300)];
        status.escalations = vec![EscalationStatus { name: "bad".into(), takes: "severity high".into(), levels }];
        let text = told(&status);
        for words in ["ana-mail", "ben (override) from ", "severity high", "ana (security), chief after 5m"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
