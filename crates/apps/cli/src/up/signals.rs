//! The first Ctrl-C asks for an orderly stop, the second for a quick one.

use crate::failure::Failure;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What signals asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// To stop.
    pub(crate) stop: CancellationToken,
    /// To stop at once, without waiting for anybody.
    pub(crate) hurry: CancellationToken,
    first: Arc<OnceLock<Instant>>,
}

/// Signals so close together are one request: terminals and `timeout` signal a process and its group.
const ONE_REQUEST: Duration = Duration::from_millis(300);

/// Listens for SIGINT, SIGTERM and SIGHUP (the terminal was closed) for as long as the runtime lives.
///
/// # Errors
/// A [`Failure`] where the kernel does not let us.
pub(crate) fn listen() -> Result<Asked, Failure> {
    let asked = Asked::default();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let arrivals = signal(kind).map_err(|error| Failure::new(format!("cannot listen for signals: {error}")))?;
        tokio::spawn(count(arrivals, asked.clone()));
    }
    Ok(asked)
}

async fn count(mut arrivals: Signal, asked: Asked) {
    while arrivals.recv().await.is_some() {
        asked.again(Instant::now());
    }
}

impl Asked {
    /// A signal came at `now`.
    fn again(&self, now: Instant) {
        let stopping = self.stop.is_cancelled();
        let first = *self.first.get_or_init(|| now);
        // Where we are stopping without having been asked to, the first signal is in a hurry already.
        if stopping && (first == now || now - first >= ONE_REQUEST) {
            self.hurry.cancel();
        }
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_signal_is_in_a_hurry_unless_it_is_an_echo_of_the_first() {
        let (asked, start) = (Asked::default(), Instant::now());
        asked.again(start);
        asked.again(start + ONE_REQUEST / 2);
        assert!(asked.stop.is_cancelled() && !asked.hurry.is_cancelled());
        asked.again(start + ONE_REQUEST);
        assert!(asked.hurry.is_cancelled());
    }

    #[test]
    fn a_signal_while_stopping_anyway_is_in_a_hurry() {
        let asked = Asked::default();
        asked.stop.cancel();
        asked.again(Instant::now());
        assert!(asked.hurry.is_cancelled());
    }
}
