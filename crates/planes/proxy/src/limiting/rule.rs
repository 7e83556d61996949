//! One limit of a route or a service, with its numbers.

use super::shared::{Id, Shared, told_within_ns};
use super::{Gcra, Hold, Holds, Now, Outcome, Quota, Table};
use crate::limits;
use bartizan_core::api_key::KEY_ISSUER;
use bartizan_core::limit::{Limit, Measure, Per};
use bartizan_core::user::User;
use bartizan_crypto::hash::sha256;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A limit with its numbers.
#[derive(Debug)]
pub struct Rule {
    /// The limit.
    pub limit: Limit,
    engine: Engine,
    /// Random, so that nobody outside can foretell where a key stands.
    hash: RandomState,
    refused: AtomicU64,
    /// Where it is shared with other guards.
    shared: Option<Shared>,
    /// Begins the names of its shared counts: what tells it from every other limit.
    place: Box<str>,
}

/// One count, for the place where all guards count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Where it stands in this guard.
    key: u64,
    /// Its name there.
    pub name: String,
    /// What to add: microseconds of a rate, or units of a quota.
    pub add: i64,
    /// Milliseconds that it is kept, of a quota; 0 for a rate, which is kept until all of it has come back.
    pub keep_ms: u64,
    /// The window of a quota.
    window: u64,
}

#[derive(Debug)]
enum Engine {
    Rate(Gcra, Table),
    Quota(Quota, Table),
    Concurrency(Arc<Holds>, u32),
}

/// A request, as far as limits tell requests apart.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The name of whoever proved who they are.
    pub caller: Option<&'a str>,
    /// On whose behalf.
    pub user: Option<&'a User>,
    /// From where.
    pub address: IpAddr,
    /// The named route.
    pub route: Option<&'a str>,
    /// The method.
    pub method: &'a str,
}

impl Rule {
    /// Nothing used so far. `place` tells a shared limit from those of other services, routes and fleets.
    pub fn new(limit: Limit, place: &str, now: Now) -> Self {
        // Names of callers and routes come from the fleet file; everything else is for strangers to choose.
        let known = limit.per.iter().all(|per| matches!(per, Per::Caller | Per::Route));
        let entries = if known { limits::LIMIT_ENTRIES_KNOWN } else { limits::LIMIT_ENTRIES };
        let engine = match limit.measure {
            Measure::Rate { count, period_s, burst } => {
                Engine::Rate(Gcra::new(count, period_s, burst), Table::new(entries))
            }
            Measure::Quota { count, window_s } => Engine::Quota(Quota::new(count, window_s), Table::new(entries)),
            Measure::Concurrency { most } => Engine::Concurrency(Arc::default(), most),
        };
        let (shared, place) = (limit.shared.then(|| Shared::new(now)), place.into());
        Self { limit, engine, hash: RandomState::new(), refused: AtomicU64::new(0), shared, place }
    }

