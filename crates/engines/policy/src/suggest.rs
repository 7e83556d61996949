//! What would have to change so that a denied call is let through, and no other one.
//!
//! A suggestion is tried before it is told: with it, the fleet's files pass every check and the call is allowed.

use crate::check::check;
use crate::engine::{Ask, Engine};
use crate::error::Page;
use crate::from_fleet::{OWN_PREFIX, from_fleet};
use crate::known::{Type, route_id, uid};
use crate::limits::PATH_KEPT_WHOLE_MAX;
use crate::read::{Written, read};
use crate::scope;
use bartizan_core::fleet::{Call, Fleet, Protocol};
use bartizan_core::redact::REDACTED;
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, ServiceName};
use std::collections::BTreeMap;
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
    /// A policy that is in the way, or would permit it, looks at who the user is.
    AsksForUser,
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
            Self::AsksForUser => {
                "nothing is suggested: a policy about this call asks for the user, and an exception would let everybody through. Show a token that has what it asks for, or ask the owners"
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

/// The changes after which `ask` is allowed, where `files` are the policies of `fleet`. Where it was refused as `undeclared`, whatever
/// policies say, it has to be declared too.
///
/// # Errors
/// [`NoChange`].
pub fn suggest(
    fleet: &Fleet,
    files: &BTreeMap<String, String>,
    ask: &Ask<'_>,
    undeclared: bool,
) -> Result<Vec<Change>, NoChange> {
    let now = decide(fleet, files, ask).ok_or(NoChange::NoneFound)?;
    let undeclared = undeclared && !fleet.edges().any(|(from, to)| from == *ask.principal && to == *ask.resource);
    if now.is_allow() && !undeclared {
        return Err(NoChange::AllowedNow);
    }
    if *ask.principal == ServiceName::unauthenticated() {
        return Err(NoChange::Unauthenticated);
    }
    let denying = if now.is_allow() { &[] } else { &now.policies[..] };
    if depends_on_the_user(fleet, files, ask, denying) {
        return Err(NoChange::AsksForUser);
    }
    change(fleet, files, ask, denying, undeclared).ok_or_else(|| why_none(fleet, denying, ask))
}

fn change(
    fleet: &Fleet,
    files: &BTreeMap<String, String>,
    ask: &Ask<'_>,
    denying: &[Arc<str>],
    undeclared: bool,
) -> Option<Vec<Change>> {
    let condition = condition(fleet, ask)?;
    let mut tried = Tried { fleet: fleet.clone(), files: files.clone(), changes: Vec::new() };
    tried.except(denying, &condition)?;
    if undeclared || tried.lacks_a_permit(ask) {
        tried.declare(ask, &condition)?;
    }
    tried.is_good(ask).then_some(tried.changes)
}

/// Whether a policy that denies looks at the user, or one that may permit the call: what the token said is not known here, and what
/// lets the call through would let it through for everybody.
fn depends_on_the_user(fleet: &Fleet, files: &BTreeMap<String, String>, ask: &Ask<'_>, denying: &[Arc<str>]) -> bool {
    let principal = uid(kind_of(fleet, ask.principal), ask.principal.as_str());
    let service = uid(Type::Service, ask.resource.as_str());
    let route = known_route(fleet, ask).map(|route| uid(Type::Route, &route_id(ask.resource, route)));
    let resource = route.as_ref().unwrap_or(&service);
    let parent = route.as_ref().map(|_| &service);
    let call = scope::Call { principal: &principal, action: ask.action, resource, parent };
    let is_about_it = |it: &Written| denying.contains(&it.id) || it.is_permit() && it.scope.fits(&call);
    read(files).policies.iter().any(|it| !it.shadow && is_about_it(it) && it.asks_for_user(files))
}

fn decide(fleet: &Fleet, files: &BTreeMap<String, String>, ask: &Ask<'_>) -> Option<bartizan_core::Decision> {
    let engine = Engine::compile(&from_fleet(fleet, files.clone()), Epoch(0)).ok()?;
    Some(engine.decide(ask))
}

fn why_none(fleet: &Fleet, denied_by: &[Arc<str>], ask: &Ask<'_>) -> NoChange {
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

    /// Declares the call, and forbids the rest of what that permits; `None` where one of the two is no service.
    fn declare(&mut self, ask: &Ask<'_>, condition: &str) -> Option<()> {
        let (from, to) = (ask.principal, ask.resource);
        let protocol = self.fleet.services.get(to)?.protocol;
        let caller = self.fleet.services.get_mut(from)?;
        caller.calls.push(Call { to: to.clone(), via: None, edge: Default::default(), narrow: None });
        // The new line alone: the others may say more than a name, which pasting over them would lose.
        let text = format!("services:\n  {from}:\n    calls: # beside what stands there\n      - {to}\n");
        self.changes.push(Change { file: None, replaces: None, text });
        // Where nothing but TCP is spoken, what permits a connection permits nothing else.
        if protocol != Protocol::Tcp {
            let file = free_name(&self.files, &format!("{from}-to-{to}"));
            let text = format!(
                "@id(\"{}\")\nforbid (principal == Workload::\"{from}\", action, resource in Service::\"{to}\")\nunless {{ {condition} }};\n",
                file.trim_end_matches(".cedar")
            );
            self.files.insert(file.clone(), text.clone());
            self.changes.push(Change { file: Some(file), replaces: None, text });
        }
        Some(())
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

/// What is true of this call and of no other one; `None` where its record does not say enough for that.
fn condition(fleet: &Fleet, ask: &Ask<'_>) -> Option<String> {
    let resource = match known_route(fleet, ask) {
        Some(route) => format!("Route::\"{}\"", route_id(ask.resource, route)),
        None => format!("Service::\"{}\"", ask.resource),
    };
    let text = format!(
        "principal == {}::\"{}\" && action == Action::\"{}\" && resource == {resource}",
        kind_of(fleet, ask.principal).as_str(),
        ask.principal,
        ask.action.as_str()
    );
    if ask.action == Action::Connect {
        return Some(text);
    }
    // Of a path from which something was taken nobody knows what it was.
    if ask.path.contains(REDACTED) || ask.path.len() > PATH_KEPT_WHOLE_MAX {
        return None;
    }
    let (method, path) = (ask.method.escape_debug(), ask.path.escape_debug());
    Some(format!("{text} && context.method == \"{method}\" && context.path == \"{path}\""))
}

fn kind_of(fleet: &Fleet, principal: &ServiceName) -> Type {
    let is_foreign = fleet.others.get(principal).is_some_and(|it| fleet.is_foreign(&it.id));
    if is_foreign { Type::ForeignWorkload } else { Type::Workload }
}

fn known_route<'a>(fleet: &Fleet, ask: &Ask<'a>) -> Option<&'a str> {
    let routes = &fleet.services.get(ask.resource)?.routes;
    ask.route.filter(|name| routes.iter().any(|route| route.name.as_str() == *name))
}
