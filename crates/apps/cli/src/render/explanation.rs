//! `bartizan explain` and `bartizan trace` for people.

use super::waterfall::{self, Waterfall};
use super::{event, grouped, utc};
use bartizan_core::Verdict;
use bartizan_core::event::SeenBy;
use bartizan_core::snapshot::Facts;
use bartizan_core::status::{Denied, ExplainedDecision, Explanation, Hop, Owner, Step, SuggestedChange, Trace};
use std::fmt::Write as _;

/// Deepest indent of a trace, in calls: a line must stay readable.
const DEPTH_SHOWN_MAX: usize = 12;

/// Why each hop decided as it did.
pub(crate) fn why(found: &Explanation) -> String {
    let mut text = format!("request {}\n", found.request);
    if found.hops.is_empty() {
        text.push_str("nothing was written about it; ids are kept for as long as events are\n");
    }
    for (number, hop) in found.hops.iter().enumerate() {
        let _ = writeln!(text, "\n{}. {}", number + 1, asked(hop));
        match &hop.decision {
            Some(decision) => explain(&mut text, decision, hop),
            None => {
                let _ = writeln!(text, "   nothing was decided here{}", outcome(hop));
            }
        }
        if let Some(denied) = &hop.denied {
            what_to_do(&mut text, denied);
        }
    }
    text
}

/// The way of the request with its times, indented by the depth of the call, and drawn to scale.
pub(crate) fn way(found: &Trace) -> String {
    let Waterfall { total_us, bars } = waterfall::of(&found.steps);
    let user = found.steps.iter().find_map(|step| own(step, "user"));
    let user = user.map(|user| format!(" on behalf of {user}")).unwrap_or_default();
    let mut text = format!("request {}{}, {} µs\n", found.request, event::printable(&user), grouped(total_us));
    for (step, bar) in found.steps.iter().zip(bars) {
        let indent = "  ".repeat(usize::try_from(step.depth).unwrap_or(0).min(DEPTH_SHOWN_MAX));
        let what =
            event::message(&step.event).unwrap_or_else(|| "recorded, but not readable by this version".to_owned());
        let took = step.took_us.map(|us| format!("  {} µs", grouped(us))).unwrap_or_default();
        let added = step.added_us.map(|us| format!(", {} µs of it added", grouped(us))).unwrap_or_default();
        let service = step.service.as_ref().map_or("-", |service| service.as_str());
        let decision = own(step, "decision").map(|word| format!("  {word}{}", by(step))).unwrap_or_default();
        let side = side(step.seen_by);
        let _ = writeln!(text, "{}  |{bar}|  {indent}{service} {side}: {what}{took}{added}{decision}", utc(step.at));
    }
    if !found.gaps.is_empty() {
        let names: Vec<&str> = found.gaps.iter().map(|name| name.as_str()).collect();
        let _ = writeln!(text, "gap: no span of {}, though others in this trace tell theirs", names.join(", "));
    }
    text
}

/// A text under `unmapped.bartizan` of a record.
fn own<'a>(step: &'a Step, key: &str) -> Option<&'a str> {
    step.event["unmapped"]["bartizan"][key].as_str()
}

/// The policies that decided.
fn by(step: &Step) -> String {
    let policies = step.event["unmapped"]["bartizan"]["policies"].as_array().into_iter().flatten();
    let names: Vec<&str> = policies.filter_map(serde_json::Value::as_str).collect();
    if names.is_empty() { String::new() } else { event::printable(&format!(" by {}", names.join(", "))) }
}

const fn side(seen_by: SeenBy) -> &'static str {
    match seen_by {
        SeenBy::Gateway => "gateway",
        SeenBy::Inbound => "inbound",
        SeenBy::Outbound => "outbound",
        SeenBy::Control => "control",
        SeenBy::Node => "node",
        SeenBy::Supervisor => "supervisor",
        SeenBy::Envoy => "asked by an Envoy",
        SeenBy::Intake => "handed in",
    }
}

fn asked(hop: &Hop) -> String {
    let side = match hop.seen_by {
        SeenBy::Gateway => "at the gateway",
        SeenBy::Inbound | SeenBy::Envoy => "into",
        SeenBy::Outbound => "out of",
        SeenBy::Control | SeenBy::Node | SeenBy::Supervisor | SeenBy::Intake => "seen by",
    };
    let place = match (&hop.service, hop.seen_by) {
        (_, SeenBy::Gateway) | (None, _) => side.to_owned(),
        (Some(service), _) => format!("{side} {service}"),
    };
    let from = match (&hop.from, hop.seen_by) {
        (Some(id), _) => id.to_string(),
        (None, SeenBy::Outbound) => "its own program".to_owned(),
        (None, _) => "a client without identity".to_owned(),
    };
    let what = if hop.method.is_empty() { "connects".to_owned() } else { format!("{} {}", hop.method, hop.path) };
    let route = hop.route.as_ref().map(|route| format!(" (route {route})")).unwrap_or_default();
    let to = hop.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    format!("{place}: {from} {what}{to}{route}")
}

fn outcome(hop: &Hop) -> String {
    let status = hop.status.map(|status| format!(", answered {status}")).unwrap_or_default();
    let error = hop.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
    format!("{status}{error}")
}

