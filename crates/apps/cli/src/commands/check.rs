//! `bartizan check` and `bartizan policy check`.

use super::{pre_prod, print, print_json};
use crate::args::{CheckArgs, CheckCommand, CheckFleetArgs};
use crate::check::{Checked, Finding, check};
use crate::failure::Failure;
use serde_json::json;
use std::fmt::Write as _;

/// Checks a fleet with its policies, or what else was asked for.
pub(crate) fn run(args: CheckFleetArgs) -> Result<(), Failure> {
    let CheckFleetArgs { command, fleet, json } = args;
    match (command, fleet) {
        (Some(CheckCommand::PreProd(args)), _) => pre_prod::run(&args),
        (None, Some(fleet)) => report(&CheckArgs { fleet, json }, Checked::summary),
        (None, None) => Err(Failure::Usage("name a fleet file".to_owned())),
    }
}

/// The same, told from the policies' side.
pub(crate) fn policies(args: &CheckArgs) -> Result<(), Failure> {
    report(args, |checked| {
        let found = &checked.policies;
        format!(
            "policies of fleet `{}`: {} permit and {} forbid in {} files, {} permit compiled from the declared calls",
            checked.fleet.name, found.permits, found.forbids, found.files, found.declared
        )
    })
}

fn report(args: &CheckArgs, summary: impl Fn(&Checked) -> String) -> Result<(), Failure> {
    match check(&args.fleet) {
        Ok(checked) if args.json => print_json(&json!({
            "ok": true,
            "errors": [],
            "warnings": checked.warnings,
            "fleet": checked.fleet.name,
            "trust_domain": checked.fleet.trust_domain,
            "services": checked.fleet.services.len(),
            "unguarded": checked.fleet.unguarded().collect::<Vec<_>>(),
            "calls": checked.declared_calls(),
            "policies": checked.policies,
        })),
        Ok(checked) => {
            let mut text = lines("warning: ", &checked.warnings);
            let _ = writeln!(text, "ok: {}", summary(&checked));
            print(&text)
        }
        Err(errors) => {
            if args.json {
                print_json(&json!({ "ok": false, "errors": errors, "warnings": [] }))?;
            } else {
                eprint!("{}", lines("", &errors));
                eprintln!(
                    "bartizan: {} in `{}`; nothing of it is used until all are mended",
                    crate::check::counted(errors.len(), "error"),
                    args.fleet.display()
                );
            }
            Err(Failure::Said(1))
        }
    }
}

fn lines(prefix: &str, findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{prefix}{finding}\n")).collect()
}
