//! `bartizan report`.

use super::{place, print, print_json, unanswered};
use crate::args::ReportArgs;
use crate::failure::Failure;
use crate::render::{grouped, table, utc};
use bartizan_core::weekly::{Delta, IndicatorOfWeek, WeeklyReport};
use bartizan_runtime::local;
use std::fmt::Write as _;

/// Columns of a table: some end with a sentence.
const WIDTH: u16 = u16::MAX;

/// Prints what a week brought.
pub(crate) async fn run(args: &ReportArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let path = match args.week.as_deref() {
        None | Some("last") => "/v1/reports/weekly".to_owned(),
        Some(week) => format!("/v1/reports/weekly?week={}", super::events::escaped(week)),
    };
    let report: WeeklyReport =
        local::get(&data.control_socket(), &path).await.map_err(|error| unanswered(&data, &error))?;
    if args.data.json { print_json(&report) } else { print(&told(&report)) }
}

fn told(it: &WeeklyReport) -> String {
    let so_far = if it.is_whole { "" } else { ", so far" };
    let mut text =
        format!("{}{so_far}: {} to {}, written {}\n", it.week, utc(it.begins), utc(it.ends), utc(it.made_at));
    if it.counted_since > it.begins {
        let _ = writeln!(text, "counted since {} alone", utc(it.counted_since));
    }
    let alerts =
        it.alerts.iter().map(|row| vec![row.rule.clone(), name(&row.service), delta(row.began), name(&row.owner)]);
    part(&mut text, "Alerts that began", &["RULE", "AT", "WEEK", "OWNER"], alerts.collect());
    let denials = it.denials.iter();
    let denials =
        denials.map(|row| vec![row.service.clone(), delta(row.attempts), delta(row.unexpected), name(&row.owner)]);
    part(&mut text, "Denials by service", &["SERVICE", "WEEK", "UNEXPECTED", "OWNER"], denials.collect());
    let policies = it.policies.iter();
    let policies =
        policies.map(|row| vec![row.policy.clone(), name(&row.service), delta(row.denied), name(&row.owner)]);
    part(&mut text, "Denials by policy", &["POLICY", "AT", "WEEK", "OWNER"], policies.collect());
    if it.policies_cut {
        text.push_str("  only the newest denials of the week were looked at: there were more than are read\n");
    }
    let indicators = it
        .indicators
        .iter()
        .map(|row| vec![row.id.clone(), row.place.clone(), delta(row.bad), share(row), name(&row.owner)]);
    part(&mut text, "Indicators", &["", "AT", "BAD", "SHARE", "OWNER"], indicators.collect());
    let budgets = it.budgets.iter().map(|row| {
        let left = format!("{} (before {})", part_of(row.left), part_of(row.left_before));
        let burns = if row.burns { "burns" } else { "" };
        vec![row.indicator.clone(), row.place.clone(), row.target.clone(), left, burns.to_owned(), name(&row.owner)]
    });
    part(&mut text, "Error budgets", &["", "AT", "ASKED FOR", "LEFT", "", "OWNER"], budgets.collect());
    let versions = it.versions.iter().map(|row| {
        vec![row.version.to_string(), row.service.to_string(), row.judgement.as_str().to_uppercase(), row.why.clone()]
    });
    part(&mut text, "Versions beside others", &["VERSION", "BESIDE", "", "WHY"], versions.collect());
    let expiring = it.expiring.iter().map(|row| {
        let danger = if row.in_danger { "IN DANGER" } else { "" };
        vec![row.what.clone(), row.name.clone(), utc(row.at), danger.to_owned(), row.breaks.clone()]
    });
    part(&mut text, "What runs out", &["WHAT", "WHOSE", "AT", "", "THEN"], expiring.collect());
    let _ = writeln!(text, "\nNo source yet: {}", it.no_source.join(", "));
    if !it.archived.is_empty() {
        let _ = writeln!(text, "Archived: {}", it.archived.join(", "));
    }
    text
}

fn part(text: &mut String, title: &str, headers: &[&str], rows: Vec<Vec<String>>) {
    let _ = writeln!(text, "\n{title}");
    if rows.is_empty() {
        text.push_str("  none\n");
        return;
    }
    for line in table(headers, rows, WIDTH).trim_end().lines() {
        let _ = writeln!(text, "  {}", line.trim_end());
    }
}

fn name(of: &Option<String>) -> String {
    of.clone().unwrap_or_else(|| "-".to_owned())
}

/// `120 (+20)`: the count, and by how much it is more than the week before.
fn delta(it: Delta) -> String {
    let sign = if it.now >= it.before { '+' } else { '-' };
    format!("{} ({sign}{})", grouped(it.now), grouped(it.now.abs_diff(it.before)))
}

fn share(it: &IndicatorOfWeek) -> String {
    let of = |bad: u64, all: u64| {
        if all == 0 { "-".to_owned() } else { format!("{:.3} %", bad as f64 * 100.0 / all as f64) }
    };
    format!("{} (before {})", of(it.bad.now, it.all.now), of(it.bad.before, it.all.before))
}

fn part_of(left: Option<f64>) -> String {
    left.map_or_else(|| "-".to_owned(), |left| format!("{:.0} %", left * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_core::weekly::{BudgetOfWeek, DenialsOfWeek, PolicyOfWeek};

    #[test]
    fn a_week_is_told_beside_the_one_before() {
        let owner = Some("core".to_owned());
        let report = WeeklyReport {
            week: "2026-W48".to_owned(),
            begins: Timestamp::from_secs(1_795_392_000),
            ends: Timestamp::from_secs(1_795_996_800),
            made_at: Timestamp::from_secs(1_795_996_810),
            is_whole: true,
            counted_since: Timestamp::from_secs(1_795_000_000),
            alerts: Vec::new(),
            denials: vec![DenialsOfWeek {
                service: "accounts".to_owned(),
                owner: owner.clone(),
                attempts: Delta { now: 1_200, before: 200 },
                unexpected: Delta { now: 3, before: 7 },
            }],
            policies: vec![PolicyOfWeek {
                policy: "no-writes".to_owned(),
                service: None,
                owner: None,
                denied: Delta { now: 2, before: 2 },
            }],
            policies_cut: true,
            indicators: vec![IndicatorOfWeek {
                id: "M3".to_owned(),
                title: "denied".to_owned(),
                place: "fleet".to_owned(),
                owner: None,
                bad: Delta { now: 3, before: 0 },
                all: Delta { now: 3_000, before: 0 },
            }],
            budgets: vec![BudgetOfWeek {
                indicator: "M3".to_owned(),
                place: "fleet".to_owned(),
                owner,
                target: "below 0.1 %".to_owned(),
                left: Some(0.5),
                left_before: None,
                burns: true,
            }],
            versions: Vec::new(),
            expiring: Vec::new(),
            no_source: vec!["M4".to_owned()],
            archived: vec!["2026-W48".to_owned()],
        };
        let text = told(&report);
        for said in [
            "2026-W48: ",
            "1 200 (+1 000)      3 (-4)  core",
            "no-writes",
            "2 (+0)",
            "only the newest denials",
            "0.100 % (before -)",
            "50 % (before -)  burns",
            "Versions beside others\n  none",
            "No source yet: M4",
            "Archived: 2026-W48",
        ] {
            assert!(text.contains(said), "{said:?} in\n{text}");
        }
    }
}
