//! What would have to change so that a denied call is let through, and no other one.
//!
//! A suggestion is tried before it is told: with it, the fleet's files pass every check and the call is allowed.

use crate::check::check;
use crate::engine::{Ask, Engine};
use crate::error::Page;
use crate::from_fleet::{OWN_PREFIX, from_fleet};
use crate::known::{Type, route_id};
use crate::read::read;
use bartizan_core::fleet::{Call, Fleet};
use bartizan_core::redact::REDACTED;
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, ServiceName};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// A change of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which file; `None` for the fleet file.
    pub file: Option<String>,
    /// The policy that it takes the place of: its name, and the line where it begins. `None` where the text is new.
    pub replaces: Option<(String, u32)>,
    /// What is to stand there.
    pub text: String,
}

/// Why nothing is suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoChange {
    /// With the files as they are now it would be let through.
    AllowedNow,
    /// Nobody knows who asks.
    Unauthenticated,
    /// The gateway asks where one of its routes leads.
    Gateway,
    /// Who asks, or who is asked, is no service of the fleet file.
    NotAService,
    /// Nothing that was tried is accepted and lets it through.
    NoneFound,
}

impl NoChange {
    /// What to do instead, for people.
    pub const fn instead(self) -> &'static str {
        match self {
            Self::AllowedNow => "the fleet's files as they are now let this call through: try it again",
            Self::Unauthenticated => {
                "the caller showed no certificate, and nobody is let in by that: put a guard beside it, or let it get an identity from a node"
            }
            Self::Gateway => {
                "what comes from outside goes where a route of the gateway leads: add one under `gateway.routes`, with who may use it"
            }
            Self::NotAService => {
                "the caller, or who is called, is no service of the fleet file: what others may call is declared where they are, under `workloads` or `federation`"
            }
            Self::NoneFound => {
                "no small change would let exactly this call through; ask the owners, who know what the rule is for"
            }
        }
    }
}

/// The changes after which `ask` is allowed, where `files` are the policies of `fleet`.
///
/// # Errors
/// [`NoChange`].
pub fn suggest(fleet: &Fleet, files: &BTreeMap<String, String>, ask: &Ask<'_>) -> Result<Vec<Change>, NoChange> {
    let now = decide(fleet, files, ask).ok_or(NoChange::NoneFound)?;
    if now.is_allow() {
        return Err(NoChange::AllowedNow);
    }
    // As exact as its record says, then without method and path: where nobody looks at these, a policy may not ask for them.
    let exact = condition(fleet, ask, true);
    let tried = exact.iter().chain([&condition(fleet, ask, false)].into_iter().flatten()).find_map(|condition| {
        let mut tried = Tried { fleet: fleet.clone(), files: files.clone(), changes: Vec::new() };
        tried.except(&now.policies, condition)?;
        if now.policies.is_empty() || tried.lacks_a_permit(ask) {
            tried.declare(ask, condition).ok()?;
        }
        tried.is_good(ask).then_some(tried.changes)
    });
    tried.ok_or_else(|| why_none(fleet, &now.policies, ask))
}

fn decide(fleet: &Fleet, files: &BTreeMap<String, String>, ask: &Ask<'_>) -> Option<bartizan_core::Decision> {
    let engine = Engine::compile(&from_fleet(fleet, files.clone()), Epoch(0)).ok()?;
    Some(engine.decide(ask))
}

fn why_none(fleet: &Fleet, denied_by: &[Arc<str>], ask: &Ask<'_>) -> NoChange {
    if *ask.principal == ServiceName::unauthenticated() {
        return NoChange::Unauthenticated;
    }
    if !denied_by.is_empty() {
        return NoChange::NoneFound;
    }
    if *ask.principal == ServiceName::gateway() {
        return NoChange::Gateway;
    }
    let is_service = |name: &ServiceName| fleet.services.contains_key(name);
    if is_service(ask.principal) && is_service(ask.resource) { NoChange::NoneFound } else { NoChange::NotAService }
}

/// Files with what was changed so far.
struct Tried {
    fleet: Fleet,
    files: BTreeMap<String, String>,
    changes: Vec<Change>,
}

