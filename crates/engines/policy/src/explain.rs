//! A decision in words: who decided, with text and place.

use crate::error::Page;
use crate::from_fleet::OWN_PREFIX;
use crate::read::{Written, read};
use bartizan_core::snapshot::Policies;
use bartizan_core::{Decision, Verdict};

/// Lines for a person: the verdict with its reason, then each deciding policy with its place and source text.
///
/// `policies` is the snapshot of the decision's epoch; a policy that is not in it is said to be missing.
pub fn explain(decision: &Decision, policies: &Policies) -> Vec<String> {
    let verdict = match decision.verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny => "denied",
    };
    let mut lines = vec![format!("{verdict} at policy epoch {}", decision.epoch.0)];
    lines.extend(decision.reason.iter().map(|reason| format!("reason: {reason}")));
    if decision.policies.is_empty() {
        return lines;
    }
    let read = read(&policies.files);
    for id in &decision.policies {
        match read.policies.iter().find(|written| written.id == *id) {
            Some(written) => lines.extend(shown(written, policies)),
            None => lines.push(match rule(id) {
                Some(what) => format!("`{id}` is no policy: {what}"),
                None => format!("policy `{id}` is not among the policies at hand; they are of another epoch"),
            }),
        }
    }
    lines
}

/// Where a policy stands, and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub id: String,
    /// Its file.
    pub file: String,
    /// The line where it begins.
    pub line: u32,
    /// Its `@owner`.
    pub owner: Option<String>,
    /// Whether it has an `@expected`.
    pub is_expected: bool,
}

/// Where these policies stand; those that are not in `policies`, or were compiled from the fleet file, are left out.
pub fn places(ids: &[std::sync::Arc<str>], policies: &Policies) -> Vec<Place> {
    let read = read(&policies.files);
    let of = |id: &std::sync::Arc<str>| {
        let written = read.policies.iter().find(|it| it.id == *id && !it.is_own())?;
        let text = policies.files.get(&*written.file).map_or("", String::as_str);
        let (line, _) = Page::new(&written.file, text).place(written.span.start);
        Some(Place {
            id: id.to_string(),
            file: written.file.to_string(),
            line,
            owner: written.policy.annotation("owner").map(str::to_owned),
            is_expected: written.expected,
        })
    };
    ids.iter().filter_map(of).collect()
}

/// Lines for a person about a policy that is tried out: its place and source text. None where it is not in `policies`.
pub fn explain_shadow(id: &str, policies: &Policies) -> Vec<String> {
    let read = read(&policies.files);
    let found = read.policies.iter().find(|written| *written.id == *id);
    found.map_or_else(Vec::new, |written| shown(written, policies))
}

/// What says no, or adds something, beside the policies, by the names that guards have for it.
const RULES: &[(&str, &str)] = &[
    (
        "api",
        "the request or the answer was held against the document that `api` names, or against the limits of `graphql`",
    ),
    (
        "events",
        "the sender of a signed event was looked for, as `events` of the route and `senders` of the gateway say",
    ),
    ("keys", "the key of a program was looked up, as `auth: key` of the route says"),
    ("users", "the user's token was looked at, as `users`, and `auth` and `scopes` of the route, say"),
    ("login", "somebody at a browser was looked for, as `login` of the gateway says"),
    ("limits", "the request was counted, as `limits` of the gateway, the route or the service says"),
    ("slow_down", "the caller came more often than is usual for it, as `slow_down` says"),
    ("adaptive", "the service had as much to do as it bears, as `adaptive` says"),
];

/// Which rule of the fleet file that is; `None` where it is a policy.
fn rule(id: &str) -> Option<&'static str> {
    let name = id.strip_prefix(OWN_PREFIX)?;
    RULES.iter().find(|(known, _)| *known == name).map(|(_, what)| *what)
}

fn shown(written: &Written, policies: &Policies) -> Vec<String> {
    let text = policies.files.get(&*written.file).map_or("", String::as_str);
    let (line, column) = Page::new(&written.file, text).place(written.span.start);
    let effect = if written.is_permit() { "permit" } else { "forbid" };
    let mode = if written.shadow { " (in shadow, not enforced)" } else { "" };
    let mut lines = vec![format!("{effect} `{}`{mode} at {}:{line}:{column}", written.id, written.file)];
    // The first line begins at the policy; the others lose what it was indented by.
    let indent = column as usize - 1;
    let dedented = written.text(&policies.files).lines().map(|line| {
        let blank = line.chars().take(indent).take_while(|c| matches!(c, ' ' | '\t')).count();
        format!("    {}", &line[blank..])
    });
    lines.extend(dedented);
    lines
}