    /// Whether it is shared, and the place where all count does not answer.
    pub fn is_lost(&self, now: Now) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is_lost(now))
    }

    /// Whether other guards count with this one.
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Counts to be told and asked, at most `most`.
    pub fn shares(&self, now: Now, most: usize) -> Vec<Share> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let name = |id: &Id| format!("{{bartizan}}:{}", bartizan_crypto::hash::hex(id));
        match &self.engine {
            Engine::Rate(gcra, table) => {
                let silence_ns = told_within_ns(shared.silence_ns(now));
                let batch = shared.batch(now.steady_ns, most);
                let share = |told: super::shared::Told| {
                    let mut owed_ns = 0;
                    table.with_known(told.key, |state| owed_ns = gcra.owed_ns(*state, now.steady_ns));
                    // After a silence most of what was taken has come back already.
                    let most_ns = i64::try_from(owed_ns.saturating_add(silence_ns)).unwrap_or(i64::MAX);
                    let add = gcra.units_ns(told.units).clamp(-most_ns, most_ns) / 1000;
                    Share { key: told.key, name: name(&told.id), add, keep_ms: 0, window: 0 }
                };
                batch.into_iter().map(share).collect()
            }
            Engine::Quota(quota, _) => {
                let (window, end_s) = quota.window(now.utc_s);
                let keep_ms = end_s.saturating_sub(now.utc_s).saturating_mul(1000).max(1);
                let share = |told: super::shared::Told| {
                    let name = format!("{}:{window}", name(&told.id));
                    Share { key: told.key, name, add: told.units, keep_ms, window }
                };
                shared.batch(now.steady_ns, most).into_iter().map(share).collect()
            }
            Engine::Concurrency(..) => Vec::new(),
        }
    }

    /// What all guards counted: microseconds that are owed of a rate, units used of a quota.
    pub fn settle(&self, share: &Share, all: i64, now: Now) {
        let Some(shared) = &self.shared else { return };
        match &self.engine {
            Engine::Rate(gcra, table) => {
                let owed_ns = all.max(0).saturating_mul(1000);
                let Some(since) = shared.settle(share.key, gcra.state_of(owed_ns, now.steady_ns)) else { return };
                let owed_ns = owed_ns.saturating_add(gcra.units_ns(since));
                table.with_known(share.key, |state| *state = gcra.state_of(owed_ns, now.steady_ns));
            }
            Engine::Quota(quota, table) => {
                let Some(since) = shared.settle(share.key, 0) else { return };
                if quota.window(now.utc_s).0 == share.window {
                    let used = all.saturating_add(since);
                    table.with_known(share.key, |state| *state = quota.state_of(share.window, used));
                }
            }
            Engine::Concurrency(..) => {}
        }
    }

    /// The place where all guards count answered.
    pub fn heard(&self, now: Now) {
        if let Some(shared) = &self.shared {
            shared.heard(now);
        }
    }

    /// The place did not answer.
    pub fn unsettled(&self, share: &Share) {
        if let Some(shared) = &self.shared {
            shared.unsent(share.key);
        }
    }

    fn note(&self, asked: &Asked<'_>, key: u64, units: i64, now: Now, outcome: Outcome) {
        let Some(shared) = self.shared.as_ref().filter(|_| outcome.passed && units != 0) else { return };
        let until = match &self.engine {
            // In whole seconds, so that it is looked at until nothing is owed.
            Engine::Rate(..) => now.steady_ns.saturating_add(outcome.wait_s.saturating_mul(1_000_000_000)),
            _ => now.steady_ns,
        };
        shared.note(key, units, until, || self.id(asked));
    }

    /// The name of a count where all guards can find it: a hash of all that tells it from others.
    fn id(&self, asked: &Asked<'_>) -> Id {
        let mut text = format!("{}\n{}", self.place, self.limit);
        let mut add = |part: &str| text.push_str(&format!("\n{}:{part}", part.len()));
        let user = asked.user.map_or(("", ""), |user| (&user.issuer, &user.subject));
        for per in &self.limit.per {
            add(per.as_str());
            match per {
                Per::Client => match (asked.user, asked.caller) {
                    (Some(_), _) => [user.0, user.1].into_iter().for_each(&mut add),
                    (None, Some(caller)) => add(caller),
                    (None, None) => add(&address(asked.address).to_string()),
                },
                Per::Caller => add(asked.caller.unwrap_or_default()),
                Per::User => [user.0, user.1].into_iter().for_each(&mut add),
                Per::Tenant => {
                    [user.0, asked.user.and_then(|user| user.tenant.as_deref()).unwrap_or_default()]
                        .into_iter()
                        .for_each(&mut add);
                }
                Per::Key => {
                    let owner = asked.user.filter(|user| user.issuer == KEY_ISSUER);
                    add(owner.map_or("", |user| &user.subject));
                }
                Per::Route => add(asked.route.unwrap_or_default()),
                Per::Address => add(&address(asked.address).to_string()),
            }
        }
        let mut id = Id::default();
        id.copy_from_slice(&sha256(text.as_bytes())[..16]);
        id
    }

    /// Requests that it refused, a count.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Takes what the request costs. Where it is one under way, also what to keep until it is through.
    pub(super) fn take(&self, asked: &Asked<'_>, now: Now) -> (Outcome, Option<Hold>) {
        let (key, cost) = (self.key(asked), self.cost(asked));
        let taken = match &self.engine {
            Engine::Rate(gcra, table) => (table.with(key, |state| gcra.take(state, now.steady_ns, cost)), None),
            Engine::Quota(quota, table) => (table.with(key, |state| quota.take(state, now.utc_s, cost)), None),
            Engine::Concurrency(holds, most) => match holds.hold(key, *most) {
                Some((hold, left)) => (Outcome { passed: true, left: left.into(), wait_s: 0 }, Some(hold)),
                None => (Outcome { passed: false, left: 0, wait_s: 1 }, None),
            },
        };
        self.note(asked, key, cost.into(), now, taken.0);
        if !taken.0.passed {
            self.refused.fetch_add(1, Relaxed);
        }
        taken
    }

    /// Gives back what was taken for a request that another limit refused.
    pub(super) fn give_back(&self, asked: &Asked<'_>) {
        let (key, cost) = (self.key(asked), self.cost(asked));
        match &self.engine {
            Engine::Rate(gcra, table) => table.with_known(key, |state| gcra.give_back(state, cost)),
            Engine::Quota(quota, table) => table.with_known(key, |state| quota.give_back(state, cost)),
            Engine::Concurrency(..) => {} // let go with its hold
        }
        if let Some(shared) = &self.shared {
            shared.note(key, -i64::from(cost), 0, || self.id(asked));
        }
    }

    /// Counts a request that was refused since nobody could tell what others counted.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Whether callers are told how it stands.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self.engine, Engine::Concurrency(..))
    }

    fn cost(&self, asked: &Asked<'_>) -> u32 {
        if self.limit.cost.is_empty() { 1 } else { self.limit.cost.get(asked.method).copied().unwrap_or(1) }
    }

    fn key(&self, asked: &Asked<'_>) -> u64 {
        key_of(&self.hash, &self.limit.per, asked)
    }
}

