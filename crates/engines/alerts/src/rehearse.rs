//! The fault that a rule is for, on a clock of its own: does it fire, tell somebody, and end? What `bartizan alerts test` runs.

use crate::book::{Book, Context};
use crate::changes::Changes;
use crate::counters::Counters;
use crate::evaluate::{Facts, readings};
use crate::notice::NoticeKind;
use crate::silence::Silences;
use bartizan_core::alerts::{Bound, Condition, ESCALATE_AFTER, Measure, Rule, Urgency};
use bartizan_core::decision::{Action, Verdict};
use bartizan_core::event::{Event, EventId, Request, SeenBy, What};
use bartizan_core::indicator::{Indicator, Place};
use bartizan_core::on_call::Roster;
use bartizan_core::{ServiceName, Timestamp};
use serde::Serialize;
use std::time::Duration;

/// When the rehearsal begins: long after anything could have been counted.
const BEGIN: Timestamp = Timestamp::from_secs(1_700_000_000);
/// For how long at most the fault, and what follows it, is watched, beside the rule's own times.
const WATCHED: Duration = Duration::from_secs(600);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rehearsed {
    /// The rule.
    pub rule: String,
    /// Whom it tells.
    pub urgency: Urgency,
    /// Seconds from the fault to the notice; `None` where there was none.
    pub told_after_s: Option<u64>,
    /// Seconds from the end of the fault to the notice that it is over.
    pub over_after_s: Option<u64>,
    /// What was not as it should be.
    pub wrong: Option<String>,
}

/// What is measured while the fault is there, or is not.
struct Scene<'a> {
    rule: &'a Rule,
    fault: bool,
}

impl Scene<'_> {
    fn service(&self) -> ServiceName {
        let own = self.rule.services.first().cloned();
        own.unwrap_or_else(|| ServiceName::parse("rehearsal").expect("a name"))
    }
}

impl Facts for Scene<'_> {
    fn measured(&self, of: Measure) -> Vec<(Option<ServiceName>, f64)> {
        let Condition::Measured { measure, limit } = &self.rule.when else { return Vec::new() };
        let value = match (limit, self.fault) {
            (Bound::Above(limit), true) => limit * 2.0 + 1.0,
            (Bound::Below(limit), true) => limit / 2.0,
            (Bound::Above(limit), false) => limit / 2.0,
            (Bound::Below(limit), false) => limit * 2.0 + 1.0,
        };
        if *measure == of { vec![(Some(self.service()), value)] } else { Vec::new() }
    }

    fn counted(&self, of: Indicator, _: Duration) -> Vec<(Place, u64, u64)> {
        let Condition::Ratio { indicator, of_at_least, .. } = &self.rule.when else { return Vec::new() };
        let all = of_at_least.saturating_mul(2).max(2);
        let bad = if self.fault { all } else { 0 };
        if *indicator == of { vec![(Place::Service(self.service()), bad, all)] } else { Vec::new() }
    }

    fn burning(&self, of: Indicator, urgency: Urgency) -> Vec<(Place, f64, f64)> {
        let Condition::Burn { indicator } = &self.rule.when else { return Vec::new() };
        let burns = self.fault && *indicator == of && urgency == self.rule.urgency;
        if burns { vec![(Place::Service(self.service()), 20.0, 14.4)] } else { Vec::new() }
    }
}

/// Lets it happen.
pub fn rehearse(rule: &Rule) -> Rehearsed {
    let rules = std::slice::from_ref(rule);
    let (mut book, mut counters, changes, silences, roster) =
        (Book::default(), Counters::default(), Changes::default(), Silences::default(), Roster::default());
    counters.renew(rules);
    let context = Context {
        rules,
        edges: &[],
        changes: &changes,
        silences: &silences,
        roster: &roster,
        escalate_after: ESCALATE_AFTER,
        settled: true,
    };
    let within = match &rule.when {
        Condition::Events { within_s, .. } | Condition::Ratio { within_s, .. } => Duration::from_secs(*within_s),
        _ => Duration::ZERO,
    };
    let most = WATCHED + rule.hold() + within + Duration::from_secs(rule.keep_s);
    let wanted = if rule.urgency == Urgency::Page { NoticeKind::Page } else { NoticeKind::Ticket };
    let mut watch = |fault: bool, begin: Timestamp, kind: NoticeKind| {
        (0..=most.as_secs()).find(|s| {
            let now = begin.plus(Duration::from_secs(*s));
            let scene = Scene { rule, fault };
            if fault {
                events(rule, &scene, now).iter().for_each(|event| counters.note(event, now));
            }
            let came = book.step(&readings(rules, &scene, &mut counters, now), &context, now);
            came.notices.iter().any(|it| it.kind == kind)
        })
    };
    let quiet = watch(false, BEGIN, wanted).is_some();
    let fault = BEGIN.plus(most * 2);
    let told = watch(true, fault, wanted);
    let over = told.and_then(|s| watch(false, fault.plus(Duration::from_secs(s + 1)), NoticeKind::Resolved));
    let wrong = match (quiet, told, over) {
        (true, ..) => Some("it fires where nothing is wrong"),
        (_, None, _) => Some("it does not fire: no such event comes about, or it is gone before it is told of"),
        (_, _, None) => Some("it does not end once the fault is over"),
        _ => None,
    };
    Rehearsed {
        rule: rule.name.clone(),
        urgency: rule.urgency,
        told_after_s: told,
        over_after_s: over,
        wrong: wrong.map(str::to_owned),
    }
}

/// Events of a second in which the fault goes on: as many as the rule waits for.
fn events(rule: &Rule, scene: &Scene<'_>, now: Timestamp) -> Vec<Event> {
    let Condition::Events { class, outcome, kind, at_least, .. } = &rule.when else { return Vec::new() };
    let samples = crate::samples::all();
    let fits = |what: &What| {
        let event = of(what.clone(), scene, now, 0);
        class.is_none_or(|it| it == event.class())
            && outcome.is_none_or(|it| it == event.upshot())
            && kind.as_deref().is_none_or(|it| it == event.word())
    };
    let Some(what) = samples.into_iter().find(fits) else { return Vec::new() };
    (0..*at_least).map(|n| of(what.clone(), scene, now, n)).collect()
}

fn of(what: What, scene: &Scene<'_>, now: Timestamp, n: u64) -> Event {
    let service = Some(scene.service());
    Event { id: EventId(now.as_millis(), n), at: now, service, seen_by: SeenBy::Inbound, request: None, what }
}

/// A call that policy denied.
pub(crate) fn denied(to: &str) -> Request {
    Request {
        peer: None,
        to: ServiceName::parse(to).expect("a name"),
        method: "GET".into(),
        path: "/".into(),
        route: None,
        action: Action::Read,
        decision: Some(bartizan_core::event::Judged {
            verdict: Verdict::Deny,
            policies: Vec::new(),
            reason: None,
            epoch: bartizan_core::snapshot::Epoch(1),
        }),
        status: 403,
        error: None,
        took_us: 0,
        added_us: 0,
        client: None,
        user: None,
        span: 0,
        parent_span: 0,
    }
}
