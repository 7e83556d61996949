//! What to do about a denial: whom to ask, by what it came, and what would let exactly this call through. Where nothing should, why.

use crate::explain::advice;
use crate::publish::InForce;
use bartizan_core::Verdict;
use bartizan_core::deny::{self, DenyList, Subject};
use bartizan_core::event::{Event, Judged, Request, What};
use bartizan_core::name::GATEWAY;
use bartizan_core::status::{Denied, Hop, Owner, SuggestedChange};
use bartizan_core::{Role, ServiceName, SpiffeId};
use bartizan_policy::{Ask, Change, NoChange, OWN_PREFIX, places, suggest};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Whoever asks waits for the others: trying out policies keeps a core busy, and many may look at denials.
static TURN: Semaphore = Semaphore::const_new(1);
/// The word of a guard that knows no declared call for what its program asks for.
const UNDECLARED: &str = "undeclared";

/// What to do about what happened at a hop; `None` where it denied nothing. Tries out policies where `tries` says so, which may take a
/// second for thousands.
fn of(event: &Event, hop: &Hop, caller: Option<&ServiceName>, in_force: &InForce, tries: bool) -> Option<Denied> {
    if !event.is_denial() {
        return None;
    }
    let judged = judged(&event.what).filter(|it| it.verdict == Verdict::Deny);
    let mut denied =
        Denied { inputs: inputs(event, hop, judged), owners: owners(hop, caller, in_force), ..Denied::default() };
    let id = hop.from.clone().or_else(|| own_id(caller?, in_force));
    if let Some((id, entry)) = id.and_then(|id| on_the_deny_list(&id, &in_force.deny_list).map(|entry| (id, entry))) {
        denied.by.push("deny list".to_owned());
        let subject = &entry.subject;
        denied.advice = Some(format!(
            "`{id}` is on the deny list: nothing is suggested. `bartizan revoked` says why and by whom; only where that is settled, `bartizan restore {subject}`"
        ));
        return Some(denied);
    }
    let tries_a_change = match judged {
        Some(judged) => by_decision(&mut denied, judged, in_force),
        None => by_rule(&mut denied, hop),
    };
    match (tries_a_change, tries) {
        (true, true) => change(&mut denied, hop, caller, in_force),
        (true, false) => advise(
            &mut denied,
            "what would let it through was looked for at the first denials of this request alone: settle these, then ask again",
        ),
        (false, _) => {}
    }
    Some(denied)
}

/// Says this too.
fn advise(denied: &mut Denied, text: &str) {
    denied.advice = Some(denied.advice.take().map_or_else(|| text.to_owned(), |before| format!("{before}. {text}")));
}

fn judged(what: &What) -> Option<&Judged> {
    match what {
        What::Request(it) => it.decision.as_ref(),
        What::Connection(it) => it.decision.as_ref(),
        _ => None,
    }
}

/// The identity of a caller whose own guard tells of its call.
fn own_id(caller: &ServiceName, in_force: &InForce) -> Option<SpiffeId> {
    let named = *caller != ServiceName::unauthenticated();
    named.then(|| SpiffeId::of(&in_force.desired.fleet.trust_domain, &Role::Service(caller.clone())))
}

fn on_the_deny_list<'a>(id: &SpiffeId, list: &'a DenyList) -> Option<&'a deny::Denied> {
    list.entries.iter().find(|entry| match &entry.subject {
        Subject::Id(denied) => denied == id,
        Subject::Domain(denied) => denied.as_str() == id.domain(),
        _ => false,
    })
}

/// Whether somebody is denied by something that no record of a call tells: a node, or a certificate, its key or who issued it.
fn may_be_denied_otherwise(in_force: &InForce) -> bool {
    let told = |subject: &Subject| matches!(subject, Subject::Id(_) | Subject::Domain(_));
    in_force.deny_list.entries.iter().any(|entry| !told(&entry.subject))
}

