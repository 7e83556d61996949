//! `bartizan alerts`.

use super::{on_call, place, print, print_json, unanswered};
use crate::args::{AckArgs, AlertsArgs, AlertsCheckArgs, AlertsCommand, AlertsTestArgs, DataArgs, SilenceArgs};
use crate::failure::{Failure, chain};
use crate::render::{table, utc};
use bartizan_alerts::rehearse::{Rehearsed, rehearse};
use bartizan_core::alerts::{
    Acknowledge, Acknowledged, Alert, AlertsStatus, EndSilence, PrometheusRuleStatus, Rehearsal, Rule, Silence,
    Standing, Window,
};
use bartizan_core::fleet::FleetError;
use bartizan_core::prometheus_rules::Does;
use bartizan_runtime::files::{self, is_of_prometheus, load_fleet, load_prometheus_rules, load_rules};
use bartizan_runtime::{clock, local};
use serde_json::json;
use std::path::Path;

/// Columns of the tables; summaries are long.
const WIDTH: u16 = u16::MAX;

pub(crate) async fn run(args: AlertsArgs) -> Result<(), Failure> {
    match &args.command {
        None => show(&args).await,
        Some(AlertsCommand::Ack(args)) => acknowledge(args).await,
        Some(AlertsCommand::Silence(args)) => silence(args).await,
        Some(AlertsCommand::Check(args)) => check(args),
        Some(AlertsCommand::Test(args)) => test(args),
        Some(AlertsCommand::Rehearse(args)) => rehearse_all(args).await,
        Some(AlertsCommand::OnCall(args)) => on_call::run(args).await,
        Some(AlertsCommand::Schema) => print(&bartizan_core::fleet::rules_schema()),
    }
}

async fn show(args: &AlertsArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let asked: Result<AlertsStatus, _> = local::get(&data.control_socket(), "/v1/alerts").await;
    let mut status = asked.map_err(|error| unanswered(&data, &error))?;
    if !args.all {
        status.alerts.retain(|it| it.state != Standing::Resolved);
    }
    if args.muted {
        status.alerts.retain(|it| it.silenced_by.is_some());
    }
    if args.data.json {
        return print_json(&status);
    }
    if args.rules {
        return print(&rules(&status));
    }
    print(&text(&status, args.muted))
}

fn text(status: &AlertsStatus, muted: bool) -> String {
    let mut text = String::new();
    let (told, quiet): (Vec<&Alert>, Vec<&Alert>) = status.alerts.iter().partition(|it| it.silenced_by.is_none());
    if told.is_empty() && !muted {
        text.push_str("no alert\n");
    }
    if !told.is_empty() {
        let rows = told.iter().map(|it| row(it, note(it))).collect();
        text += table(&["", "", "", "RULE", "WHERE", "SINCE", "COUNT", "INCIDENT", "WHAT", ""], rows, WIDTH).trim_end();
        text.push('\n');
    }
    if !quiet.is_empty() {
        text += "nobody is told of:\n";
        let rows = quiet.iter().map(|it| row(it, it.silenced_by.clone().unwrap_or_default())).collect();
        text += table(&["", "", "", "RULE", "WHERE", "SINCE", "COUNT", "INCIDENT", "WHAT", "SINCE"], rows, WIDTH)
            .trim_end();
        text.push('\n');
    } else if muted {
        text.push_str("nothing is muted\n");
    }
    for it in status.windows.iter().filter(|it| it.active) {
        text += &format!("{} until {} by {}: {}\n", it.id, utc(it.until), it.by, it.why);
    }
    for it in status.routes.iter().filter(|it| it.why.is_some() || it.waiting > 0) {
        let why = it.why.as_deref().unwrap_or("on its way");
        text += &format!("route {}: {} wait, {} did not arrive: {why}\n", it.name, it.waiting, it.failed);
    }
    text += &unproven(&status.rehearsals);
    if status.left_out > 0 {
        text += &format!("{} more found no room\n", status.left_out);
    }
    text
}

fn row(it: &Alert, note: String) -> Vec<String> {
    vec![
        it.id.clone(),
        it.urgency.to_string(),
        if it.state == Standing::Firing { it.severity.to_string() } else { it.state.as_str().to_owned() },
        it.rule.clone(),
        it.place.clone(),
        utc(it.since),
        it.count.to_string(),
        it.group.clone(),
        it.title.clone(),
        note,
    ]
}

/// Who took notice, or what it came after, or where it stands what to do.
fn note(it: &Alert) -> String {
    match (&it.acknowledged_by, &it.after_change) {
        (Some(by), _) => {
            format!("{by} took notice{}", it.note.as_ref().map_or_else(String::new, |note| format!(": {note}")))
        }
        (None, Some(change)) => format!("after {}", change.what),
        (None, None) => it.runbook.clone(),
    }
}

