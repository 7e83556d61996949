//! What is there, and who was told: one entry for each rule and place, however often it is seen.

mod group; // which alerts belong together
mod mute; // of what nobody is told
mod tell; // who is told of what

use crate::changes::Changes;
use crate::evaluate::Reading;
use crate::foreign::Foreign;
use crate::limits::{AFTER_CHANGE, ALERTS_MAX, RESOLVED_FOR};
use crate::notice::Notice;
use crate::silence::Silences;
use bartizan_core::alerts::{Alert, Muted, Rule, Standing};
use bartizan_core::event::AlertStep;
use bartizan_core::on_call::Roster;
use bartizan_core::{ServiceName, Timestamp};
use group::Incident;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a step has to know beside what was measured.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The rules, as readings name them.
    pub rules: &'a [Rule],
    /// Who calls whom.
    pub edges: &'a [(ServiceName, ServiceName)],
    /// What was changed lately.
    pub changes: &'a Changes,
    /// When nobody is told.
    pub silences: &'a Silences,
    /// Who is on call.
    pub roster: &'a Roster,
    /// For how long a page waits for somebody to take notice, where no level says it.
    pub escalate_after: Duration,
    /// Until when what was restored stays, although nothing is measured yet.
    pub settled: bool,
}

/// Every alert that is there or was there within the last hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    entries: Vec<Entry>,
    incidents: Vec<Incident>,
    alerts_made: u64,
    incidents_made: u64,
    left_out: u64,
}

/// What makes two alerts the same: source, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Signature {
    rule: String,
    place: String,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    signature: Signature,
    alert: Alert,
    /// Total of the counter when it was last looked at; `None` for what is not counted.
    seen_total: Option<u64>,
    gone_since: Option<Timestamp>,
    keep_s: u64,
    symptom: bool,
    away: bool,
    /// Rules that it says more about than they do.
    #[serde(default)]
    covers: Vec<String>,
    deploy_grace_s: u64,
    /// When it ends if nobody repeats it; for those from outside.
    until: Option<Timestamp>,
    /// Whether somebody was told that it is there.
    told: bool,
    /// Since when the level that was told last has not taken notice.
    #[serde(default)]
    waits_since: Option<Timestamp>,
    /// Whether it comes from before a restart, and was not seen since.
    #[serde(skip)]
    restored: bool,
}

/// What came of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Came {
    /// What somebody has to be told.
    pub notices: Vec<Notice>,
    /// What became of alerts, for the record.
    pub steps: Vec<(Alert, AlertStep)>,
}

impl Book {
    /// Takes in what is measured now.
    pub fn step(&mut self, readings: &[Reading], context: &Context<'_>, now: Timestamp) -> Came {
        let mut came = Came::default();
        let mut seen = vec![false; self.entries.len()];
        for reading in readings {
            if let Some(at) = self.take(reading, context, now) {
                seen.resize(self.entries.len(), false);
                seen[at] = true;
            }
        }
        self.go(&seen, context, now, &mut came);
        self.begin(context, now, &mut came);
        self.mute(context, now);
        self.tell(context, now, &mut came);
        self.tidy(now);
        came
    }

    /// Takes in alerts that others made. Each counts, and the same ones are one.
    pub fn raise(&mut self, foreign: &[Foreign], now: Timestamp) {
        for it in foreign {
            let place = it.service.clone().unwrap_or_else(|| "fleet".to_owned());
            let signature = Signature { rule: it.name.clone(), place: place.clone(), labels: it.labels.clone() };
            let found = self.entries.iter_mut().find(|entry| entry.signature == signature && !entry.is_over());
            if let Some(entry) = found {
                entry.until = Some(it.until);
                entry.alert.count += 1;
                entry.alert.last = now;
                entry.restored = false;
                continue;
            }
            // It is over already.
            if it.until <= now {
                continue;
            }
            let alert = Alert {
                rule: it.name.clone(),
                title: it.summary.clone(),
                severity: it.severity,
                urgency: it.urgency,
                service: it.service.clone(),
                owner: it.owner.clone(),
                runbook: it.runbook.clone(),
                since: it.since,
                summary: it.summary.clone(),
                labels: it.labels.clone(),
                ..self.blank(place, now)
            };
            self.push(Entry { until: Some(it.until), ..Entry::new(signature, alert) });
        }
    }

    /// Whether one that others made is there.
    pub fn is_open(&self, it: &Foreign) -> bool {
        let place = it.service.as_deref().unwrap_or("fleet");
        let same = |of: &Signature| of.rule == it.name && of.place == place && of.labels == it.labels;
        self.entries.iter().any(|entry| same(&entry.signature) && !entry.is_over())
    }

