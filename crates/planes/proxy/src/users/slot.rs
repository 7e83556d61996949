//! The gateway's key for transaction tokens and the delegation that it has, or waits for.

use super::Minting;
use crate::limits::{DELEGATION_LEAD, DELEGATION_RETRY, DELEGATION_SETTLE};
use crate::live::Proxy;
use bartizan_core::Timestamp;
use bartizan_crypto::jws::TokenKey;
use bartizan_runtime::clock;
use bartizan_runtime::control_v1::{Delegate, Delegation};
use std::sync::Arc;

/// Where one delegation stands.
#[derive(Debug, Default)]
pub struct DelegationSlot {
    /// The key that one was asked for, and when.
    asked: Option<(Arc<TokenKey>, Timestamp)>,
    /// When the next one is asked for.
    due: Timestamp,
    /// The end of the certificate that was shown when one was asked for last: the delegation says by which it was.
    shown: Option<Timestamp>,
    /// When that was.
    last: Timestamp,
}

impl DelegationSlot {
    /// What to ask for now: another key each time. `None` where nothing is due, or nobody's tokens are believed here.
    pub fn due(&mut self, proxy: &Proxy) -> Option<Delegate> {
        let now = clock::now();
        let live = proxy.live();
        let shown = live.identity.as_ref().map(|own| own.not_after);
        // With another certificate another delegation: what is said of the one of before ends with it.
        let vouches = live.users.is_some() || live.routes.vouches();
        if !vouches || (now < self.due && (self.shown == shown || now < self.last.plus(DELEGATION_RETRY))) {
            return None;
        }
        (self.shown, self.last) = (shown, now);
        self.due = now.plus(DELEGATION_RETRY);
        match Minting::key() {
            Ok((key, jwk)) => {
                self.asked = Some((key, now));
                Some(Delegate { jwk })
            }
            Err(error) => {
                tracing::error!(%error, "there is no key to vouch for users with");
                None
            }
        }
    }

    /// Takes up what control gave.
    pub fn given(&mut self, proxy: &Proxy, given: Delegation) {
        let Some((key, asked_at)) = self.asked.take() else { return };
        let until = Timestamp::from_millis(given.until_ms);
        tracing::info!(seconds = until.since(asked_at).as_secs(), "control lets this gateway vouch for users");
        self.due = Timestamp::from_millis(until.as_millis().saturating_sub(DELEGATION_LEAD.as_millis() as u64));
        let minting = Arc::new(Minting::new(key, given.text, until));
        proxy.change(|live| live.minting = Some(minting));
    }

    /// Another stream, perhaps to a control with another key: what it signed itself counts longest. Not everybody knows that key yet,
    /// and what an earlier control signed goes on for a while: so it is asked a moment later, where there is one.
    pub fn attached_again(&mut self, proxy: &Proxy) {
        let now = clock::now();
        let goes_on = proxy.live().minting.as_ref().is_some_and(|held| held.until > now.plus(DELEGATION_SETTLE * 2));
        *self = if goes_on {
            let later = now.plus(DELEGATION_SETTLE);
            Self { asked: None, due: later, shown: self.shown, last: later }
        } else {
            Self::default()
        };
    }
}
