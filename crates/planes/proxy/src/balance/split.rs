//! Which version of a service a request goes to, and whether a copy goes elsewhere.

use bartizan_core::ServiceName;
use bartizan_core::edge::{Mirror, Share};

/// The version that `random` falls on, by the weights of `split`; `service` itself where there is no split.
pub fn version<'a>(service: &'a ServiceName, split: &'a [(ServiceName, u16)], random: u64) -> &'a ServiceName {
    let sum: u64 = split.iter().map(|(_, weight)| u64::from(*weight)).sum();
    if sum == 0 {
        return service;
    }
    let mut left = random % sum;
    for (version, weight) in split {
        match left.checked_sub(u64::from(*weight)) {
            Some(rest) => left = rest,
            None => return version,
        }
    }
    service
}

/// Whether a copy of a request goes to `mirror`.
pub fn is_copied(mirror: &Mirror, random: u64) -> bool {
    random % u64::from(Share::ALL.thousandths()) < u64::from(mirror.share.thousandths())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    #[test]
    fn each_version_gets_exactly_its_part() {
        let (service, split) = (name("a"), [(name("a"), 90), (name("a-v2"), 10), (name("a-v3"), 0)]);
        let to = |random| version(&service, &split, random).as_str();
        assert_eq!((0..100).filter(|random| to(*random) == "a").count(), 90);
        assert_eq!((0..100).filter(|random| to(*random) == "a-v2").count(), 10);
        assert_eq!(version(&service, &[], 5), &service);
        assert_eq!(version(&service, &[(name("b"), 0)], 5), &service, "nobody gets anything");
    }

    #[test]
    fn copies_are_exactly_their_share() {
        for (share, copies) in [(0, 0), (5, 5), (1000, 1000)] {
            let mirror = Mirror { to: name("b"), share: Share::per_mille(share) };
            assert_eq!((0..1000).filter(|random| is_copied(&mirror, *random)).count(), copies);
        }
    }

    proptest! {
        #[test]
        fn a_version_with_no_weight_gets_nothing(weights in prop::collection::vec(0u16..3, 1..5), random: u64) {
            let service = name("svc");
            let split: Vec<_> = weights.iter().enumerate().map(|(n, w)| (name(&format!("v{n}")), *w)).collect();
            let to = version(&service, &split, random);
            let weight = split.iter().find(|(version, _)| version == to).map(|(_, weight)| *weight);
            prop_assert!(weight.is_none_or(|weight| weight > 0));
            prop_assert_eq!(weight.is_none(), weights.iter().all(|weight| *weight == 0));
        }
    }
}