fn rules(status: &AlertsStatus) -> String {
    let row = |it: &Rule| {
        let rehearsed = status.rehearsals.iter().find(|one| one.rule == it.name);
        vec![
            it.name.clone(),
            it.urgency.to_string(),
            it.severity.to_string(),
            it.owner.clone(),
            it.place.clone(),
            rehearsed.map_or_else(String::new, when),
            it.runbook.clone(),
        ]
    };
    let rows = status.rules.iter().map(row).collect();
    let own = table(&["RULE", "", "SEVERITY", "OWNER", "FROM", "REHEARSED", "RUNBOOK"], rows, WIDTH);
    own + &of_prometheus(&status.prometheus)
}

/// Rules in the form of Prometheus; nothing where there are none.
fn of_prometheus(all: &[PrometheusRuleStatus]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let row = |it: &PrometheusRuleStatus| {
        let there = if it.records { String::new() } else { it.alerts.to_string() };
        let (owner, severity) = (it.owner.clone(), it.severity.clone());
        vec![it.name.clone(), severity, owner, it.place.clone(), there, it.wrong.clone().unwrap_or_default()]
    };
    let headers = ["RULE OF PROMETHEUS", "SEVERITY", "OWNER", "FROM", "THERE", "WRONG"];
    format!("\n{}\n", table(&headers, all.iter().map(row).collect(), WIDTH).trim_end())
}

/// When a rule was rehearsed, and whether it held.
fn when(it: &Rehearsal) -> String {
    match (it.at, &it.wrong) {
        (None, _) => "NEVER".to_owned(),
        (Some(at), Some(_)) => format!("{} FAILED", utc(at)),
        (Some(at), None) if it.overdue => format!("{} OVERDUE", utc(at)),
        (Some(at), None) => utc(at),
    }
}

/// One line on rules that nobody knows to work; nothing where there are none.
fn unproven(all: &[Rehearsal]) -> String {
    let (failed, overdue): (Vec<&Rehearsal>, Vec<&Rehearsal>) =
        all.iter().filter(|it| it.overdue || it.wrong.is_some()).partition(|it| it.wrong.is_some());
    let mut text = String::new();
    if !failed.is_empty() {
        let names: Vec<&str> = failed.iter().map(|it| it.rule.as_str()).collect();
        text += &format!("RULES THAT DO NOT WORK, as they were rehearsed: {}\n", names.join(", "));
    }
    if !overdue.is_empty() {
        text += &format!("{} rules were not rehearsed within 30 days: `bartizan alerts rehearse`\n", overdue.len());
    }
    text
}

async fn rehearse_all(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let done: Result<Vec<Rehearsal>, _> = local::post(&data.control_socket(), "/v1/alerts/rehearse", &json!({})).await;
    let done = done.map_err(|error| unanswered(&data, &error))?;
    let failed = done.iter().filter(|it| it.wrong.is_some()).count();
    if args.json {
        print_json(&done)?;
    } else {
        let after = |s: Option<u64>| s.map_or_else(|| "-".to_owned(), |s| format!("{s} s"));
        let row = |it: &Rehearsal| {
            let wrong = it.wrong.clone().unwrap_or_default();
            vec![it.rule.clone(), after(it.told_after_s), after(it.over_after_s), wrong]
        };
        print(&(table(&["RULE", "TOLD AFTER", "OVER AFTER", ""], done.iter().map(row).collect(), WIDTH) + "\n"))?;
    }
    if failed > 0 { Err(Failure::new(format!("{failed} of {} rules do not work", done.len()))) } else { Ok(()) }
}

async fn acknowledge(args: &AckArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let wanted = Acknowledge { id: args.id.clone(), note: args.note.clone() };
    let done: Result<Acknowledged, _> = local::post(&data.control_socket(), "/v1/alerts/acknowledge", &wanted).await;
    let done = done.map_err(|error| unanswered(&data, &error))?;
    if args.data.json { print_json(&done) } else { print(&format!("noticed: {}\n", done.ids.join(", "))) }
}

async fn silence(args: &SilenceArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    if let Some(id) = &args.end {
        let wanted = EndSilence { id: id.clone() };
        let done: Result<EndSilence, _> = local::post(&data.control_socket(), "/v1/alerts/silence/end", &wanted).await;
        let done = done.map_err(|error| unanswered(&data, &error))?;
        return if args.data.json { print_json(&done) } else { print(&format!("{id} is over\n")) };
    }
    let wanted = Silence {
        services: args.services.clone(),
        rule: args.rule.clone(),
        for_s: args.time.unwrap_or_default(),
        why: args.why.clone().unwrap_or_default(),
    };
    let done: Result<Window, _> = local::post(&data.control_socket(), "/v1/alerts/silence", &wanted).await;
    let done = done.map_err(|error| unanswered(&data, &error))?;
    if args.data.json {
        return print_json(&done);
    }
    print(&format!("{}: nobody is paged until {}; tickets go on\n", done.id, utc(done.until)))
}

