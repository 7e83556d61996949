//! What the tests are made of.

mod control;
mod guard;
mod log;
mod member;
mod node;
mod outside;
mod place;
mod proxy;

pub(crate) use control::Running;
pub(crate) use guard::Guard;
pub(crate) use log::Log;
pub(crate) use member::Member;
pub(crate) use node::Node;
pub(crate) use outside::{Authority, Background, judge};
pub(crate) use place::{Place, service};
pub(crate) use proxy::{Connection, Proxy, Stream, hello, message, open};

use std::time::{Duration, Instant};

/// Asks `look` until it answers, for at most 20 s: a busy machine, not a slow program.
pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no {what} after 20 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
