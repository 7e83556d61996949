//! `bartizan check` and `bartizan policy check`.

use super::{print, print_json};
use crate::args::CheckArgs;
use crate::check::{Checked, Finding, check};
use crate::failure::Failure;
use serde_json::json;
use std::fmt::Write as _;

/// Checks a fleet with its policies.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    report(args, |checked| checked.summary())
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
