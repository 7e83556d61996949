//! `bartizan slo objectives`, `check` and `advise`: what is asked of the indicators.

use crate::args::{DataArgs, SloAdviseArgs, SloCheckArgs};
use crate::commands::{place, print, print_json, unanswered};
use crate::failure::{Failure, chain};
use crate::render::{grouped, promotion, table, utc};
use bartizan_core::fleet::{FleetErrors, parse, parse_objectives};
use bartizan_core::limits::{FLEET_FILE_BYTES_MAX, OBJECTIVES_FILE_BYTES_MAX};
use bartizan_core::objectives::{Advice, AdviceOf, ObjectiveStatus, ObjectivesStatus, Said};
use bartizan_runtime::{files, local};
use serde_json::json;
use std::path::Path;
use std::time::SystemTime;

/// Columns of the tables; reasons are long.
const WIDTH: u16 = u16::MAX;

pub(super) async fn list(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let asked: Result<ObjectivesStatus, _> = local::get(&data.control_socket(), "/v1/objectives").await;
    let all = asked.map_err(|error| unanswered(&data, &error))?;
    if args.json {
        return print_json(&all);
    }
    let Some(file) = &all.file else {
        return print(
            "the fleet file names no file of objectives (`objectives: slo.yaml`): what is asked everywhere counts\n",
        );
    };
    let row = |it: &ObjectiveStatus| {
        let until = if it.counts { "until " } else { "RAN OUT " };
        [
            it.said.indicator.to_string(),
            it.said.place.to_string(),
            it.target.clone(),
            format!("{} d", it.said.window_s / 86_400),
            format!("{until}{}", utc(it.said.expires)),
            (if it.said.locks_promotion { "promotion" } else { "" }).to_owned(),
            it.said.owner.clone(),
            it.said.why.clone(),
        ]
        .into()
    };
    let rows = all.objectives.iter().map(row).collect();
    let text = table(&["", "WHERE", "TARGET", "OVER", "COUNTS", "LOCKS", "OWNER", "WHY"], rows, WIDTH);
    let promotion = all.promotion.as_ref().map_or_else(String::new, promotion);
    print(&format!(
        "{}\n{promotion}{file}: where it says nothing, or what it says ran out, what is asked everywhere counts\n",
        text.trim_end()
    ))
}

pub(super) fn check(args: &SloCheckArgs) -> Result<(), Failure> {
    let beside = args.file.parent().unwrap_or(Path::new("")).join("fleet.yaml");
    let against = args.against.as_deref().unwrap_or(&beside);
    let fleet = parse(&read(against, FLEET_FILE_BYTES_MAX)?, &against.display().to_string())
        .map_err(|errors| refused(&errors))?;
    let text = read(&args.file, OBJECTIVES_FILE_BYTES_MAX)?;
    let said = match parse_objectives(&text, &args.file.display().to_string(), &fleet) {
        Ok(said) => said,
        Err(errors) if args.json => {
            let errors: Vec<_> = errors.as_slice().iter().map(crate::check::Finding::from).collect();
            print_json(&json!({ "ok": false, "errors": errors }))?;
            return Err(Failure::new("the file of objectives is wrong"));
        }
        Err(errors) => return Err(refused(&errors)),
    };
    let now = SystemTime::now().into();
    let over: Vec<&Said> = said.iter().filter(|it| !it.counts(now)).collect();
    if args.json {
        return print_json(&json!({ "ok": true, "errors": [], "objectives": said, "ran_out": over }));
    }
    let mut text = String::new();
    for it in &over {
        text += &format!(
            "warning: {}:{}: {} of {} ran out on {}; what is asked everywhere counts there\n",
            args.file.display(),
            it.line,
            it.indicator,
            it.place,
            utc(it.expires)
        );
    }
    print(&format!("{text}ok: {} objectives, {} of them in force\n", said.len(), said.len() - over.len()))
}

fn read(path: &Path, bytes_max: usize) -> Result<String, Failure> {
    let bytes = files::read_bounded(path, bytes_max)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {}", path.display(), chain(&error))))?;
    String::from_utf8(bytes).map_err(|_| Failure::new(format!("`{}` is not UTF-8; save it as UTF-8", path.display())))
}

fn refused(errors: &FleetErrors) -> Failure {
    Failure::new(format!("nothing of it is used until all is mended:\n{errors}"))
}

pub(super) async fn advise(args: &SloAdviseArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let mut path = format!("/v1/objectives/advice?place={}", args.place.replace(' ', "%20").replace('>', "%3E"));
    if let Some(indicator) = &args.indicator {
        path += &format!("&indicator={indicator}");
    }
    let asked: Result<Advice, _> = local::get(&data.control_socket(), &path).await;
    let advice = asked.map_err(|error| unanswered(&data, &error))?;
    if args.data.json {
        return print_json(&advice);
    }
    if advice.of.is_empty() {
        return print("nothing was counted there yet\n");
    }
    let mut text: String = advice.of.iter().map(block).collect();
    let days = advice.now.since(advice.since).as_secs() / 86_400;
    text += &format!(
        "counted for {days} days; what is older than 30 hours is replayed by the hour, so that short fires may count longer\n"
    );
    print(&text)
}

fn block(of: &AdviceOf) -> String {
    let rows = of.candidates.iter().map(|it| {
        let left = it.left.map_or_else(|| "-".to_owned(), |left| format!("{:.0} %", (left * 100.0).max(-999.0)));
        let mark = if it.in_force { "<- in force" } else { "" };
        vec![it.target.clone(), it.pages.to_string(), it.tickets.to_string(), left, mark.to_owned()]
    });
    let table = table(&["TARGET", "PAGES", "TICKETS", "BUDGET LEFT", ""], rows.collect(), WIDTH);
    format!(
        "{} of {}: {} bad of {} in 30 days\n{}\n",
        of.indicator,
        of.place,
        grouped(of.bad),
        grouped(of.all),
        table.trim_end()
    )
}
