//! `bartizan check pre-prod`.

use super::{print, print_json, unanswered, waiting_for};
use crate::args::PreProdArgs;
use crate::data_dir::DataDir;
use crate::failure::{Failure, chain};
use crate::pre_prod::{Judged, Look, Report, answer_inside};
use crate::render::table;
use bartizan_core::status::Status;
use bartizan_runtime::{files, local};
use std::fmt::Write as _;

/// Columns of the table: it ends with sentences.
const WIDTH: u16 = u16::MAX;

/// Prints what each service came to.
pub(super) fn run(args: &PreProdArgs) -> Result<(), Failure> {
    let report = waiting_for(look(args)).map_err(|failure| {
        eprintln!("bartizan: {failure}");
        // That nobody could look is no verdict.
        Failure::Said(2)
    })?;
    if args.json {
        print_json(&report)?;
    } else {
        print(&told(&report))?;
    }
    if report.passed { Ok(()) } else { Err(Failure::Said(1)) }
}

/// `bartizan call-inside`.
pub(super) async fn inside() -> Result<(), Failure> {
    print_json(&answer_inside().await.map_err(Failure::new)?)
}

async fn look(args: &PreProdArgs) -> Result<Report, Failure> {
    let (fleet, _) = files::load_fleet(&args.fleet).map_err(|error| Failure::new(chain(&error)))?;
    let named = args.service.iter().chain(args.ask.iter().map(|ask| &ask.service));
    if let Some(unknown) = named.into_iter().find(|name| !fleet.services.contains_key(*name)) {
        return Err(Failure::Usage(format!("`{unknown}` is no service of fleet `{}`", fleet.name)));
    }
    let folder = args.data.clone().unwrap_or_else(|| DataDir::beside(&args.fleet, fleet.name.as_str()));
    let data = DataDir::open(&folder);
    let status: Status =
        local::get(&data.control_socket(), "/v1/status").await.map_err(|error| unanswered(&data, &error))?;
    let look = Look { fleet: &fleet, status: &status, data: &data, asks: &args.ask };
    Ok(look.at(&args.service).await)
}

fn told(report: &Report) -> String {
    let rows = report.services.iter().flat_map(rows).collect();
    let mut text = format!("{}\n", table(&["SERVICE", "CHECK", "", "FOUND", "EVIDENCE"], rows, WIDTH).trim_end());
    let failed: Vec<&str> = report.services.iter().filter(|it| !it.passed).map(|it| it.service.as_str()).collect();
    let _ = match failed.as_slice() {
        [] => writeln!(text, "\nfleet `{}`: every service passed ({})", report.fleet, report.services.len()),
        names => writeln!(text, "\nfleet `{}`: NOT READY: {}", report.fleet, names.join(", ")),
    };
    text
}

fn rows(it: &Judged) -> Vec<Vec<String>> {
    let verdict = if it.passed { "PASS" } else { "NOT READY" };
    let head = vec![
        it.service.to_string(),
        verdict.to_owned(),
        String::new(),
        if it.owner.is_empty() { String::new() } else { format!("owner {}", it.owner) },
        it.request.clone().unwrap_or_default(),
    ];
    let check = it.checks.iter().map(|check| {
        let evidence = check.evidence.join(" ");
        vec![String::new(), check.check.to_owned(), check.standing.as_str().to_owned(), check.detail.clone(), evidence]
    });
    std::iter::once(head).chain(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pre_prod::{Check, Standing};
    use bartizan_core::ServiceName;

    #[test]
    fn who_is_not_ready_is_named_with_the_reason_and_where_to_look() {
        let judged = |name: &str, standing, evidence: &[&str]| Judged {
            service: ServiceName::parse(name).unwrap(),
            owner: "team-a".to_owned(),
            passed: standing == Standing::Pass,
            request: Some("4bf9".to_owned()),
            checks: vec![Check {
                check: "trace",
                standing,
                detail: "what was found".to_owned(),
                evidence: evidence.iter().map(|id| (*id).to_owned()).collect(),
            }],
        };
        let fleet = ServiceName::parse("shop").unwrap();
        let services = vec![judged("web", Standing::Pass, &["e1"]), judged("stock", Standing::Unseen, &[])];
        let text = told(&Report { fleet: fleet.clone(), passed: false, services });
        for part in ["PASS", "NOT READY: stock", "UNSEEN", "what was found", "e1", "owner team-a", "4bf9"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text = told(&Report { fleet, passed: true, services: vec![judged("web", Standing::Pass, &[])] });
        assert!(text.contains("every service passed (1)"), "{text}");
    }
}
