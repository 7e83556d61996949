//! `bartizan policies`: each policy and how many of the guards that it concerns enforce it.

use super::{place, print, print_json, unanswered};
use crate::args::PoliciesArgs;
use crate::failure::Failure;
use crate::render::table;
use bartizan_core::snapshot::Mode;
use bartizan_core::status::{PoliciesStatus, PolicyStatus};
use bartizan_runtime::local;

/// Columns of the table: it ends with names, as many as there are.
const WIDTH: u16 = u16::MAX;

/// Prints the policies of the user's own files, and with `--all` those that the fleet file declares too.
pub(crate) async fn run(args: &PoliciesArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let mut status: PoliciesStatus =
        local::get(&data.control_socket(), "/v1/policies").await.map_err(|error| unanswered(&data, &error))?;
    status.policies.retain(|it| args.all || !it.declared);
    if args.data.json { print_json(&status) } else { print(&told(&status)) }
}

fn told(status: &PoliciesStatus) -> String {
    let epoch = status.epoch.0;
    if status.policies.is_empty() {
        return "there are no policy files; the declared calls alone count (`--all` lists them)\n".to_owned();
    }
    let row = |it: &PolicyStatus| {
        let (have, of) = (it.enforced_by.len(), it.enforced_by.len() + it.missing.len());
        let missing: Vec<_> = it.missing.iter().map(ToString::to_string).collect();
        vec![
            it.id.clone(),
            if it.permit { "permit" } else { "forbid" }.to_owned(),
            format!("{}:{}", it.file, it.line),
            format!("{have} of {of} proxies at epoch {epoch}"),
            if missing.is_empty() { "-".to_owned() } else { missing.join(" ") },
        ]
    };
    let headers = ["POLICY", "EFFECT", "WHERE", "ENFORCED BY", "NOT YET"];
    let partly = status.policies.iter().filter(|it| !it.missing.is_empty()).count();
    let end = match (status.mode, partly) {
        (Mode::Full, 0) => "all of them are enforced by every guard that they concern".to_owned(),
        (Mode::Full, n) => format!("{n} of {} are not enforced everywhere", status.policies.len()),
        (mode, _) => {
            let word = if mode == Mode::Mtls { "mtls" } else { "off" };
            format!("mode `{word}`: no policy is enforced")
        }
    };
    format!("{}\n{end}\n", table(&headers, status.policies.iter().map(row).collect(), WIDTH).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::ServiceName;
    use bartizan_core::snapshot::Epoch;

    #[test]
    fn says_who_does_not_enforce_a_policy_yet() {
        let name = |text: &str| ServiceName::parse(text).unwrap();
        let policy = |missing: &[&str]| PolicyStatus {
            id: "no-writes".to_owned(),
            file: "own.cedar".to_owned(),
            line: 3,
            permit: false,
            declared: false,
            enforced_by: vec![name("accounts")],
            missing: missing.iter().map(|it| name(it)).collect(),
        };
        let status = |mode, missing| PoliciesStatus { epoch: Epoch(7), mode, policies: vec![policy(missing)] };
        let all = told(&status(Mode::Full, &[]));
        assert!(all.contains("own.cedar:3") && all.contains("1 of 1 proxies at epoch 7"), "{all}");
        assert!(all.contains("enforced by every guard"), "{all}");
        let partly = told(&status(Mode::Full, &["gateway"]));
        assert!(partly.contains("1 of 2 proxies at epoch 7  gateway\n1 of 1 are not enforced everywhere"), "{partly}");
        assert!(told(&status(Mode::Mtls, &["accounts"])).contains("mode `mtls`: no policy is enforced"));
    }
}
