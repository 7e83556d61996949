//! When each rule was rehearsed last: one that says something else since never was.

use crate::limits::REHEARSALS_MAX;
use crate::rehearse::rehearse;
use bartizan_core::Timestamp;
use bartizan_core::alerts::{REHEARSED_WITHIN, Rehearsal, Rule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// By the name of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rehearsals {
    all: BTreeMap<String, Kept>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The rule as it was, as text: numbers come back from a file as they were. Where it stands is no part of it.
    rule: String,
    at: Timestamp,
    told_after_s: Option<u64>,
    over_after_s: Option<u64>,
    wrong: Option<String>,
}

impl Rehearsals {
    /// Lets the fault of each rule happen, and remembers what came of it. What rules there are not any more is forgotten.
    pub fn rehearse(&mut self, rules: &[Rule], now: Timestamp) -> Vec<Rehearsal> {
        let kept = rules.iter().take(REHEARSALS_MAX).map(|rule| {
            let it = rehearse(rule);
            let (told_after_s, over_after_s, wrong) = (it.told_after_s, it.over_after_s, it.wrong);
            (rule.name.clone(), Kept { rule: placeless(rule), at: now, told_after_s, over_after_s, wrong })
        });
        self.all = kept.collect();
        self.of(rules, now)
    }

    /// How it stands with each rule.
    pub fn of(&self, rules: &[Rule], now: Timestamp) -> Vec<Rehearsal> {
        let one = |rule: &Rule| {
            let kept = self.all.get(&rule.name).filter(|it| it.rule == placeless(rule));
            Rehearsal {
                rule: rule.name.clone(),
                at: kept.map(|it| it.at),
                overdue: kept.is_none_or(|it| now.since(it.at) > REHEARSED_WITHIN),
                told_after_s: kept.and_then(|it| it.told_after_s),
                over_after_s: kept.and_then(|it| it.over_after_s),
                wrong: kept.and_then(|it| it.wrong.clone()),
            }
        };
        rules.iter().map(one).collect()
    }

    /// Whether it is as this file would make it.
    pub(crate) fn is_sound(&self) -> bool {
        self.all.len() <= REHEARSALS_MAX
    }
}

fn placeless(rule: &Rule) -> String {
    serde_json::to_string(&Rule { place: String::new(), ..rule.clone() }).expect("plain values can be written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::built_in;
    use bartizan_core::alerts::{Bound, Condition, Measure};

    fn day(n: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + n * 86_400)
    }

    #[test]
    fn a_rule_is_overdue_before_the_first_time_after_a_month_and_once_it_changes() {
        let mut rules = built_in();
        rules.truncate(3);
        let mut it = Rehearsals::default();
        let overdue = |it: &Rehearsals, rules: &[Rule], n| it.of(rules, day(n)).iter().filter(|it| it.overdue).count();
        assert_eq!(overdue(&it, &rules, 0), 3);
        let done = it.rehearse(&rules, day(0));
        assert!(
            done.iter().all(|it| it.wrong.is_none() && it.told_after_s.is_some() && it.over_after_s.is_some()),
            "{done:?}"
        );
        assert_eq!((overdue(&it, &rules, 30), overdue(&it, &rules, 31)), (0, 3));
        rules[0].for_s += 1;
        rules[1].place = "moved".into();
        let after = it.of(&rules, day(1));
        assert_eq!((after[0].at, after[1].at), (None, Some(day(0))), "another rule, and the same elsewhere");
    }

    #[test]
    fn what_cannot_fire_is_said_each_time() {
        let mut rules = built_in();
        rules.truncate(1);
        // Nothing is below nothing.
        rules[0].when = Condition::Measured { measure: Measure::CertificateLeft, limit: Bound::Below(0.0) };
        let done = Rehearsals::default().rehearse(&rules, day(0));
        assert!(done[0].wrong.as_ref().is_some_and(|it| it.contains("does not fire")) && !done[0].overdue, "{done:?}");
    }
}