fn check(args: &AlertsCheckArgs) -> Result<(), Failure> {
    if is_of_prometheus(&args.rules) {
        return check_prometheus(args);
    }
    match read(&args.rules, args.against.as_deref()) {
        Ok(rules) if args.rehearsed => check_rehearsals(args, &rules),
        Ok(rules) if args.json => print_json(&json!({ "ok": true, "error": null, "rules": rules })),
        Ok(rules) => print(&format!("ok: {} rules\n", rules.len())),
        Err(why) => refused(args, &why),
    }
}

fn refused(args: &AlertsCheckArgs, why: &str) -> Result<(), Failure> {
    if args.json {
        print_json(&json!({ "ok": false, "error": why }))?;
    }
    Err(Failure::new(format!("nothing of it is used until all is mended:\n{why}")))
}

/// Rules in the form of Prometheus.
fn check_prometheus(args: &AlertsCheckArgs) -> Result<(), Failure> {
    let groups = load_prometheus_rules(&args.rules).map_err(|error| chain(&error));
    let wrong = |errors: Vec<FleetError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let read = groups.and_then(|groups| {
        bartizan_control::check_prometheus_rules(&groups).map_err(wrong)?;
        Ok(groups)
    });
    match read {
        Ok(groups) if args.json => print_json(&json!({ "ok": true, "error": null, "groups": groups })),
        Ok(groups) => {
            let all = groups.iter().flat_map(|it| &it.rules);
            let (record, alert): (Vec<_>, Vec<_>) = all.partition(|it| it.does == Does::Record);
            print(&format!("ok: {} alerting and {} recording rules of Prometheus\n", alert.len(), record.len()))
        }
        Err(why) => refused(args, &why),
    }
}

/// Whether each rule that would be in force was let happen lately, and worked.
fn check_rehearsals(args: &AlertsCheckArgs, rules: &[Rule]) -> Result<(), Failure> {
    let file = place(&args.place)?.path().join("alerts.json");
    let bytes = files::read_bounded(&file, bartizan_alerts::limits::STATE_BYTES_MAX);
    let bytes =
        bytes.map_err(|error| Failure::new(format!("`{}`: {error}; the fleet never ran here", file.display())))?;
    let kept = bartizan_alerts::state::read(&bytes)
        .ok_or_else(|| Failure::new(format!("`{}`: it is not as control writes it", file.display())))?;
    let all = kept.rehearsals.of(&bartizan_alerts::in_force(rules), clock::now());
    let wrong: Vec<String> = all.iter().filter_map(unproven_as).collect();
    if args.json {
        print_json(&json!({ "ok": wrong.is_empty(), "error": null, "rules": rules, "rehearsals": all }))?;
    } else if wrong.is_empty() {
        print(&format!("ok: {} rules, and all {} in force were rehearsed within 30 days\n", rules.len(), all.len()))?;
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let (count, all, list) = (wrong.len(), all.len(), wrong.join("\n"));
    Err(Failure::new(format!(
        "{count} of {all} rules in force are not known to work; `bartizan alerts rehearse`:\n{list}"
    )))
}

/// Why nobody knows that a rule works; `None` where somebody does.
fn unproven_as(it: &Rehearsal) -> Option<String> {
    let rule = &it.rule;
    match (it.at, &it.wrong) {
        (None, _) => Some(format!("{rule}: never rehearsed as it is")),
        (Some(at), Some(wrong)) => Some(format!("{rule}: {wrong} ({})", utc(at))),
        (Some(at), None) => it.overdue.then(|| format!("{rule}: last rehearsed on {}", utc(at))),
    }
}

fn read(rules: &Path, against: Option<&Path>) -> Result<Vec<Rule>, String> {
    let fleet = against.map(load_fleet).transpose().map_err(|error| chain(&error))?;
    load_rules(rules, fleet.as_ref().map(|(fleet, _)| fleet)).map_err(|error| chain(&error))
}

fn test(args: &AlertsTestArgs) -> Result<(), Failure> {
    let own = args.rules.as_deref().map(|it| read(it, None)).transpose().map_err(Failure::new)?;
    let rules = bartizan_alerts::in_force(&own.unwrap_or_default());
    let done: Vec<Rehearsed> = rules.iter().map(rehearse).collect();
    let failed: Vec<&Rehearsed> = done.iter().filter(|it| it.wrong.is_some()).collect();
    if args.json {
        print_json(&done)?;
    } else {
        let row = |it: &Rehearsed| {
            let seconds = |at: Option<u64>| at.map_or_else(|| "-".to_owned(), |s| format!("{s} s"));
            vec![
                it.rule.clone(),
                it.urgency.to_string(),
                seconds(it.told_after_s),
                seconds(it.over_after_s),
                it.wrong.clone().unwrap_or_else(|| "ok".to_owned()),
            ]
        };
        print(&table(&["RULE", "", "TOLD AFTER", "OVER AFTER", ""], done.iter().map(row).collect(), WIDTH))?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("{} of {} rules do not do what they are for", failed.len(), done.len())))
    }
}
