//! How often a target would have told somebody within what is kept: what an objective costs its owners in nights.

use crate::burn::{Urgency, paces};
use crate::objective::Objective;
use crate::series::Series;
use bartizan_core::Timestamp;
use std::time::Duration;

/// Time between two looks: what is older than a day and a half is kept by the hour.
const STEP: Duration = Duration::from_secs(3600);

/// How often somebody would have been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// At once.
    pub pages: u32,
    /// On a working day.
    pub tickets: u32,
}

/// Replays `back` until `now`, hour by hour: a fire that goes on counts once, and one that pages is no ticket too.
pub fn replay(objective: &Objective, series: &Series, back: Duration, now: Timestamp) -> Told {
    let (mut told, mut before) = (Told::default(), None);
    let steps = back.as_secs() / STEP.as_secs();
    for step in (0..=steps).rev() {
        let at = now.minus(STEP * u32::try_from(step).unwrap_or(u32::MAX));
        let alight = paces(objective.window).map(|pace| pace.burnt(objective, series, now, at));
        let worst = alight.iter().filter(|burn| burn.alight).map(|burn| burn.pace.urgency).max();
        match (before, worst) {
            (Some(Urgency::Page), Some(Urgency::Page)) | (_, None) => {}
            (_, Some(Urgency::Page)) => told.pages += 1,
            (None, Some(Urgency::Ticket)) => told.tickets += 1,
            (Some(_), Some(Urgency::Ticket)) => {}
        }
        before = worst;
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    const HOUR: Duration = Duration::from_secs(3600);

    fn told(bad_max: f64, series: &Series, now: Timestamp) -> Told {
        replay(&Objective { bad_max, window: HOUR * 720 }, series, HOUR * 720, now)
    }

    #[test]
    fn strict_targets_tell_more_often_than_loose_ones() {
        let begin = Timestamp::from_secs(1_700_006_400);
        let mut series = Series::default();
        // A hundred calls a minute for twenty days; in two nights a tenth of them fail for two hours.
        for minute in 0..20 * 1440_u64 {
            let outage = [5 * 1440..5 * 1440 + 120, 12 * 1440..12 * 1440 + 120].iter().any(|it| it.contains(&minute));
            series.add(begin.plus(Duration::from_secs(minute * 60)), Tally::new(if outage { 10 } else { 0 }, 100));
        }
        let now = begin.plus(HOUR * 480);
        assert_eq!(told(0.001, &series, now).pages, 2, "{:?}", told(0.001, &series, now));
        assert_eq!(told(0.2, &series, now), Told::default());
        assert_eq!(told(0.001, &Series::default(), now), Told::default(), "nothing was counted");
    }
}
