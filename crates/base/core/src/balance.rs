//! The way of events as arrows, each with what went in and what became of it. The sums have to be equal, or something was lost that nobody
//! knows of.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All arrows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Balance {
    /// When.
    pub now: Timestamp,
    /// Each arrow, in the order of the way.
    pub arrows: Vec<Arrow>,
    /// How much was stored by day and source, the youngest day first, and who brings most before the others.
    #[serde(default)]
    pub ingest: Vec<Ingested>,
}

/// What one source brought in a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ingested {
    /// When the day begins, by UTC.
    pub day: Timestamp,
    /// The service whose guard told of it, `-control` for control and the supervisor, a door and who handed it in there, such as
    /// `otlp/collector`, or `-others` where there are too many.
    pub source: String,
    /// Events that were stored, a count; with those that came twice.
    pub events: u64,
    /// Bytes of their records, before they are packed.
    pub bytes: u64,
}

impl Balance {
    /// The arrows whose sums are not equal.
    pub fn unequal(&self) -> impl Iterator<Item = &Arrow> {
        self.arrows.iter().filter(|arrow| !arrow.is_equal())
    }
}

/// One arrow, since the process that counts started: `received = stored + refused + dropped + waiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Arrow {
    /// Which, such as `intake.otlp_http` or `guard.accounts`.
    pub arrow: String,
    /// Came in.
    pub received: u64,
    /// Went on to where the arrow leads, and are known to be there.
    pub stored: u64,
    /// Were not taken, by cause; who sent them was told, where there was somebody to tell.
    pub refused: BTreeMap<String, u64>,
    /// Were taken and are nowhere, by cause.
    pub dropped: BTreeMap<String, u64>,
    /// Are under way.
    pub waiting: u64,
}

impl Arrow {
    /// Everything that is accounted for.
    pub fn accounted(&self) -> u64 {
        let of = |causes: &BTreeMap<String, u64>| causes.values().sum::<u64>();
        self.stored + of(&self.refused) + of(&self.dropped) + self.waiting
    }

    /// Whether that is all that came in.
    pub fn is_equal(&self) -> bool {
        self.received == self.accounted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_that_lost_something_unknown_is_found() {
        let arrow = Arrow {
            arrow: "intake.otlp_http".into(),
            received: 10,
            stored: 5,
            refused: BTreeMap::from([("rate".into(), 2)]),
            dropped: BTreeMap::from([("queue_full".into(), 2)]),
            waiting: 1,
        };
        assert!(arrow.is_equal());
        let short = Arrow { waiting: 0, ..arrow.clone() };
        let balance = Balance { now: Timestamp::default(), arrows: vec![arrow, short.clone()], ingest: Vec::new() };
        assert_eq!(balance.unequal().collect::<Vec<_>>(), [&short]);
    }
}
