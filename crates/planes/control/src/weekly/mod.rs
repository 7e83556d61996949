//! The report of a week: made from what the store of events and the indicators hold, once the week is over, and archived.

mod archive;
mod make;

pub(crate) use archive::Archive;
pub(crate) use make::make;

use crate::app::App;
use crate::limits::WEEKLY_LOOK_EVERY;
use bartizan_core::weekly::Week;
use bartizan_runtime::clock;
use std::sync::Arc;

/// Makes the report of each week that is over and has none, until control stops: also one that ended while nobody was there.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        if app.stop.run_until_cancelled(tokio::time::sleep(WEEKLY_LOOK_EVERY)).await.is_none() {
            return;
        }
        let (now, archive) = (clock::now(), Archive::of(&app.options.data));
        let week = Week::of(now).before();
        // Nothing was there to count anything in that week.
        let is_before = app.indicators.with_board(|board| board.since() >= week.ends());
        if is_before || archive.has(week) {
            continue;
        }
        match make(&app, week, now).await {
            Ok(report) => archive.put(week, &report).await,
            Err(error) => tracing::warn!(%error, %week, "the report of the week is not made yet"),
        }
    }
}
