//! Tokens by which the guard shows outside whose requests these are: one for each audience of the rules, asked for and renewed by the
//! stream to control, so that no request waits for one. The program never holds them.

use super::credential;
use crate::limits::{OUTSIDE_TOKEN_BYTES_MAX, OUTSIDE_TOKEN_LEFT_MIN, OUTSIDE_TOKEN_RETRY};
use bartizan_core::egress::{Refusal, TokenFor};
use bartizan_core::snapshot::Directory;
use bartizan_core::{Secret, Timestamp};
use bartizan_runtime::control_v1::{MintOutside, OutsideToken};
use http::HeaderMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those of one guard, by audience.
#[derive(Debug, Default)]
pub struct Tokens {
    held: Mutex<BTreeMap<String, Held>>,
}

#[derive(Debug, Default)]
struct Held {
    /// The newest, and its end.
    token: Option<(Secret<String>, Timestamp)>,
    /// When the next one is asked for.
    due: Timestamp,
}

impl Tokens {
    /// What to ask control for at `now`, by the rules of `directory`. What they do not name any more is forgotten.
    pub fn due(&self, directory: Option<&Directory>, now: Timestamp) -> Vec<MintOutside> {
        let rules = directory.and_then(|it| it.own.egress.as_ref()).map(|side| &side.rules);
        let wanted: BTreeSet<&str> = rules.into_iter().flat_map(|it| it.tokens()).map(|it| &*it.audience).collect();
        let mut held = self.lock();
        held.retain(|audience, _| wanted.contains(&**audience));
        let mut due = Vec::new();
        for audience in wanted {
            let one = held.entry(audience.to_owned()).or_default();
            if now >= one.due {
                one.due = now.plus(OUTSIDE_TOKEN_RETRY);
                due.push(MintOutside { audience: audience.to_owned() });
            }
        }
        due
    }

    /// Takes up what control answered. The next one is asked for after half of its life.
    pub fn given(&self, given: OutsideToken, now: Timestamp) {
        let OutsideToken { audience, token, until_ms, refused } = given;
        let token = Secret::new(token);
        let (until, length) = (Timestamp::from_millis(until_ms), token.expose().len());
        if !refused.is_empty() || length == 0 || length > OUTSIDE_TOKEN_BYTES_MAX {
            tracing::warn!(%audience, why = %refused, length, "control gave no token for the outside, asking again");
            return;
        }
        let mut held = self.lock();
        // What the rules do not name any more is not kept.
        if let Some(one) = held.get_mut(&audience) {
            one.due = now.plus((until.since(now) / 2).max(OUTSIDE_TOKEN_RETRY));
            one.token = Some((token, until));
        }
    }

    /// Another stream: what was asked for on the one before is not answered any more.
    pub fn attached_again(&self, now: Timestamp) {
        let is_missing = |one: &&mut Held| one.token.as_ref().is_none_or(|(_, until)| *until <= now);
        self.lock().values_mut().filter(is_missing).for_each(|one| one.due = Timestamp::default());
    }

    /// Puts the token into its header, in place of whatever the program said there.
    ///
    /// # Errors
    /// `NoToken` where there is none that counts: without it the request does not go.
    pub(super) fn add(&self, headers: &mut HeaderMap, wanted: &TokenFor, now: Timestamp) -> Result<(), Refusal> {
        let held = self.lock();
        let token = held.get(&wanted.audience).and_then(|one| one.token.as_ref());
        let counts = |(_, until): &&(Secret<String>, Timestamp)| now.plus(OUTSIDE_TOKEN_LEFT_MIN) < *until;
        let (token, _) = token.filter(counts).ok_or(Refusal::NoToken)?;
        let text = Secret::new(format!("{}{}", wanted.prefix(), token.expose()));
        credential::put(headers, &wanted.header, &text).ok_or(Refusal::NoToken)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