    /// Somebody takes notice of an alert, or of all of an incident.
    pub fn acknowledge(&mut self, id: &str, by: &str, note: Option<&str>) -> Vec<Alert> {
        let concerned =
            |it: &&mut Entry| (it.alert.id == id || it.alert.group == id) && it.alert.state == Standing::Firing;
        let mut all = Vec::new();
        for entry in self.entries.iter_mut().filter(concerned) {
            entry.alert.acknowledged_by = Some(by.to_owned());
            entry.alert.note = note.map(str::to_owned);
            all.push(entry.alert.clone());
        }
        all
    }

    /// Every alert: those that are there first, the worst of them first.
    pub fn alerts(&self) -> Vec<Alert> {
        let mut all: Vec<Alert> = self.entries.iter().map(|it| it.alert.clone()).collect();
        all.sort_by_key(worse_first);
        all
    }

    /// Those of which nobody is told, and why.
    pub fn muted(&self) -> Vec<Muted> {
        let muted = self.entries.iter().filter(|it| !it.is_over()).filter_map(|it| {
            let reason = it.alert.silenced_by.clone()?;
            let (id, rule, service) = (it.alert.id.clone(), it.alert.rule.clone(), it.alert.service.clone());
            Some(Muted { id, rule, service, reason })
        });
        muted.collect()
    }

    /// Alerts that found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// As it is after a restart; `None` where it is more than there can be.
    pub(crate) fn restored(mut self) -> Option<Self> {
        self.entries.iter_mut().for_each(|it| it.restored = true);
        // Counters begin anew.
        self.entries.iter_mut().for_each(|it| it.seen_total = it.seen_total.map(|_| 0));
        (self.entries.len() <= ALERTS_MAX).then_some(self)
    }

    /// Takes in one reading; the place of its entry.
    fn take(&mut self, reading: &Reading, context: &Context<'_>, now: Timestamp) -> Option<usize> {
        let rule = context.rules.get(reading.rule)?;
        let signature = Signature { rule: rule.name.clone(), place: reading.place.clone(), labels: BTreeMap::new() };
        if let Some(at) = self.entries.iter().position(|it| it.signature == signature && !it.is_over()) {
            let entry = &mut self.entries[at];
            entry.gone_since = None;
            entry.restored = false;
            entry.alert.last = now;
            (entry.alert.value, entry.alert.threshold) = (reading.value, reading.threshold);
            if let (Some((_, total)), Some(seen)) = (reading.counted, entry.seen_total) {
                entry.alert.count += total.saturating_sub(seen);
                entry.seen_total = Some(total);
            }
            return Some(at);
        }
        let service = reading.service.as_ref().map(ToString::to_string);
        let title = filled(&rule.summary, service.as_deref().unwrap_or("the fleet"), reading);
        let alert = Alert {
            rule: rule.name.clone(),
            summary: format!(
                "{title} ({}: {} where {} is the limit{})",
                reading.place,
                shown(reading.value),
                shown(reading.threshold),
                reading.about.as_ref().map_or_else(String::new, |it| format!("; {it}"))
            ),
            title,
            severity: rule.severity,
            urgency: rule.urgency,
            service,
            owner: rule.owner.clone(),
            runbook: rule.runbook.clone(),
            count: reading.counted.map_or(1, |(count, _)| count),
            value: reading.value,
            threshold: reading.threshold,
            labels: rule.labels.clone(),
            ..self.blank(reading.place.clone(), now)
        };
        let entry = Entry {
            seen_total: reading.counted.map(|(_, total)| total),
            keep_s: rule.keep_s,
            symptom: rule.symptom,
            away: rule.away,
            covers: rule.covers.clone(),
            deploy_grace_s: rule.deploy_grace_s,
            ..Entry::new(signature, alert)
        };
        self.push(entry).then(|| self.entries.len() - 1)
    }

    /// What was not seen any more goes: at once where it only waited, after a while where it was there.
    fn go(&mut self, seen: &[bool], context: &Context<'_>, now: Timestamp, came: &mut Came) {
        let mut at = 0;
        self.entries.retain_mut(|entry| {
            let is_seen = seen.get(at).copied().unwrap_or_default();
            at += 1;
            let is_there = match entry.until {
                Some(until) => now < until,
                None => is_seen,
            };
            if is_there || entry.is_over() || entry.restored && !context.settled {
                return true;
            }
            if entry.alert.state == Standing::Pending {
                return false;
            }
            let gone = *entry.gone_since.get_or_insert(now);
            if now.since(gone) >= Duration::from_secs(entry.keep_s) {
                entry.alert.state = Standing::Resolved;
                entry.alert.ended = Some(now);
                came.steps.push((entry.alert.clone(), AlertStep::Ended));
            }
            true
        });
    }

