//! A connection's memory of its own decisions: a repeated request costs one look-up.

use crate::engine::{Answer, Ask, Engine};
use crate::limits;
use bartizan_core::user::User;
use bartizan_core::{Action, Decision, ServiceName, SpiffeId};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

/// Remembers what one engine decided; holds nothing of it once another engine is in force.
///
/// One per connection and not shared, so nobody waits for anybody. Bounded by [`limits::MEMO_ENTRIES_MAX`].
#[derive(Default)]
pub struct Memo {
    /// The engine that decided. Weak: an idle connection does not keep old policies in memory.
    engine: Weak<Engine>,
    hasher: RandomState,
    /// Decisions that stand whatever method and path are.
    settled: HashMap<u64, (Key, Arc<Decision>)>,
    /// Decisions about exactly one method and path.
    exact: HashMap<u64, (Key, Arc<Decision>)>,
    /// The same of policies that are tried out; made for the first call for which there are some.
    beside: Option<Box<Self>>,
}

/// What was asked. Compared in full: the hash only finds it, and two questions may have one hash.
struct Key {
    principal: ServiceName,
    id: Option<SpiffeId>,
    resource: ServiceName,
    action: Action,
    route: Option<Box<str>>,
    method: Box<str>,
    path: Box<str>,
    user: Option<User>,
}

impl Memo {
    /// Decides as [`Engine::decide`] does.
    pub fn decide(&mut self, engine: &Arc<Engine>, ask: &Ask<'_>) -> Arc<Decision> {
        // A `Weak` keeps its address taken, so the same address is the same engine, hence the same epoch.
        if self.engine.as_ptr() != Arc::as_ptr(engine) {
            self.settled.clear();
            self.exact.clear();
            self.engine = Arc::downgrade(engine);
        }
        let any = Ask { method: "", path: "", user: None, ..*ask };
        let any_hash = self.hash(&any);
        if let Some(decision) = find(&self.settled, any_hash, &any) {
            return decision;
        }
        let exact_hash = self.hash(ask);
        if let Some(decision) = find(&self.exact, exact_hash, ask) {
            return decision;
        }
        let Answer { decision, settled } = engine.answer(ask);
        if settled {
            put(&mut self.settled, any_hash, &any, &decision);
        } else {
            put(&mut self.exact, exact_hash, ask, &decision);
        }
        decision
    }

    pub(crate) fn beside(&mut self) -> &mut Self {
        self.beside.get_or_insert_default()
    }

    fn hash(&self, ask: &Ask<'_>) -> u64 {
        let Ask { principal, id, action, resource, route, method, path, user } = ask;
        self.hasher.hash_one((principal, id, resource, action, route, method, path, user))
    }
}

fn find(table: &HashMap<u64, (Key, Arc<Decision>)>, hash: u64, ask: &Ask<'_>) -> Option<Arc<Decision>> {
    table.get(&hash).filter(|(key, _)| key.is(ask)).map(|(_, decision)| Arc::clone(decision))
}

fn put(table: &mut HashMap<u64, (Key, Arc<Decision>)>, hash: u64, ask: &Ask<'_>, decision: &Arc<Decision>) {
    // A client that never repeats itself must not make the memory long; see `MEMO_KEY_BYTES_MAX`.
    if ask.method.len() + ask.path.len() + ask.route.map_or(0, str::len) + ask.user.map_or(0, bytes_of)
        > limits::MEMO_KEY_BYTES_MAX
    {
        return;
    }
    if table.len() >= limits::MEMO_ENTRIES_MAX {
        table.clear();
    }
    table.insert(hash, (Key::of(ask), Arc::clone(decision)));
}

/// Bytes of a user's texts.
fn bytes_of(user: &User) -> usize {
    let User { issuer, subject, client, scopes, roles, tenant, claims } = user;
    let claims = claims.iter().flat_map(|(name, values)| std::iter::once(name).chain(values));
    let listed = scopes.iter().chain(roles).chain(tenant).chain(claims).map(String::len).sum::<usize>();
    issuer.len() + subject.len() + client.len() + listed
}

impl Key {
    fn of(ask: &Ask<'_>) -> Self {
        Self {
            principal: ask.principal.clone(),
            id: ask.id.cloned(),
            resource: ask.resource.clone(),
            action: ask.action,
            route: ask.route.map(Into::into),
            method: ask.method.into(),
            path: ask.path.into(),
            user: ask.user.cloned(),
        }
    }

    fn is(&self, ask: &Ask<'_>) -> bool {
        let Ask { principal, id, action, resource, route, method, path, user } = *ask;
        self.action == action
            && self.id.as_ref() == id
            && *self.path == *path
            && *self.method == *method
            && self.route.as_deref() == route
            && self.principal == *principal
            && self.user.as_ref() == user
            && self.resource == *resource
    }
}

/// Says how much is remembered.
impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memo")
            .field("settled", &self.settled.len())
            .field("exact", &self.exact.len())
            .finish_non_exhaustive()
    }
}
