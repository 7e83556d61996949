//! `bartizan policies`: each policy and how many of the guards that it concerns enforce it.

use super::{place, print, print_json, unanswered};
use crate::args::PoliciesArgs;
use crate::check::counted;
use crate::failure::Failure;
use crate::render::table;
use bartizan_core::snapshot::Mode;
use bartizan_core::stats::PredictedStats;
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
            format!("{}{}", if it.permit { "permit" } else { "forbid" }, if it.shadow { " (shadow)" } else { "" }),
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
    let rows = table(&headers, status.policies.iter().map(row).collect(), WIDTH);
    format!("{}\n{end}\n{}", rows.trim_end(), tried_out(status))
}

/// What policies in shadow would have decided, edge by edge.
fn tried_out(status: &PoliciesStatus) -> String {
    let shadow: Vec<&PolicyStatus> = status.policies.iter().filter(|it| it.shadow).collect();
    if shadow.is_empty() {
        return String::new();
    }
    let mut text = "\nIn shadow: asked, and not enforced\n".to_owned();
    for policy in shadow {
        if policy.predicted.is_empty() {
            text.push_str(&format!("  {} would have changed no call\n", policy.id));
        }
        for it in &policy.predicted {
            let PredictedStats { policy, from, to, verdict, calls } = it;
            let calls = counted(usize::try_from(*calls).unwrap_or(usize::MAX), "call");
            text.push_str(&format!("  {policy} would have {} {calls} of {from} to {to}\n", verdict.past()));
        }
    }
    text
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
            shadow: false,
            predicted: Vec::new(),
        };
        let status = |mode, missing| PoliciesStatus { epoch: Epoch(7), mode, policies: vec![policy(missing)] };
        let all = told(&status(Mode::Full, &[]));
        assert!(all.contains("own.cedar:3") && all.contains("1 of 1 proxies at epoch 7"), "{all}");
        assert!(all.contains("enforced by every guard"), "{all}");
        let partly = told(&status(Mode::Full, &["gateway"]));
        assert!(partly.contains("1 of 2 proxies at epoch 7  gateway\n1 of 1 are not enforced everywhere"), "{partly}");
        let mut shadow = status(Mode::Full, &[]);
        shadow.policies[0].shadow = true;
        let nothing = told(&shadow);
        assert!(
            nothing.contains("forbid (shadow)") && nothing.contains("no-writes would have changed no call"),
            "{nothing}"
        );
        let (policy, verdict) = ("no-writes".into(), bartizan_core::Verdict::Deny);
        let predicted = PredictedStats { policy, from: name("web"), to: name("accounts"), verdict, calls: 2 };
        shadow.policies[0].predicted.push(predicted);
        let some = told(&shadow);
        assert!(some.contains("no-writes would have denied 2 calls of web to accounts"), "{some}");
        assert!(told(&status(Mode::Mtls, &["accounts"])).contains("mode `mtls`: no policy is enforced"));
    }
}
