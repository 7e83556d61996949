//! Whose signed event it is. At the gateway, where the route takes events.
//!
//! 401 where nothing in the head says that it is signed; 413 where it announces more than the route takes. Else the filters end here until
//! the whole body was read and its sender found ([`crate::signed`]), and begin anew with that.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::signed::{self, Wanted};
use std::sync::Arc;

pub(super) const IT: Filter = Filter { name: "event", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let Some((route, rule)) = x.edge_route.and_then(|route| Some((route, route.said.events.as_ref()?))) else {
        return Ok(());
    };
    let senders = &route.settings.senders;
    let not_ready = |text| Answer::new(503, "not_ready", text);
    if senders.len() != rule.from.len() {
        return Err(not_ready("the senders of this are not known yet"));
    }
    if let Some(sender) = &x.signed {
        // Control may have said something else since the event was judged.
        if !senders.iter().any(|held| Arc::ptr_eq(held, sender)) {
            return Err(not_ready("whose events are taken here has just changed; send it again"));
        }
        x.user = Some(Arc::clone(&sender.owner));
        return Ok(());
    }
    let bytes_max = usize::try_from(rule.bytes_max).unwrap_or(usize::MAX);
    let length = x.head.fields.get_str("content-length").and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > bytes_max) {
        return Err(super::body_too_large());
    }
    if !senders.iter().any(|held| x.head.fields.contains(held.field())) {
        let fields: Vec<_> = senders.iter().map(|held| format!("`{}`", held.field())).collect();
        let why = format!("it is not signed: there is no {}", fields.join(" or "));
        x.decision = Some(Arc::new(signed::denied(x.live, why)));
        return Err(signed::refused());
    }
    x.unread = Some(Wanted { senders: senders.to_vec(), bytes_max });
    Err(signed::refused())
}
