//! Where the gateway stands with the keys of cookies: it asks for them at the beginning, and again and again.

use super::CookieKeys;
use crate::limits::{COOKIE_KEYS_EVERY, COOKIE_KEYS_RETRY};
use crate::live::Proxy;
use bartizan_core::Timestamp;
use bartizan_core::login::{Answer, Ask};
use bartizan_runtime::clock;
use std::sync::Arc;
use tokio::sync::oneshot;

/// See the module.
#[derive(Debug, Default)]
pub struct LoginSlot {
    waiting: Option<oneshot::Receiver<Answer>>,
    due: Timestamp,
}

impl LoginSlot {
    /// Takes up what came, and says what to ask for now. Called each second.
    pub fn due(&mut self, proxy: &Proxy) -> Option<(Ask, super::desk::Asker)> {
        let now = clock::now();
        self.take(proxy, now);
        if super::side(&proxy.live()).is_none() || now < self.due {
            return None;
        }
        let (answer, waiting) = oneshot::channel();
        self.waiting = Some(waiting);
        self.due = now.plus(COOKIE_KEYS_RETRY);
        Some((Ask::Keys, super::desk::Asker::Request(answer)))
    }

    /// Another stream: what was asked on the one before is not answered.
    pub fn attached_again(&mut self) {
        *self = Self::default();
    }

    fn take(&mut self, proxy: &Proxy, now: Timestamp) {
        let Some(waiting) = &mut self.waiting else { return };
        match waiting.try_recv() {
            Ok(Answer::Keys(keys)) => {
                let keys = Arc::new(CookieKeys::of(&keys));
                proxy.change(|live| live.cookie_keys = Some(keys));
                self.due = now.plus(COOKIE_KEYS_EVERY);
                self.waiting = None;
            }
            Ok(_) | Err(oneshot::error::TryRecvError::Closed) => self.waiting = None,
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
    }
}