/// Policies said no, or a rule of the fleet file that stands in the place of one. Gives whether a change may help.
fn by_decision(denied: &mut Denied, judged: &Judged, in_force: &InForce) -> bool {
    denied.by = judged.policies.iter().map(|id| id.to_string()).collect();
    if judged.policies.is_empty() {
        denied.by.push("no permit".to_owned());
    }
    let rule = judged.policies.iter().find_map(|id| id.strip_prefix(OWN_PREFIX));
    if let Some(rule) = rule {
        advise(denied, advice::of_rule(rule));
        return false;
    }
    let policies = &in_force.desired.policies;
    for place in places(&judged.policies, policies) {
        let of = format!("policy `{}` at {}:{}", place.id, place.file, place.line);
        if place.is_expected {
            let expects = "expects it to deny (`@expected`): ask before anything is changed";
            advise(denied, &format!("whoever wrote `{}` {expects}", place.id));
        }
        denied.owners.push(Owner { of, owner: place.owner });
    }
    true
}

/// Something else than a policy said no. Gives whether a change may help.
fn by_rule(denied: &mut Denied, hop: &Hop) -> bool {
    let word = hop.error.as_deref().unwrap_or_default();
    denied.by.push(word.to_owned());
    let is_undeclared = word == UNDECLARED;
    if !is_undeclared {
        advise(denied, advice::of_word(word));
    }
    is_undeclared
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
    let undeclared = hop.error.as_deref() == Some(UNDECLARED);
    match suggest(&desired.fleet, &files, &ask, undeclared) {
        Ok(changes) => {
            denied.changes = changes.into_iter().map(told).collect();
            warn(denied, caller, in_force);
        }
        // What the token said is not kept, and may be what the policy asks for.
        Err(NoChange::AllowedNow) if denied.inputs.contains_key("user") => advise(
            denied,
            "the policies as they are now let this call through, as far as they do not ask for the user: try it again, with a token that has what they ask for",
        ),
        Err(no) => advise(denied, no.instead()),
    }
}

/// What to think of before the changes are made.
fn warn(denied: &mut Denied, caller: &ServiceName, in_force: &InForce) {
    if caller.as_str() == GATEWAY {
        advise(
            denied,
            "the gateway asks for whoever reaches it: the change lets this call through for every client and every user whom its route takes",
        );
    }
    if may_be_denied_otherwise(in_force) {
        advise(
            denied,
            "nodes, certificates, keys or issuers are on the deny list, and the record does not tell whether the caller is among them: look at `bartizan revoked` first",
        );
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

/// What [`of`] says, where trying out policies holds nobody up.
pub(super) async fn aside(
    event: Event,
    hop: Hop,
    caller: Option<ServiceName>,
    in_force: Arc<InForce>,
    tries: bool,
) -> Option<Denied> {
    let turn = TURN.acquire().await;
    // With the work, which goes on where nobody waits for it any more.
    let work = move || {
        let _turn = turn;
        of(&event, &hop, caller.as_ref(), &in_force, tries)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "nothing is said of what to do about a denial");
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_on_the_list_by_itself_and_with_its_domain() {
        let entry = |subject: &str| deny::Denied {
            subject: Subject::parse(subject).unwrap(),
            reason: "taken over".to_owned(),
            since: bartizan_core::Timestamp::from_millis(0),
            by: "ada".to_owned(),
            with: None,
        };
        let list = DenyList { entries: vec![entry("domain:partner.test"), entry("id:spiffe://bank.test/svc/payment")] };
        for (id, by) in [
            ("spiffe://partner.test/svc/any", Some("domain:partner.test")),
            ("spiffe://bank.test/svc/payment", Some("id:spiffe://bank.test/svc/payment")),
            ("spiffe://bank.test/svc/accounts", None),
            ("spiffe://partner.test.evil/svc/any", None),
        ] {
            let found = on_the_deny_list(&SpiffeId::parse(id).unwrap(), &list);
            assert_eq!(found.map(|entry| entry.subject.to_string()).as_deref(), by, "{id}");
        }
    }
}
