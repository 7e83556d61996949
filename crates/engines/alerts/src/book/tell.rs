//! Who is told of what: tickets one by one, pages by incident and not too often, and the next level where nobody takes notice.

use super::{Book, Came, Context, Entry, worse_first};
use crate::limits::PAGE_EVERY;
use crate::notice::{Notice, NoticeKind};
use bartizan_core::Timestamp;
use bartizan_core::alerts::{Alert, Severity, Standing, Urgency};
use bartizan_core::event::AlertStep;
use std::time::Duration;

impl Book {
    pub(super) fn tell(&mut self, context: &Context<'_>, now: Timestamp, came: &mut Came) {
        self.tickets(now, came);
        self.pages(now, came);
        self.escalate(context, now, came);
        self.ends(now, came);
    }

    fn tickets(&mut self, now: Timestamp, came: &mut Came) {
        for entry in self.entries.iter_mut().filter(|it| it.alert.urgency == Urgency::Ticket && it.is_due(now)) {
            entry.told = true;
            entry.alert.level = 1;
            came.notices.push(notice(NoticeKind::Ticket, &entry.alert.group, 1, now, vec![entry.alert.clone()]));
        }
    }

    fn pages(&mut self, now: Timestamp, came: &mut Came) {
        for incident in &mut self.incidents {
            let due = |it: &&mut Entry| it.is_of(incident) && it.alert.urgency == Urgency::Page && it.is_due(now);
            let mut due: Vec<&mut Entry> = self.entries.iter_mut().filter(due).collect();
            // One page for all that comes of one cause; what comes later is in the next.
            if due.is_empty() || incident.paged.is_some_and(|paged| now.since(paged) < PAGE_EVERY) {
                continue;
            }
            for entry in &mut due {
                entry.told = true;
                entry.alert.level = entry.alert.level.max(1);
            }
            let alerts = due.iter().map(|it| it.alert.clone()).collect();
            incident.paged = Some(now);
            incident.waiting_since.get_or_insert(now);
            incident.level = incident.level.max(1);
            came.notices.push(notice(NoticeKind::Page, &incident.id, 1, now, alerts));
        }
    }

    fn escalate(&mut self, context: &Context<'_>, now: Timestamp, came: &mut Came) {
        for incident in self.incidents.iter_mut().filter(|it| it.level == 1) {
            let waiting: Vec<&mut Entry> = self
                .entries
                .iter_mut()
                .filter(|it| it.is_of(incident) && it.waits() && it.alert.silenced_by.is_none())
                .collect();
            if waiting.is_empty() {
                incident.waiting_since = None;
            }
            if incident.waiting_since.is_none_or(|since| now.since(since) < context.escalate_after) {
                continue;
            }
            incident.level = 2;
            let mut alerts = Vec::new();
            for entry in waiting {
                entry.alert.level = 2;
                came.steps.push((entry.alert.clone(), AlertStep::Escalated));
                alerts.push(entry.alert.clone());
            }
            came.notices.push(notice(NoticeKind::Escalation, &incident.id, 2, now, alerts));
        }
    }

    /// Whoever was told that it is there is told that it is over.
    fn ends(&mut self, now: Timestamp, came: &mut Came) {
        for entry in self.entries.iter_mut().filter(|it| it.is_over() && it.told) {
            entry.told = false;
            came.notices.push(notice(
                NoticeKind::Resolved,
                &entry.alert.group,
                entry.alert.level,
                now,
                vec![entry.alert.clone()],
            ));
        }
        let entries = &self.entries;
        for incident in &mut self.incidents {
            let goes_on = entries.iter().any(|it| it.is_of(incident) && it.alert.state == Standing::Firing);
            if !goes_on {
                (incident.waiting_since, incident.level) = (None, 0);
            }
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
}

fn notice(kind: NoticeKind, incident: &str, level: u8, at: Timestamp, mut alerts: Vec<Alert>) -> Notice {
    alerts.sort_by_key(worse_first);
    Notice { kind, incident: incident.to_owned(), level, at, alerts, evidence: None }
}
