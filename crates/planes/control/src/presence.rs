//! Which instances of a service are there. Callers are told of those alone, so that one that was added gets calls once its
//! guard has come, and one that is gone for good gets none.
//!
//! Who is away for a moment is not gone: guards serve without control, and callers find out themselves who does not answer.

use crate::app::App;
use crate::fleet::Away;
use crate::limits::{GONE_AFTER, PRESENCE_EVERY, PRESENCE_PAUSE};
use bartizan_core::fleet::Fleet;
use bartizan_core::{Member, Timestamp};
use bartizan_runtime::clock;
use std::sync::Arc;
use tokio::time::sleep;

/// How long ago an instance was heard, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Its stream is open.
    Now,
    /// It left.
    At(Timestamp),
    /// It has not come since control started.
    Never,
}

/// Instances that are not there. Nobody hears of one without a guard: it is taken to be there. Of a service with one instance nobody is away: there is nobody else to call.
pub(crate) fn away(fleet: &Fleet, heard: impl Fn(&Member) -> Heard, control_since: Timestamp, now: Timestamp) -> Away {
    let several = |member: &Member| fleet.services.get(member.service()).is_some_and(|service| service.count() > 1);
    let is_away = |member: &Member| match heard(member) {
        Heard::Now => false,
        Heard::At(left) => now.since(left) >= GONE_AFTER,
        // Control that just started does not know who is there.
        Heard::Never => now.since(control_since) >= GONE_AFTER,
    };
    fleet.guarded_instances().filter(|member| several(member) && is_away(member)).collect()
}

/// Those who are not there now.
pub(crate) fn away_now(app: &App, fleet: &Fleet) -> Away {
    away(fleet, |member| app.registry.last_heard(member), app.started_at, clock::now())
}

/// Publishes anew whenever somebody came or is gone, until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    let came_or_left = app.registry.came_or_left();
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = came_or_left.notified() => {}
            () = sleep(PRESENCE_EVERY) => {}
        }
        let in_force = app.in_force();
        if away_now(&app, &in_force.desired.fleet) == in_force.desired.away {
            continue;
        }
        if let Err(error) = app.publish_again().await {
            tracing::error!(error = &error as &dyn std::error::Error, "who is there could not be published");
        }
        // Those who come together are told together.
        if app.stop.run_until_cancelled(sleep(PRESENCE_PAUSE)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::fleet::parse;

    #[test]
    fn who_is_away() {
        let text = "
fleet: shop
trust_domain: shop.test
services:
  one: { at: 127.0.0.1:1 }
  two: { at: [127.0.0.1:2, 127.0.0.1:3] }
";
        let fleet = parse(text, "f").unwrap();
        let at = |s: u64| Timestamp::from_secs(1000 + s);
        let gone = GONE_AFTER.as_secs();
        for (heard, now, expected, why) in [
            (Heard::Now, at(9999), &[][..], "there"),
            (Heard::Never, at(gone - 1), &[], "control has just started"),
            (Heard::Never, at(gone), &["two", "two.2"], "one alone is never away"),
            (Heard::At(at(500)), at(500 + gone - 1), &[], "for a moment"),
            (Heard::At(at(500)), at(500 + gone), &["two", "two.2"], "for good"),
        ] {
            let away = away(&fleet, |_| heard, at(0), now);
            assert_eq!(away.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{why}");
        }
    }
}
