//! Which versions get a larger part of a service's calls than before.
//!
//! A weight alone says nothing: it is a part of a sum. What counts is how much a version gets beside the service that callers name, so
//! that taking calls from one version raises no other.

use crate::versions::Splits;
use bartizan_core::ServiceName;

/// A version that is to get more.
#[derive(Clone, Debug, PartialEq)]
pub struct Raise {
    /// Whom callers name.
    pub service: ServiceName,
    /// The version.
    pub version: ServiceName,
    /// The part of the calls that it is to get, 0 to 1.
    pub part: f64,
    /// What the other versions of the service get beside it.
    pub beside: Vec<(ServiceName, f64)>,
}

/// What a version and the service beside it get, as weights, and the sum of all.
#[derive(Clone, Copy)]
struct Weights {
    version: u64,
    service: u64,
    sum: u64,
}

/// All that get more by `after` than by `before`. Where a service has no split, it gets all of its calls itself.
pub fn raises(before: &Splits, after: &Splits) -> Vec<Raise> {
    let mut all = Vec::new();
    for (service, split) in after {
        for version in split.iter().map(|(version, _)| version).filter(|version| *version != service) {
            let (then, now) = (weights(before, service, version), weights(after, service, version));
            if is_more(then, now) {
                let others = split.iter().map(|(it, _)| it).filter(|it| *it != service && *it != version);
                let beside = others.map(|it| (it.clone(), part(after, service, it))).collect();
                all.push(Raise { service: service.clone(), version: version.clone(), part: now.part(), beside });
            }
        }
    }
    all
}

/// The part of a service's calls that a version gets, 0 to 1.
pub fn part(splits: &Splits, service: &ServiceName, version: &ServiceName) -> f64 {
    weights(splits, service, version).part()
}

fn weights(splits: &Splits, service: &ServiceName, version: &ServiceName) -> Weights {
    let Some(split) = splits.get(service) else { return Weights { version: 0, service: 1, sum: 1 } };
    let of = |name: &ServiceName| split.iter().filter(|(it, _)| it == name).map(|(_, weight)| u64::from(*weight)).sum();
    let sum = split.iter().map(|(_, weight)| u64::from(*weight)).sum();
    Weights { version: of(version), service: of(service), sum }
}

fn is_more(then: Weights, now: Weights) -> bool {
    if now.version == 0 {
        return false;
    }
    let is_new = then.version == 0;
    let more_beside = now.version * then.service > then.version * now.service;
    // Where the service itself gets nothing, before as after, versions have only each other.
    let nobody_beside = then.service == 0 && now.service == 0;
    is_new || more_beside || (nobody_beside && now.version * then.sum > then.version * now.sum)
}

impl Weights {
    fn part(self) -> f64 {
        self.version as f64 / self.sum.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn splits(weights: &[(&str, u16)]) -> Splits {
        let split: Vec<_> = weights.iter().map(|(version, weight)| (name(version), *weight)).collect();
        if split.is_empty() { Splits::new() } else { [(name("api"), split)].into() }
    }

    #[test]
    fn who_gets_more_is_found_however_it_is_written() {
        for (before, after, more, why) in [
            (&[][..], &[("api", 90), ("v2", 10)][..], &[("v2", 0.1)][..], "a canary"),
            (&[], &[("v2", 1)], &[("v2", 1.0)], "all at once"),
            (&[], &[("api", 90), ("v2", 0)], &[], "nothing yet"),
            (&[("api", 90), ("v2", 10)], &[("api", 50), ("v2", 50)], &[("v2", 0.5)], "a raised weight"),
            (&[("api", 90), ("v2", 10)], &[("api", 10), ("v2", 10)], &[("v2", 0.5)], "a lowered weight beside it"),
            (&[("api", 90), ("v2", 10)], &[("api", 0), ("v2", 10)], &[("v2", 1.0)], "nothing beside it"),
            (&[("api", 90), ("v2", 10)], &[("api", 900), ("v2", 100)], &[], "the same in other words"),
            (&[("api", 90), ("v2", 10)], &[("api", 95), ("v2", 5)], &[], "a way back"),
            (&[("api", 0), ("v2", 10)], &[("api", 10), ("v2", 10)], &[], "a way back from all of it"),
            (&[("api", 90), ("v2", 10)], &[], &[], "the whole way back"),
            (&[("api", 80), ("v2", 10), ("v3", 10)], &[("api", 80), ("v2", 0), ("v3", 10)], &[], "of another version"),
            (&[("v2", 50), ("v3", 50)], &[("v2", 10), ("v3", 90)], &[("v3", 0.9)], "of another, with nobody beside"),
            (&[("v2", 100)], &[("v2", 90), ("v3", 10)], &[("v3", 0.1)], "a new one, with nobody beside"),
        ] {
            let found = raises(&splits(before), &splits(after));
            let found: Vec<(&str, f64)> = found.iter().map(|it| (it.version.as_str(), it.part)).collect();
            assert_eq!(found, more, "{why}");
        }
    }

    proptest! {
        /// There and back is never twice a raise, and nothing is a raise of itself.
        #[test]
        fn a_way_there_or_the_way_back_is_no_raise(a in 0u16..1000, b in 0u16..1000, c in 0u16..1000, d in 0u16..1000) {
            let (one, other) = (splits(&[("api", a), ("v2", b)]), splits(&[("api", c), ("v2", d)]));
            prop_assert!(raises(&one, &one).is_empty());
            prop_assert!(raises(&one, &other).is_empty() || raises(&other, &one).is_empty());
        }
    }
}