/// A hash of what requests are told apart by.
pub fn key_of(hash: &RandomState, per: &[Per], asked: &Asked<'_>) -> u64 {
    let mut hasher = hash.build_hasher();
    for per in per {
        match per {
            Per::Client => client(asked, &mut hasher),
            Per::Caller => asked.caller.hash(&mut hasher),
            Per::User => user(asked.user, &mut hasher),
            Per::Tenant => {
                asked.user.map(|user| (&user.issuer, user.tenant.as_deref())).hash(&mut hasher);
            }
            Per::Key => user(asked.user.filter(|user| user.issuer == KEY_ISSUER), &mut hasher),
            Per::Route => asked.route.hash(&mut hasher),
            Per::Address => address(asked.address).hash(&mut hasher),
        }
    }
    hasher.finish()
}

impl Asked<'_> {
    /// Whoever asks, as well as that is known, to be hashed.
    pub fn client(&self) -> impl Hash + '_ {
        Client(self)
    }
}

struct Client<'a>(&'a Asked<'a>);

impl Hash for Client<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        client(self.0, state);
    }
}

/// Whoever asks, as well as that is known. The number keeps a user apart from a caller of the same name.
fn client(asked: &Asked<'_>, hasher: &mut impl Hasher) {
    match (asked.user, asked.caller) {
        (Some(_), _) => {
            0u8.hash(hasher);
            user(asked.user, hasher);
        }
        (None, Some(caller)) => (1u8, caller).hash(hasher),
        (None, None) => (2u8, address(asked.address)).hash(hasher),
    }
}

fn user(user: Option<&User>, hasher: &mut impl Hasher) {
    user.map(|user| (&user.issuer, &user.subject)).hash(hasher);
}

/// One client has the last 64 bits of an IPv6 address to itself (RFC 6177), and could come from each of them.
fn address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_bits().into(),
            None => (v6.to_bits() >> 64) as u64 | 1 << 63,
        },
    }
}
