//! What stays, whatever its age is and however little room there is.

use crate::event::{Filter, StoredEvent};
use crate::segment::Segment;
use crate::summary::Asked;
use bartizan_core::retention::HoldScope;

/// The holds in force.
#[derive(Debug, Default)]
pub(crate) struct Held(Vec<(Filter, Asked)>);

impl Held {
    pub(crate) fn of(scopes: &[HoldScope]) -> Self {
        let filter = |scope: &HoldScope| Filter {
            since: scope.from,
            until: scope.until,
            service: scope.service.clone(),
            identity: scope.identity.as_deref().map(Into::into),
            ..Filter::default()
        };
        let of = |filter: Filter| {
            let asked = Asked::of(&filter);
            (filter, asked)
        };
        Self(scopes.iter().map(filter).map(of).collect())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether an event may not go.
    pub(crate) fn has(&self, event: &StoredEvent) -> bool {
        self.0.iter().any(|(filter, _)| filter.fits(event))
    }

    /// Whether there may be such an event in a partition. Of blocks that cannot be read nobody knows: what is told of them counts.
    pub(crate) fn may_be_in(&self, segment: &Segment) -> bool {
        let in_blocks = |asked: &Asked| segment.blocks.iter().any(|block| block.may_hold(asked));
        self.0.iter().any(|(_, asked)| segment.outline.may_hold(asked) && in_blocks(asked))
    }
}
