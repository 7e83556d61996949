//! One limit of a route or a service, with its numbers.

use super::{Gcra, Hold, Holds, Now, Outcome, Quota, Table};
use crate::limits;
use bartizan_core::limit::{Limit, Measure, Per};
use bartizan_core::user::User;
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
    /// Nothing used so far.
    pub fn new(limit: Limit) -> Self {
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
        Self { limit, engine, hash: RandomState::new(), refused: AtomicU64::new(0) }
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
    }

    /// Whether callers are told how it stands.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self.engine, Engine::Concurrency(..))
    }

    fn cost(&self, asked: &Asked<'_>) -> u32 {
        if self.limit.cost.is_empty() { 1 } else { self.limit.cost.get(asked.method).copied().unwrap_or(1) }
    }

    fn key(&self, asked: &Asked<'_>) -> u64 {
        let mut hasher = self.hash.build_hasher();
        for per in &self.limit.per {
            match per {
                Per::Client => client(asked, &mut hasher),
                Per::Caller => asked.caller.hash(&mut hasher),
                Per::User => user(asked.user, &mut hasher),
                Per::Tenant => {
                    asked.user.map(|user| (&user.issuer, user.tenant.as_deref())).hash(&mut hasher);
                }
                Per::Route => asked.route.hash(&mut hasher),
                Per::Address => address(asked.address).hash(&mut hasher),
            }
        }
        hasher.finish()
    }
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