    /// What has waited for long enough is there, and belongs to an incident.
    fn begin(&mut self, context: &Context<'_>, now: Timestamp, came: &mut Came) {
        let hold = |entry: &Entry| {
            let rule = context.rules.iter().find(|it| it.name == entry.signature.rule);
            if entry.until.is_some() { Duration::ZERO } else { rule.map_or(Duration::ZERO, Rule::hold) }
        };
        let mut due: Vec<usize> = (0..self.entries.len())
            .filter(|at| {
                self.entries[*at].alert.state == Standing::Pending
                    && now.since(self.entries[*at].alert.since) >= hold(&self.entries[*at])
            })
            .collect();
        // Those of services first: what is said of the whole fleet follows from them.
        due.sort_by_key(|at| self.entries[*at].alert.service.is_none());
        for at in due {
            let group = self.group(at, context, now);
            let alert = &mut self.entries[at].alert;
            let service = alert.service.as_deref();
            alert.changes = context.changes.before(service, now);
            alert.after_change = service.and_then(|it| context.changes.of(it, alert.since, AFTER_CHANGE)).cloned();
            alert.group = group;
            alert.state = Standing::Firing;
            came.steps.push((alert.clone(), AlertStep::Started));
        }
    }

    fn tidy(&mut self, now: Timestamp) {
        self.entries.retain(|it| it.alert.ended.is_none_or(|ended| now.since(ended) < RESOLVED_FOR));
        let entries = &self.entries;
        self.incidents.retain(|incident| entries.iter().any(|it| it.is_of(incident)));
    }

    /// Where there is no room, one that is over makes it.
    fn push(&mut self, entry: Entry) -> bool {
        if self.entries.len() >= ALERTS_MAX {
            self.left_out += 1;
            return false;
        }
        self.entries.push(entry);
        true
    }

    fn blank(&mut self, place: String, now: Timestamp) -> Alert {
        self.alerts_made += 1;
        Alert {
            id: format!("a{}", self.alerts_made),
            rule: String::new(),
            title: String::new(),
            severity: bartizan_core::alerts::Severity::Medium,
            urgency: bartizan_core::alerts::Urgency::Ticket,
            service: None,
            place,
            owner: String::new(),
            runbook: String::new(),
            since: now,
            last: now,
            ended: None,
            count: 1,
            state: Standing::Pending,
            summary: String::new(),
            value: 0.0,
            threshold: 0.0,
            changes: Vec::new(),
            after_change: None,
            group: String::new(),
            labels: BTreeMap::new(),
            acknowledged_by: None,
            note: None,
            silenced_by: None,
            level: 0,
            called: Vec::new(),
        }
    }
}

impl Entry {
    fn new(signature: Signature, alert: Alert) -> Self {
        Self {
            signature,
            alert,
            seen_total: None,
            gone_since: None,
            keep_s: 0,
            symptom: false,
            away: false,
            covers: Vec::new(),
            deploy_grace_s: 0,
            until: None,
            told: false,
            waits_since: None,
            restored: false,
        }
    }

    fn is_over(&self) -> bool {
        self.alert.state == Standing::Resolved
    }

    fn is_of(&self, incident: &Incident) -> bool {
        self.alert.group == incident.id
    }

    /// Whether it was paged and waits for somebody to take notice.
    fn waits(&self) -> bool {
        self.told
            && self.alert.state == Standing::Firing
            && self.alert.urgency == bartizan_core::alerts::Urgency::Page
            && self.alert.acknowledged_by.is_none()
    }
}

/// Firing before pending before resolved, then the worst first, then the newest.
fn worse_first(alert: &Alert) -> impl Ord + use<> {
    let standing = match alert.state {
        Standing::Firing => 0,
        Standing::Pending => 1,
        Standing::Resolved => 2,
    };
    (standing, std::cmp::Reverse(alert.severity), std::cmp::Reverse(alert.since))
}

fn filled(text: &str, service: &str, reading: &Reading) -> String {
    text.replace("{service}", service)
        .replace("{place}", &reading.place)
        .replace("{value}", &shown(reading.value))
        .replace("{threshold}", &shown(reading.threshold))
}

/// With at most three digits behind the point.
fn shown(value: f64) -> String {
    let text = format!("{value:.3}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