fn explain(text: &mut String, decision: &ExplainedDecision, hop: &Hop) {
    let ExplainedDecision { verdict, reason: _, policies, lines, epoch: _, epoch_is_current, principal, resource } =
        decision;
    let word = if *verdict == Verdict::Allow { "allowed" } else { "denied" };
    // The first line is the verdict with its epoch.
    let (first, rest) = lines.split_first().map_or((word, &[][..]), |(first, rest)| (first.as_str(), rest));
    let _ = writeln!(text, "   {first}{}", outcome(hop));
    for line in rest {
        let _ = writeln!(text, "   {line}");
    }
    if policies.is_empty() && *verdict == Verdict::Deny {
        text.push_str("   no policy permits it; declare the call in the fleet file, or permit it in a policy\n");
    }
    if !epoch_is_current {
        text.push_str("   these policies are no longer in force\n");
    }
    if let Some(action) = hop.action {
        let _ = writeln!(text, "   action     {}", action.as_str());
    }
    attributes(text, "principal", principal.as_ref());
    attributes(text, "resource", resource.as_ref());
}

/// By what it was denied, whom to ask, and what would have to change.
fn what_to_do(text: &mut String, denied: &Denied) {
    let Denied { by, inputs, owners, changes, advice } = denied;
    let _ = writeln!(text, "   denied by  {}", event::printable(&by.join(", ")));
    // The rest stands above.
    if let Some(user) = inputs.get("user") {
        let _ = writeln!(text, "   user       {}", event::printable(user));
    }
    for Owner { of, owner } in owners {
        let owner = owner.as_deref().unwrap_or("nobody is named");
        let _ = writeln!(text, "   ask        {} ({of})", event::printable(owner));
    }
    if let Some(advice) = advice {
        let _ = writeln!(text, "   {}", event::printable(advice));
    }
    if !changes.is_empty() {
        text.push_str("   this would let exactly this call through, where that is right:\n");
    }
    for SuggestedChange { file, replaces, line, text: change } in changes {
        let file = file.as_deref().unwrap_or("the fleet file");
        let _ = match (replaces, line) {
            (Some(policy), Some(line)) => writeln!(text, "   in {file}, line {line}, in the place of `{policy}`:"),
            _ => writeln!(text, "   in {file}:"),
        };
        for line in change.lines() {
            let _ = writeln!(text, "       {}", event::printable(line));
        }
    }
}

fn attributes(text: &mut String, who: &str, facts: Option<&Facts>) {
    if let Some(Facts { owner, data, routes: _, params: _ }) = facts {
        let owner = if owner.is_empty() { "nobody" } else { owner };
        let _ = writeln!(text, "   {who:<10} owner {owner}, data [{}]", data.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::snapshot::Epoch;
    use bartizan_core::{Action, ServiceName, SpiffeId, Timestamp};

    fn found() -> Explanation {
        let hop = Hop {
            at: Timestamp::from_millis(951_782_400_123),
            service: ServiceName::parse("gateway").ok(),
            seen_by: SeenBy::Gateway,
            from: None,
            to: ServiceName::parse("accounts").ok(),
            action: None,
            method: "POST".to_owned(),
            path: "/accounts/1".to_owned(),
            route: None,
            status: Some(403),
            error: None,
            decision: None,
            took_us: 1240,
            added_us: Some(90),
            denied: None,
        };
        let denied = Hop {
            service: ServiceName::parse("accounts").ok(),
            seen_by: SeenBy::Inbound,
            from: SpiffeId::parse("spiffe://bank.test/svc/gateway").ok(),
            action: Some(Action::Write),
            route: Some("one".to_owned()),
            decision: Some(ExplainedDecision {
                verdict: Verdict::Deny,
                reason: Some("clients only read".to_owned()),
                policies: vec!["edge-reads".to_owned()],
                lines: vec![
                    "denied at policy epoch 7".to_owned(),
                    "reason: clients only read".to_owned(),
                    "forbid `edge-reads` at edge.cedar:3:1".to_owned(),
                    "    forbid(principal == Workload::\"gateway\",".to_owned(),
                    "      action, resource);".to_owned(),
                ],
                epoch: Epoch(7),
                epoch_is_current: false,
                principal: Some(Facts::default()),
                resource: Some(Facts { owner: "core".to_owned(), data: vec!["pii".to_owned()], ..Facts::default() }),
            }),
            ..hop.clone()
        };
        Explanation { request: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(), hops: vec![hop, denied] }
    }

    #[test]
    fn explains_hop_by_hop() {
        insta::assert_snapshot!("why", why(&found()));
    }

    #[test]
    fn tells_the_way_with_times() {
        let step = |depth, service: &str, seen_by, message: &str| Step {
            depth,
            at: Timestamp::from_millis(951_782_400_123),
            service: ServiceName::parse(service).ok(),
            seen_by,
            took_us: Some(1240),
            added_us: (depth == 0).then_some(90),
            event: serde_json::json!({ "message": message }),
        };
        let mut steps = vec![
            step(0, "gateway", SeenBy::Gateway, "somebody GET /accounts/1 of accounts: answered with 200"),
            step(1, "accounts", SeenBy::Inbound, "gateway GET /accounts/1 of accounts: answered with 200"),
        ];
        steps[1].took_us = Some(620);
        steps[1].event["unmapped"] =
            serde_json::json!({ "bartizan": { "user": "ana", "decision": "allow", "policies": ["fleet:calls/a->b"] } });
        let request = "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
        insta::assert_snapshot!(
            "way",
            way(&Trace { request: request.clone(), steps: steps.clone(), gaps: Vec::new() })
        );
        let gaps = vec![ServiceName::parse("ledger").unwrap()];
        let told = way(&Trace { request, steps, gaps });
        assert!(told.ends_with("gap: no span of ledger, though others in this trace tell theirs\n"), "{told}");
    }

    #[test]
    fn a_deny_without_a_policy_says_what_is_missing() {
        let mut found = found();
        found.hops.remove(0);
        found.hops[0].decision.as_mut().unwrap().policies.clear();
        assert!(why(&found).contains("no policy permits it"));
        found.hops.clear();
        assert!(why(&found).contains("nothing was written"));
    }
}
