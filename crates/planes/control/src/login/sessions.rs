//! What is kept of sessions of the gateway, so that what is said of their people can be renewed: tokens of the outside, in memory alone.
//!
//! A session is in its cookie. What is lost here, by a restart or by too many, costs that: it goes on to its own end as it is.

use crate::limits::LOGIN_SESSIONS_MAX;
use bartizan_core::user::User;
use bartizan_core::{Secret, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// One session. Whoever renews it holds the lock meanwhile: others wait and find it done.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) refresh: Option<Secret<String>>,
    /// The last ID token, by which the provider knows whom to sign out.
    pub(super) id_token: Option<Secret<String>>,
    pub(super) user: User,
    /// When to renew.
    pub(super) renew: Option<Timestamp>,
}

type Shared = Arc<tokio::sync::Mutex<Held>>;

/// By name, in two generations: when there are many, the older half is forgotten.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Shared>,
    old: HashMap<String, Shared>,
}

impl Sessions {
    pub(super) fn put(&self, session: &str, held: Held) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.put(session, Arc::new(tokio::sync::Mutex::new(held)));
    }

    /// One that is used stays longer.
    pub(super) fn get(&self, session: &str) -> Option<Shared> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = all.young.get(session) {
            return Some(Arc::clone(held));
        }
        let held = all.old.remove(session)?;
        all.put(session, Arc::clone(&held));
        Some(held)
    }

    pub(super) fn remove(&self, session: &str) -> Option<Shared> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = all.old.remove(session);
        all.young.remove(session).or(old)
    }
}

impl Generations {
    fn put(&mut self, session: &str, held: Shared) {
        if self.young.len() >= LOGIN_SESSIONS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(session.to_owned(), held);
    }
}
