//! Why a request was allowed or denied, hop by hop; and everything that was recorded about it.

mod advice; // what to do where nothing is suggested
mod denied; // whom to ask, and what would have to change

use crate::app::App;
use crate::error::ControlError;
use crate::events;
use crate::hops;
use crate::limits::{DENIALS_TRIED_MAX, REQUEST_EVENTS_MAX};
use crate::publish::InForce;
use bartizan_core::decision::{Decision, Denial, Verdict};
use bartizan_core::event::{Connection, Event, Judged, Refused, Request, SeenBy, What};
use bartizan_core::fleet::Fleet;
use bartizan_core::snapshot::{Epoch, Facts, Kind, Policies};
use bartizan_core::status::{ExplainedDecision, Explanation, Hop, Step, Trace};
use bartizan_core::{Action, RequestId, Role, ServiceName, SpiffeId};
use bartizan_events::Filter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The hops of a request with their decisions; `None` where nothing is known of it.
pub(crate) async fn explain(app: &App, request: RequestId) -> Result<Option<Explanation>, ControlError> {
    let in_force = app.in_force();
    let mut past = Past { app, in_force: &in_force, read: BTreeMap::new() };
    let mut explained = Vec::new();
    let events = recorded(app, request).await?.into_iter().map(|record| record.event);
    let (predicted, events): (Vec<Event>, Vec<Event>) =
        events.partition(|event| matches!(event.what, What::Predicted(_)));
    let mut tried = 0;
    for (_, event) in hops::in_order(events) {
        let Some(mut hop) = hop(&event, &mut past).await? else { continue };
        if event.is_denial() {
            tried += 1;
            let caller = caller(hop.from.as_ref(), &event, &in_force.desired.fleet);
            hop.denied =
                denied::aside(event, hop.clone(), caller, Arc::clone(&in_force), tried <= DENIALS_TRIED_MAX).await;
        }
        explained.push(hop);
    }
    for event in predicted {
        predict(&event, &mut explained, &mut past).await?;
    }
    let request = request.to_string();
    Ok(Some(Explanation { request, hops: explained }).filter(|it| !it.hops.is_empty()))
}

/// Everything that was recorded about a request; `None` where that is nothing.
pub(crate) async fn trace(app: &App, request: RequestId) -> Result<Option<Trace>, ControlError> {
    let recorded = recorded(app, request).await?;
    let gaps = hops::gaps(recorded.iter().map(|record| &record.event));
    let mut ocsf: BTreeMap<_, _> = recorded.iter().map(|record| (record.event.id, record.ocsf())).collect();
    let placed = hops::in_order(recorded.into_iter().map(|record| record.event).collect());
    let steps: Vec<Step> = placed
        .into_iter()
        .map(|(depth, event)| step(depth, &event, ocsf.remove(&event.id).unwrap_or_default()))
        .collect();
    Ok(Some(Trace { request: request.to_string(), steps, gaps }).filter(|it| !it.steps.is_empty()))
}

/// The records of a request. What another version of this program wrote is left out.
async fn recorded(app: &App, request: RequestId) -> Result<Vec<events::Record>, ControlError> {
    let stored = app.events.find(&Filter::of_request(request, REQUEST_EVENTS_MAX)).await?.events;
    Ok(stored.iter().filter_map(events::read).collect())
}

fn step(depth: u32, event: &Event, ocsf: serde_json::Value) -> Step {
    let (took_us, added_us) = times(event);
    let (at, service, seen_by) = (event.at, event.service.clone(), event.seen_by);
    Step { depth, at, service, seen_by, took_us, added_us, event: ocsf }
}

fn times(event: &Event) -> (Option<u64>, Option<u64>) {
    match &event.what {
        What::Request(it) => (Some(it.took_us.into()), Some(it.added_us.into())),
        What::Connection(it) => (Some(it.took_us), None),
        What::Telemetry(it) if it.span != 0 => (Some(it.took_us), None),
        _ => (None, None),
    }
}

/// Says at the hop that asked it what a policy in shadow would have decided.
async fn predict(event: &Event, hops: &mut [Hop], past: &mut Past<'_>) -> Result<(), ControlError> {
    let What::Predicted(it) = &event.what else { return Ok(()) };
    let asked = |hop: &&mut Hop| hop.service == event.service && hop.to.as_ref() == Some(&it.to);
    let decided = hops.iter_mut().filter(asked).find_map(|hop| hop.decision.as_mut());
    let Some(decision) = decided else { return Ok(()) };
    decision.lines.push(format!("{}, this one among them", it.text()));
    if let Some(policies) = past.policies(decision.epoch).await? {
        decision.lines.extend(bartizan_policy::explain_shadow(&it.policy, &policies));
    }
    Ok(())
}

