//! Rules held against what is measured.

use crate::counters::Counters;
use bartizan_core::alerts::{Condition, Measure, Rule, Urgency};
use bartizan_core::indicator::{Indicator, Place};
use bartizan_core::{ServiceName, Timestamp};
use std::time::Duration;

/// What control measures, now.
pub trait Facts {
    /// A measure, for the fleet or for each service.
    fn measured(&self, measure: Measure) -> Vec<(Option<ServiceName>, f64)>;

    /// More on a measure of a service, for people; `None` where there is nothing to say.
    fn about(&self, _measure: Measure, _service: Option<&ServiceName>) -> Option<String> {
        None
    }

    /// Bad ones and all of an indicator in some time until now, at each place.
    fn counted(&self, indicator: Indicator, within: Duration) -> Vec<(Place, u64, u64)>;

    /// Budgets that burn so fast that somebody of this urgency has to know: where, the multiple, and its limit.
    fn burning(&self, indicator: Indicator, urgency: Urgency) -> Vec<(Place, f64, f64)>;
}

/// A rule whose condition holds, at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The rule's place in the list.
    pub rule: usize,
    /// The service; `None` for the fleet.
    pub service: Option<ServiceName>,
    /// Where, more exactly.
    pub place: String,
    /// What was measured.
    pub value: f64,
    /// Its limit.
    pub threshold: f64,
    /// How many of the same there are now, and since this process counts; `None` for what is not counted.
    pub counted: Option<(u64, u64)>,
    /// More on it, for people.
    pub about: Option<String>,
}

/// Every rule whose condition holds now.
pub fn readings(rules: &[Rule], facts: &dyn Facts, counters: &mut Counters, now: Timestamp) -> Vec<Reading> {
    let mut all = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        one(at, rule, facts, counters, now, &mut all);
    }
    all
}

fn one(at: usize, rule: &Rule, facts: &dyn Facts, counters: &mut Counters, now: Timestamp, all: &mut Vec<Reading>) {
    let mut push = |service: Option<ServiceName>, place: String, (value, threshold): (f64, f64), counted| {
        if rule.is_for(service.as_ref()) {
            let about = match &rule.when {
                Condition::Measured { measure, .. } => facts.about(*measure, service.as_ref()),
                _ => None,
            };
            all.push(Reading { rule: at, service, place, value, threshold, counted, about });
        }
    };
    match &rule.when {
        Condition::Burn { indicator } => {
            for (place, rate, limit) in facts.burning(*indicator, rule.urgency) {
                push(place.service().cloned(), place.to_string(), (rate, limit), None);
            }
        }
        Condition::Ratio { indicator, above, of_at_least, within_s } => {
            for (place, bad, of) in facts.counted(*indicator, Duration::from_secs(*within_s)) {
                let share = bad as f64 / of.max(1) as f64;
                if of >= *of_at_least && share > *above {
                    push(place.service().cloned(), place.to_string(), (share, *above), None);
                }
            }
        }
        Condition::Events { at_least, .. } => {
            for count in counters.of(&rule.name, now).into_iter().filter(|it| it.now >= *at_least) {
                let place = count.service.as_ref().map_or_else(|| "fleet".to_owned(), ToString::to_string);
                push(count.service, place, (count.now as f64, *at_least as f64), Some((count.now, count.total)));
            }
        }
        Condition::Measured { measure, limit } => {
            for (service, value) in facts.measured(*measure).into_iter().filter(|(_, value)| limit.is_broken(*value)) {
                let place = service.as_ref().map_or_else(|| "fleet".to_owned(), ToString::to_string);
                push(service, place, (value, limit.limit()), None);
            }
        }
    }
}
