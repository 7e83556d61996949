//! Apps that registered themselves (RFC 7591), as they are held and kept.

use super::granting::GrantsError;
use bartizan_core::Timestamp;
use bartizan_core::authorization::{App as AppRules, BackChannel, Grant, Registration};
use bartizan_core::federation::Url;
use bartizan_core::redirect::Redirect;
use bartizan_store::StoredApp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What is kept of one. What it may have is looked up in the fleet file each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) title: String,
    pub(super) redirect: Vec<String>,
    pub(super) signed_out: Vec<String>,
    pub(super) scopes: Vec<String>,
    /// Names of grants as requests have them.
    pub(super) grants: Vec<String>,
    /// Whether it wants tokens that are bound to nothing.
    pub(super) bearer: bool,
    /// Whether it wants its requests to count only where they were pushed.
    #[serde(default)]
    pub(super) pushed: bool,
    /// Where it is told that somebody signed out.
    #[serde(default)]
    pub(super) back_channel: Option<String>,
    /// SHA-256 in hex of the token by which it is changed.
    pub(super) token_sha256: String,
    pub(super) issued: Timestamp,
}

impl Kept {
    /// What it may do, within what the fleet file lets such apps have.
    pub(super) fn rules(&self, within: &Registration) -> AppRules {
        let redirects = |all: &[String]| all.iter().filter_map(|text| Redirect::parse(text).ok()).collect();
        let is_had = |grant: &&Grant| self.grants.iter().any(|name| name == grant.grant_type());
        AppRules {
            title: self.title.clone(),
            redirect: redirects(&self.redirect),
            signed_out: redirects(&self.signed_out),
            scopes: self.scopes.iter().filter(|scope| within.scopes.contains(scope)).cloned().collect(),
            audiences: within.audiences.clone(),
            // Who registered by itself is a stranger to everybody.
            trusted: false,
            grants: Grant::OF_APPS.iter().filter(is_had).copied().collect(),
            bearer: self.bearer && within.bearer,
            workload: None,
            pushed: self.pushed,
            back_channel: self.back_channel.as_deref().and_then(|to| Url::parse(to).ok()).map(outside),
        }
    }
}

/// Where an app says that it is to be told.
fn outside(to: Url) -> BackChannel {
    BackChannel { to, roots: None, outside: true }
}

/// All of them, by their names in requests.
#[derive(Debug, Default)]
pub(super) struct Registered(RwLock<BTreeMap<String, Arc<Kept>>>);

impl Registered {
    pub(super) fn read(rows: Vec<StoredApp>) -> Result<Self, GrantsError> {
        let read = |StoredApp { id, state }| match serde_json::from_str(&state) {
            Ok(kept) => Ok((id, Arc::new(kept))),
            Err(_) => Err(GrantsError::Record(id)),
        };
        Ok(Self(RwLock::new(rows.into_iter().map(read).collect::<Result<_, _>>()?)))
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Kept>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> Vec<(String, Arc<Kept>)> {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.iter().map(|(id, kept)| (id.clone(), Arc::clone(kept))).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Puts one in the place of the one of that name; takes it away where there is none.
    pub(super) fn set(&self, id: &str, kept: Option<Kept>) {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match kept {
            Some(kept) => drop(held.insert(id.to_owned(), Arc::new(kept))),
            None => drop(held.remove(id)),
        }
    }

    /// Whether pages of that origin are of one of them.
    pub(super) fn has_origin(&self, origin: &str) -> bool {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = held.values().flat_map(|kept| &kept.redirect);
        all.any(|text| Redirect::parse(text).is_ok_and(|it| it.origin() == Some(origin)))
    }
}