impl Tried {
    /// Gives each of these policies an exception; `None` where one of them is not to be changed.
    fn except(&mut self, policies: &[Arc<str>], condition: &str) -> Option<()> {
        let read = read(&self.files);
        let find = |id: &Arc<str>| read.policies.iter().find(|it| it.id == *id && !it.is_permit() && !it.is_own());
        let mut denying = policies.iter().map(find).collect::<Option<Vec<_>>>()?;
        // From the end of each file on, so that all keep the lines where people find them.
        denying.sort_by_key(|it| std::cmp::Reverse(it.span.start));
        for written in denying {
            let text = written.text(&self.files).trim_end().strip_suffix(';')?.trim_end().to_owned();
            let text = format!("{text}\nunless {{ {condition} }};");
            let (name, span) = (written.file.to_string(), written.span.clone());
            let file = self.files.get_mut(&name)?;
            let (line, _) = Page::new(&name, file).place(span.start);
            file.replace_range(span, &text);
            self.changes.push(Change { file: Some(name), replaces: Some((written.id.to_string(), line)), text });
        }
        Some(())
    }

    fn lacks_a_permit(&self, ask: &Ask<'_>) -> bool {
        decide(&self.fleet, &self.files, ask).is_some_and(|it| !it.is_allow() && it.policies.is_empty())
    }

    /// Declares the call, and forbids the rest of what that permits.
    fn declare(&mut self, ask: &Ask<'_>, condition: &str) -> Result<(), NoChange> {
        let (from, to) = (ask.principal, ask.resource);
        if !self.fleet.services.contains_key(to) {
            return Err(NoChange::NotAService);
        }
        let caller = self.fleet.services.get_mut(from).ok_or(NoChange::NotAService)?;
        caller.calls.push(Call { to: to.clone(), via: None, edge: Default::default(), narrow: None });
        let mut calls = String::new();
        for call in &caller.calls {
            let _ = writeln!(calls, "      - {}", call.to);
        }
        let text = format!("services:\n  {from}:\n    calls: # what it calls already, and this\n{calls}");
        self.changes.push(Change { file: None, replaces: None, text });
        // What permits a TCP connection permits nothing else.
        if ask.action != Action::Connect {
            let file = free_name(&self.files, &format!("{from}-to-{to}"));
            let text = format!(
                "@id(\"{}\")\nforbid (principal == Workload::\"{from}\", action, resource in Service::\"{to}\")\nunless {{ {condition} }};\n",
                file.trim_end_matches(".cedar")
            );
            self.files.insert(file.clone(), text.clone());
            self.changes.push(Change { file: Some(file), replaces: None, text });
        }
        Ok(())
    }

    fn is_good(&self, ask: &Ask<'_>) -> bool {
        let own = self.files.iter().filter(|(name, _)| !name.starts_with(OWN_PREFIX));
        let own: BTreeMap<String, String> = own.map(|(name, text)| (name.clone(), text.clone())).collect();
        check(&self.fleet, &own).is_ok() && decide(&self.fleet, &own, ask).is_some_and(|it| it.is_allow())
    }
}

fn free_name(files: &BTreeMap<String, String>, stem: &str) -> String {
    let named = |n: u32| if n == 0 { format!("only-{stem}.cedar") } else { format!("only-{stem}-{n}.cedar") };
    (0..).map(named).find(|name| !files.contains_key(name)).unwrap_or_default()
}

/// What is true of this call and, where its record says enough, of no other one.
fn condition(fleet: &Fleet, ask: &Ask<'_>, with_context: bool) -> Option<String> {
    let is_foreign = fleet.others.get(ask.principal).is_some_and(|it| fleet.is_foreign(&it.id));
    let kind = if is_foreign { Type::ForeignWorkload } else { Type::Workload };
    let resource = match known_route(fleet, ask) {
        Some(route) => format!("Route::\"{}\"", route_id(ask.resource, route)),
        None => format!("Service::\"{}\"", ask.resource),
    };
    let mut text = format!(
        "principal == {}::\"{}\" && action == Action::\"{}\" && resource == {resource}",
        kind.as_str(),
        ask.principal,
        ask.action.as_str()
    );
    if with_context {
        // Of a path from which something was taken nobody knows what it was.
        if ask.action == Action::Connect || ask.path.contains(REDACTED) {
            return None;
        }
        let (method, path) = (ask.method.escape_debug(), ask.path.escape_debug());
        let _ = write!(text, " && context.method == \"{method}\" && context.path == \"{path}\"");
    }
    Some(text)
}

fn known_route<'a>(fleet: &Fleet, ask: &Ask<'a>) -> Option<&'a str> {
    let routes = &fleet.services.get(ask.resource)?.routes;
    ask.route.filter(|name| routes.iter().any(|route| route.name.as_str() == *name))
}
