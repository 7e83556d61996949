//! Whether something new may be put in force.

use super::utc;
use bartizan_core::promotion::PromotionStatus;
use std::fmt::Write as _;

/// A few lines.
pub(crate) fn promotion(it: &PromotionStatus) -> String {
    let mut text = String::new();
    for lock in &it.locks {
        let _ = writeln!(text, "since {}: {}", utc(lock.since), lock.text); // a String takes everything
    }
    for held in &it.held {
        let _ = writeln!(text, "held back: {held}");
    }
    let _ = match (&it.overridden, it.locked) {
        (Some(said), _) => writeln!(
            text,
            "what locks promotion or holds versions back does not count until {}, by {}: {}",
            utc(said.until),
            said.by,
            said.why
        ),
        (None, true) => {
            let back = it.versions.get(1).map(|at| format!(" (such as that of {})", utc(*at))).unwrap_or_default();
            writeln!(
                text,
                "PROMOTION IS LOCKED: a reload refuses what is new; what was in force before{back} is let through; `bartizan slo override` is for administrators"
            )
        }
        (None, false) => writeln!(text, "promotion is not locked"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::promotion::{LockCause, Overridden, PromotionLock};
    use bartizan_core::versions::{Held, HeldBy, HeldVersion};
    use bartizan_core::{ServiceName, Timestamp};

    #[test]
    fn says_what_locks_and_the_way_out() {
        let at = Timestamp::from_secs;
        let lock = PromotionLock {
            indicator: "M3".into(),
            place: "ledger".into(),
            cause: LockCause::Burning,
            value: 7.5,
            since: at(1_700_000_000),
            version: None,
            text: "the error budget of M3 at ledger burns 7.5 times as fast as it may (over 5 minutes)".into(),
        };
        let mut it = PromotionStatus {
            locked: true,
            locks: vec![lock],
            held: Vec::new(),
            overridden: None,
            versions: vec![at(2), at(1)],
        };
        let text = promotion(&it);
        assert!(text.contains("7.5 times") && text.contains("LOCKED") && text.contains(&utc(at(1))), "{text}");
        let said = Overridden { by: "ana".into(), why: "ticket 7".into(), from: at(3), until: at(4) };
        (it.locked, it.overridden) = (false, Some(said));
        let text = promotion(&it);
        assert!(text.contains("does not count") && text.contains("ana: ticket 7"), "{text}");
        assert_eq!(promotion(&PromotionStatus::default()), "promotion is not locked\n");
        let name = |text: &str| ServiceName::parse(text).unwrap();
        let held = Held { by: HeldBy::Bad, why: "it is bad".into() };
        let held = vec![HeldVersion { service: name("api"), version: name("api-v2"), held }];
        let text = promotion(&PromotionStatus { held, ..PromotionStatus::default() });
        assert_eq!(text, "held back: `api-v2` beside `api`: it is bad\npromotion is not locked\n");
    }
}
