//! Which alerts belong together: those of services that call each other, for the same people, begun within a few minutes.

use super::{Book, Context};
use crate::limits::TOGETHER_WITHIN;
use crate::on_call;
use bartizan_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Alerts that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Incident {
    pub(super) id: String,
    services: BTreeSet<String>,
    /// The escalation that has it; `None` where none takes it.
    #[serde(default)]
    pub(super) escalation: Option<String>,
    /// When its last alert began.
    last: Timestamp,
    /// When somebody was paged last.
    pub(super) paged: Option<Timestamp>,
}

impl Book {
    /// The incident of an alert that begins: one that is open and near, or a new one.
    pub(super) fn group(&mut self, at: usize, context: &Context<'_>, now: Timestamp) -> String {
        let service = self.entries[at].alert.service.clone();
        // What others have to see to is an incident of theirs.
        let escalation = on_call::escalation(context.roster, &self.entries[at].alert).map(|it| it.name.clone());
        // One that comes and goes stays in its incident, so that it does not page each time.
        let signature = &self.entries[at].signature;
        let before = self.entries.iter().rev().find(|it| it.signature == *signature && !it.alert.group.is_empty());
        let again = before.map(|it| it.alert.group.clone());
        if let Some(incident) =
            self.incidents.iter_mut().find(|it| Some(&it.id) == again.as_ref() && it.escalation == escalation)
        {
            incident.last = now;
            return incident.id.clone();
        }
        let is_open = |it: &&mut Incident| it.escalation == escalation && now.since(it.last) <= TOGETHER_WITHIN;
        let is_near = |it: &&mut Incident| match &service {
            // What is said of the fleet comes of what is said of its services.
            None => true,
            Some(service) => {
                it.services.contains(service)
                    || context.edges.iter().any(|(from, to)| {
                        from.as_str() == service && it.services.contains(to.as_str())
                            || to.as_str() == service && it.services.contains(from.as_str())
                    })
            }
        };
        if let Some(incident) = self.incidents.iter_mut().rev().filter(is_open).find(is_near) {
            incident.last = now;
            incident.services.extend(service);
            return incident.id.clone();
        }
        self.incidents_made += 1;
        let id = format!("i{}", self.incidents_made);
        let services = service.into_iter().collect();
        self.incidents.push(Incident { id: id.clone(), services, escalation, last: now, paged: None });
        id
    }
}