/// A record as a hop; `None` for what is no call.
async fn hop(event: &Event, past: &mut Past<'_>) -> Result<Option<Hop>, ControlError> {
    let (took_us, added_us) = times(event);
    let mut hop = Hop {
        at: event.at,
        service: event.service.clone(),
        seen_by: event.seen_by,
        from: None,
        to: None,
        action: None,
        method: String::new(),
        path: String::new(),
        route: None,
        status: None,
        error: None,
        decision: None,
        took_us: took_us.unwrap_or(0),
        added_us,
        denied: None,
    };
    let (peer, judged) = match &event.what {
        What::Request(Request { peer, to, method, path, route, action, decision, status, error, .. }) => {
            (hop.to, hop.action, hop.status) = (Some(to.clone()), Some(*action), Some(*status));
            (hop.method, hop.path) = (method.to_string(), path.to_string());
            (hop.route, hop.error) = (route.as_deref().map(str::to_owned), error.as_deref().map(str::to_owned));
            (peer, decision.as_ref())
        }
        What::Connection(Connection { peer, to, decision, error, .. }) => {
            (hop.to, hop.action) = (Some(to.clone()), Some(Action::Connect));
            hop.error = error.as_deref().map(str::to_owned);
            (peer, decision.as_ref())
        }
        What::Refused(Refused { peer, rule, status, .. }) => {
            (hop.status, hop.error) = (Some(*status).filter(|status| *status != 0), Some(rule.to_string()));
            (peer, None)
        }
        _ => return Ok(None),
    };
    hop.from.clone_from(peer);
    if let Some(judged) = judged {
        hop.decision = Some(past.decision(judged, peer.as_ref(), hop.to.as_ref(), event).await?);
    }
    Ok(Some(hop))
}

/// The policies of earlier epochs, read from the store once each.
struct Past<'a> {
    app: &'a App,
    in_force: &'a InForce,
    read: BTreeMap<Epoch, Option<Arc<Policies>>>,
}

impl Past<'_> {
    async fn decision(
        &mut self,
        judged: &Judged,
        peer: Option<&SpiffeId>,
        to: Option<&ServiceName>,
        event: &Event,
    ) -> Result<ExplainedDecision, ControlError> {
        let policies = self.policies(judged.epoch).await?;
        let decision = Decision {
            verdict: judged.verdict,
            policies: judged.policies.clone(),
            reason: judged.reason.clone(),
            public: false,
            denial: Denial::Unexpected,
            epoch: judged.epoch,
        };
        let lines = match &policies {
            Some(policies) => bartizan_policy::explain(&decision, policies),
            None => vec![format!("the policies of epoch {} are not kept any more", judged.epoch.0)],
        };
        let caller = caller(peer, event, &self.in_force.desired.fleet);
        let facts = |name: Option<&ServiceName>| -> Option<Facts> { policies.as_ref()?.services.get(name?).cloned() };
        Ok(ExplainedDecision {
            verdict: judged.verdict,
            reason: judged.reason.as_deref().map(str::to_owned),
            policies: judged.policies.iter().map(|id| id.to_string()).collect(),
            lines: with_default(lines, judged),
            epoch: judged.epoch,
            epoch_is_current: self.in_force.epoch(Kind::Policies) == judged.epoch,
            principal: facts(caller.as_ref()),
            resource: facts(to),
        })
    }

    async fn policies(&mut self, epoch: Epoch) -> Result<Option<Arc<Policies>>, ControlError> {
        if let Some(known) = self.read.get(&epoch) {
            return Ok(known.clone());
        }
        let policies = match self.in_force.policies_at(epoch) {
            Some(policies) => Some(policies.clone()),
            None => {
                let text = self.app.store.content(Kind::Policies, epoch).await?;
                text.and_then(|text| serde_json::from_str(&text).ok())
            }
        };
        let policies = policies.map(Arc::new);
        self.read.insert(epoch, policies.clone());
        Ok(policies)
    }
}

/// Who asked, in the words of policies. At the gateway it is the gateway itself.
fn caller(peer: Option<&SpiffeId>, event: &Event, fleet: &Fleet) -> Option<ServiceName> {
    match peer {
        Some(id) => match id.role_in(&fleet.trust_domain) {
            Some(Role::Service(name)) => Some(name),
            Some(Role::Control | Role::Node(_)) => None,
            None => fleet.others.iter().find(|(_, it)| it.id == *id).map(|(name, _)| name.clone()),
        },
        None if event.seen_by == SeenBy::Inbound => Some(ServiceName::unauthenticated()),
        None => event.service.clone(),
    }
}

/// A deny without a policy needs a word: it is the absence of a permit.
fn with_default(mut lines: Vec<String>, judged: &Judged) -> Vec<String> {
    if judged.verdict == Verdict::Deny && judged.policies.is_empty() {
        lines.push(
            "no policy permits this call; declare it under `calls` in the fleet file, or permit it in a policy file"
                .to_owned(),
        );
    }
    lines
}
