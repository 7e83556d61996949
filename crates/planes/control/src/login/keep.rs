//! Looks again and again at what the provider says of itself, and publishes what changed.

use super::{provider, said};
use crate::app::App;
use crate::error::chain;
use crate::limits::{ISSUER_LOOK, ISSUER_RETRY};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Runs until the app stops.
pub(crate) async fn keep(app: Arc<App>) {
    let mut changes = app.watch();
    let mut asked: Option<(String, Instant)> = None;
    let mut told = None;
    while !app.stop.is_cancelled() {
        let mut pause = ISSUER_LOOK;
        if let Some((in_force, said)) = said(&app).filter(|(_, said)| !said.own) {
            let due = asked.as_ref().is_none_or(|(issuer, next)| *issuer != said.issuer || *next <= Instant::now());
            if due {
                let dir = app.options.fleet.parent().unwrap_or(Path::new("")).to_owned();
                let looked = provider::look(&said, in_force.desired.fleet.users.as_ref(), &dir).await;
                pause = take(&app, looked, &mut told).await;
                asked = Some((said.issuer, Instant::now() + pause));
            } else if let Some((_, next)) = &asked {
                pause = next.duration_since(Instant::now());
            }
        }
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            _ = changes.changed() => {}
        }
    }
}

/// When to look again.
async fn take(app: &App, looked: Result<provider::Found, String>, told: &mut Option<String>) -> Duration {
    match looked {
        Ok(found) => {
            *told = None;
            if app.login.take(found)
                && let Err(error) = app.publish_again().await
            {
                tracing::error!(why = chain(&error), "where people log in is not published");
                return ISSUER_RETRY;
            }
            ISSUER_LOOK
        }
        Err(why) => {
            if told.as_ref() != Some(&why) {
                tracing::warn!(why, "the provider at which people log in cannot be asked, trying again");
                *told = Some(why);
            }
            ISSUER_RETRY
        }
    }
}
