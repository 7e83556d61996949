//! What to do about a denial: whom to ask, by what it came, and what would let exactly this call through. Where nothing should, why.

use crate::explain::advice;
use crate::publish::InForce;
use bartizan_core::Verdict;
use bartizan_core::deny::Subject;
use bartizan_core::event::{Event, Judged, Request, What};
use bartizan_core::name::GATEWAY;
use bartizan_core::status::{Denied, Hop, Owner, SuggestedChange};
use bartizan_core::{ServiceName, SpiffeId};
use bartizan_policy::{Ask, Change, NoChange, OWN_PREFIX, places, suggest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What to do about what happened at a hop; `None` where it denied nothing. Tries out policies, which may take a second for thousands.
pub(super) fn of(event: &Event, hop: &Hop, caller: Option<&ServiceName>, in_force: &InForce) -> Option<Denied> {
    if !event.is_denial() {
        return None;
    }
    let judged = judged(&event.what).filter(|it| it.verdict == Verdict::Deny);
    let mut denied =
        Denied { inputs: inputs(event, hop, judged), owners: owners(hop, caller, in_force), ..Denied::default() };
    if let Some(id) = hop.from.as_ref().filter(|id| is_on_the_deny_list(id, in_force)) {
        denied.by.push("deny list".to_owned());
        denied.advice = Some(format!(
            "`{id}` is on the deny list: nothing is suggested. `bartizan revoked` says why and by whom; only where that is settled, `bartizan restore id:{id}`"
        ));
        return Some(denied);
    }
    match judged {
        Some(judged) => by_decision(&mut denied, judged, hop, caller, in_force),
        None => by_rule(&mut denied, hop, caller, in_force),
    }
    Some(denied)
}

fn judged(what: &What) -> Option<&Judged> {
    match what {
        What::Request(it) => it.decision.as_ref(),
        What::Connection(it) => it.decision.as_ref(),
        _ => None,
    }
}

fn is_on_the_deny_list(id: &SpiffeId, in_force: &InForce) -> bool {
    in_force.deny_list.entries.iter().any(|entry| matches!(&entry.subject, Subject::Id(denied) if denied == id))
}

/// Policies said no, or a rule of the fleet file that stands in the place of one.
fn by_decision(denied: &mut Denied, judged: &Judged, hop: &Hop, caller: Option<&ServiceName>, in_force: &InForce) {
    denied.by = judged.policies.iter().map(|id| id.to_string()).collect();
    if judged.policies.is_empty() {
        denied.by.push("no permit".to_owned());
    }
    let rule = judged.policies.iter().find_map(|id| id.strip_prefix(OWN_PREFIX));
    if let Some(rule) = rule {
        denied.advice = Some(advice::of_rule(rule).to_owned());
        return;
    }
    let policies = &in_force.desired.policies;
    for place in places(&judged.policies, policies) {
        let of = format!("policy `{}` at {}:{}", place.id, place.file, place.line);
        if place.is_expected {
            denied.advice = Some(format!(
                "whoever wrote `{}` expects it to deny (`@expected`): ask before anything is changed",
                place.id
            ));
        }
        denied.owners.push(Owner { of, owner: place.owner });
    }
    change(denied, hop, caller, in_force);
}

/// Something else than a policy said no.
fn by_rule(denied: &mut Denied, hop: &Hop, caller: Option<&ServiceName>, in_force: &InForce) {
    let word = hop.error.as_deref().unwrap_or_default();
    denied.by.push(word.to_owned());
    match word {
        "undeclared" => change(denied, hop, caller, in_force),
        _ => denied.advice = Some(advice::of_word(word).to_owned()),
    }
}

fn change(denied: &mut Denied, hop: &Hop, caller: Option<&ServiceName>, in_force: &InForce) {
    let (Some(caller), Some(to), Some(action)) = (caller, &hop.to, hop.action) else { return };
    let own = |name: &String| name.starts_with(OWN_PREFIX);
    let desired = &in_force.desired;
    let files = desired.policies.files.iter().filter(|(name, _)| !own(name));
    let files: BTreeMap<String, String> = files.map(|(name, text)| (name.clone(), text.clone())).collect();
    let id = hop.from.as_ref().filter(|_| desired.fleet.others.contains_key(caller));
    let ask = Ask {
        principal: caller,
        id,
        action,
        resource: to,
        route: hop.route.as_deref(),
        method: &hop.method,
        path: &hop.path,
        user: None,
    };
    match suggest(&desired.fleet, &files, &ask) {
        Ok(changes) => denied.changes = changes.into_iter().map(told).collect(),
        // What the token said is not kept, and may be what the policy asks for.
        Err(NoChange::AllowedNow) if denied.inputs.contains_key("user") => {
            denied.advice = Some(
                "the policies as they are now let this call through, as far as they do not ask for the user: try it again, with a token that has what they ask for"
                    .to_owned(),
            );
        }
        Err(no) => denied.advice = Some(no.instead().to_owned()),
    }
}

fn told(change: Change) -> SuggestedChange {
    let Change { file, replaces, text } = change;
    let (replaces, line) = replaces.unzip();
    SuggestedChange { file, replaces, line, text }
}

/// What the decision depended on, as it was recorded: redacted, and nothing of what tokens said.
fn inputs(event: &Event, hop: &Hop, judged: Option<&Judged>) -> BTreeMap<String, String> {
    let user = match &event.what {
        What::Request(Request { user, .. }) => user.as_deref(),
        _ => None,
    };
    let known = [
        ("caller", hop.from.as_ref().map(ToString::to_string)),
        ("service", hop.to.as_ref().map(ToString::to_string)),
        ("action", hop.action.map(|action| action.as_str().to_owned())),
        ("method", Some(hop.method.clone()).filter(|it| !it.is_empty())),
        ("path", Some(hop.path.clone()).filter(|it| !it.is_empty())),
        ("route", hop.route.clone()),
        ("user", user.map(str::to_owned)),
        ("policy epoch", judged.map(|it| it.epoch.0.to_string())),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Those of the service that was asked, and of the one that asked.
fn owners(hop: &Hop, caller: Option<&ServiceName>, in_force: &InForce) -> Vec<Owner> {
    let services = &in_force.desired.fleet.services;
    let known = [hop.to.as_ref().or(hop.service.as_ref()), caller].into_iter().flatten();
    let known = known.filter(|name| name.as_str() != GATEWAY && services.contains_key(*name));
    known.map(|name| Owner { of: format!("service {name}"), owner: services[name].owner.clone() }).collect()
}

/// A future in which trying out policies holds nobody up.
pub(super) async fn aside(
    event: Event,
    hop: Hop,
    caller: Option<ServiceName>,
    in_force: Arc<InForce>,
) -> Option<Denied> {
    let work = move || of(&event, &hop, caller.as_ref(), &in_force);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "nothing is said of what to do about a denial");
        None
    })
}
