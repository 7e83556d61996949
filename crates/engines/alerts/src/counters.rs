//! Counts of the events that rules ask for, for each service; what no rule asks for costs a look at a table.

use crate::limits::WINDOWS_MAX;
use crate::window::Window;
use bartizan_core::alerts::{Condition, Rule};
use bartizan_core::event::{Class, Event, Upshot};
use bartizan_core::{ServiceName, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Windows of all rules that count events.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// By class and outcome: whether any rule asks for such events.
    asked: [[bool; Upshot::ALL.len()]; Class::ALL.len()],
    rules: Vec<Counted>,
    left_out: u64,
}

#[derive(Clone, Debug)]
struct Counted {
    rule: Rule,
    class: Option<Class>,
    outcome: Option<Upshot>,
    kind: Option<String>,
    within: Duration,
    windows: BTreeMap<Option<ServiceName>, Window>,
}

/// How many events of a rule there are at a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Whose.
    pub service: Option<ServiceName>,
    /// In the rule's time until now.
    pub now: u64,
    /// Since this process counts.
    pub total: u64,
}

impl Counters {
    /// Counters for these rules; what was counted for a rule that did not change goes on.
    pub fn renew(&mut self, rules: &[Rule]) {
        let mut before = std::mem::take(&mut self.rules);
        self.asked = Default::default();
        for rule in rules {
            let Condition::Events { class, outcome, kind, within_s, .. } = &rule.when else { continue };
            for (at, row) in Class::ALL.into_iter().zip(&mut self.asked) {
                for (upshot, cell) in Upshot::ALL.into_iter().zip(row) {
                    *cell |= class.is_none_or(|it| it == at) && outcome.is_none_or(|it| it == upshot);
                }
            }
            let same = before.iter().position(|it| it.rule.name == rule.name && it.rule.when == rule.when);
            let windows = same.map(|at| std::mem::take(&mut before[at].windows)).unwrap_or_default();
            let (class, outcome, kind, within) = (*class, *outcome, kind.clone(), Duration::from_secs(*within_s));
            self.rules.push(Counted { rule: rule.clone(), class, outcome, kind, within, windows });
        }
    }

    /// Whether any rule may ask for such an event.
    pub fn wants(&self, class: Class, upshot: Upshot) -> bool {
        self.asked[class as usize][upshot as usize]
    }

    /// Counts an event, which happened at `now` as far as anybody here is concerned: a guard may tell of it later.
    pub fn note(&mut self, event: &Event, now: Timestamp) {
        let (class, upshot) = (event.class(), event.upshot());
        if !self.wants(class, upshot) {
            return;
        }
        let full = self.rules.iter().map(|it| it.windows.len()).sum::<usize>() >= WINDOWS_MAX;
        for counted in &mut self.rules {
            let fits = counted.class.is_none_or(|it| it == class)
                && counted.outcome.is_none_or(|it| it == upshot)
                && counted.kind.as_deref().is_none_or(|it| it == event.word())
                && counted.rule.is_for(event.service.as_ref());
            if !fits {
                continue;
            }
            if full && !counted.windows.contains_key(&event.service) {
                self.left_out += 1;
                continue;
            }
            counted.windows.entry(event.service.clone()).or_insert_with(|| Window::new(counted.within)).add(now, 1);
        }
    }

    /// The counts of a rule. Windows in which nothing is left are forgotten.
    pub fn of(&mut self, rule: &str, now: Timestamp) -> Vec<Count> {
        let Some(counted) = self.rules.iter_mut().find(|it| it.rule.name == rule) else { return Vec::new() };
        let counts = counted.windows.iter_mut().map(|(service, window)| {
            let count = window.count(now);
            Count { service: service.clone(), now: count, total: window.total() }
        });
        let counts: Vec<Count> = counts.collect();
        let forget = counted.within * 2;
        counted.windows.retain(|_, window| now.since(window.last()) < forget);
        counts
    }

    /// Events that found no window.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}
