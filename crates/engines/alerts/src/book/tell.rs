//! Who is told of what: tickets one by one, pages by incident and not too often, and the next level where nobody takes notice.

use super::group::Incident;
use super::{Book, Came, Context, Entry, worse_first};
use crate::limits::PAGE_EVERY;
use crate::notice::{Notice, NoticeKind};
use crate::on_call;
use bartizan_core::Timestamp;
use bartizan_core::alerts::{Alert, Severity, Standing, Urgency};
use bartizan_core::event::AlertStep;
use bartizan_core::on_call::{Called, Escalation};
use std::collections::BTreeMap;
use std::time::Duration;

/// Levels where no escalation says how many: who is told first, and who then.
const LEVELS: usize = 2;

impl Book {
    pub(super) fn tell(&mut self, context: &Context<'_>, now: Timestamp, came: &mut Came) {
        self.tickets(context, now, came);
        self.pages(context, now, came);
        self.escalate(context, now, came);
        self.ends(now, came);
    }

    fn tickets(&mut self, context: &Context<'_>, now: Timestamp, came: &mut Came) {
        for entry in self.entries.iter_mut().filter(|it| it.alert.urgency == Urgency::Ticket && it.is_due(now)) {
            let incident = self.incidents.iter().find(|it| entry.is_of(it));
            let called = incident.and_then(|it| it.call(context, &entry.alert, 1, now));
            entry.tell(1, called.as_ref(), now);
            let alerts = vec![entry.alert.clone()];
            came.notices.push(notice(NoticeKind::Ticket, &entry.alert.group, 1, called.as_slice(), now, alerts));
        }
    }

    fn pages(&mut self, context: &Context<'_>, now: Timestamp, came: &mut Came) {
        for incident in &mut self.incidents {
            let due = |it: &&mut Entry| it.is_of(incident) && it.alert.urgency == Urgency::Page && it.is_due(now);
            let due: Vec<&mut Entry> = self.entries.iter_mut().filter(due).collect();
            // One page for all that comes of one cause; what comes later is in the next.
            if due.is_empty() || incident.paged.is_some_and(|paged| now.since(paged) < PAGE_EVERY) {
                continue;
            }
            incident.paged = Some(now);
            // Those of one incident may be for different people once the fleet file says something else.
            let mut by_chain: BTreeMap<Option<&str>, Vec<&mut Entry>> = BTreeMap::new();
            for entry in due {
                by_chain.entry(incident.chain_name(context, &entry.alert)).or_default().push(entry);
            }
            for mut entries in by_chain.into_values() {
                let called = entries.first().and_then(|it| incident.call(context, &it.alert, 1, now));
                entries.iter_mut().for_each(|it| it.tell(1, called.as_ref(), now));
                let alerts = entries.iter().map(|it| it.alert.clone()).collect();
                came.notices.push(notice(NoticeKind::Page, &incident.id, 1, called.as_slice(), now, alerts));
            }
        }
    }

    fn escalate(&mut self, context: &Context<'_>, now: Timestamp, came: &mut Came) {
        for incident in &self.incidents {
            // By the level that is told next: what was paged later waits for as long.
            let mut due: BTreeMap<(u8, Option<&str>), Vec<&mut Entry>> = BTreeMap::new();
            for entry in self.entries.iter_mut().filter(|it| it.is_of(incident) && it.waits()) {
                let next = entry.alert.level.saturating_add(1);
                let Some(wait) = incident.wait(context, &entry.alert, next) else { continue };
                // While nobody is told of it nobody can take notice: it waits anew after that.
                if entry.alert.silenced_by.is_some() {
                    entry.waits_since = Some(now);
                }
                if now.since(entry.waits_since.unwrap_or(entry.alert.since)) >= wait {
                    due.entry((next, incident.chain_name(context, &entry.alert))).or_default().push(entry);
                }
            }
            for ((level, _), mut entries) in due {
                let called = entries.first().and_then(|it| incident.call(context, &it.alert, level, now));
                entries.iter_mut().for_each(|it| it.tell(level, called.as_ref(), now));
                let alerts: Vec<Alert> = entries.iter().map(|it| it.alert.clone()).collect();
                came.steps.extend(alerts.iter().map(|it| (it.clone(), AlertStep::Escalated)));
                came.notices.push(notice(NoticeKind::Escalation, &incident.id, level, called.as_slice(), now, alerts));
            }
        }
    }

    /// Whoever was told that it is there is told that it is over.
    fn ends(&mut self, now: Timestamp, came: &mut Came) {
        for entry in self.entries.iter_mut().filter(|it| it.is_over() && it.told) {
            entry.told = false;
            let (group, level, called) = (&entry.alert.group, entry.alert.level, &entry.alert.called);
            let alerts = vec![entry.alert.clone()];
            came.notices.push(notice(NoticeKind::Resolved, group, level, called, now, alerts));
        }
    }
}

impl Incident {
    /// The escalation that took it. Where the fleet file has none of that name, or none took it, the one that takes the alert by now: a
    /// route that escalations name is told nothing else.
    fn chain<'a>(&self, context: &Context<'a>, alert: &Alert) -> Option<&'a Escalation> {
        let is_ours = |it: &&Escalation| self.escalation.as_ref() == Some(&it.name);
        let ours = context.roster.escalations.iter().find(is_ours);
        ours.or_else(|| on_call::escalation(context.roster, alert))
    }

    fn chain_name<'a>(&self, context: &Context<'a>, alert: &Alert) -> Option<&'a str> {
        self.chain(context, alert).map(|it| it.name.as_str())
    }

    fn call(&self, context: &Context<'_>, alert: &Alert, level: u8, now: Timestamp) -> Option<Called> {
        on_call::call(context.roster, self.chain(context, alert)?, level, now)
    }

    /// How long before a level is told; `None` where there is no such level.
    fn wait(&self, context: &Context<'_>, alert: &Alert, level: u8) -> Option<Duration> {
        let place = usize::from(level).checked_sub(1)?;
        match self.chain(context, alert) {
            Some(chain) => Some(on_call::wait(chain.levels.get(place)?, context.escalate_after)),
            None => (place < LEVELS).then_some(context.escalate_after),
        }
    }
}

impl Entry {
    /// Whether somebody is to be told that it is there.
    fn is_due(&self, now: Timestamp) -> bool {
        let alert = &self.alert;
        // What a deploy causes for a moment; what is critical does not wait, and nothing waits twice.
        let grace = Duration::from_secs(self.deploy_grace_s);
        let is_routine =
            alert.after_change.is_some() && alert.severity != Severity::Critical && now.since(alert.since) < grace;
        alert.state == Standing::Firing
            && !self.told
            && alert.silenced_by.is_none()
            && self.gone_since.is_none()
            && !is_routine
    }

    /// A level is told of it.
    fn tell(&mut self, level: u8, called: Option<&Called>, now: Timestamp) {
        self.told = true;
        self.waits_since = Some(now);
        self.alert.level = level;
        self.alert.called.extend(called.cloned());
    }
}

fn notice(
    kind: NoticeKind,
    incident: &str,
    level: u8,
    called: &[Called],
    at: Timestamp,
    mut alerts: Vec<Alert>,
) -> Notice {
    alerts.sort_by_key(worse_first);
    Notice { kind, incident: incident.to_owned(), level, called: called.to_vec(), at, alerts, evidence: None }
}
