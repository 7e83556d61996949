//! The one verb: pick an instance for a try, tell how it ended, ask for another.

use super::breaker::{Breaker, Change, State};
use super::budget::Budget;
use super::choose::{Candidate, choose};
use super::outlier::Health;
use super::retry::Outcome;
use bartizan_core::ServiceName;
use bartizan_core::edge::{Edge as Settings, Instance, Share};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Tries of one request that are remembered, a count: more than a fleet file can ask for.
const TRIES_MAX: usize = 16;

/// What one worker knows of its edges.
#[derive(Debug, Default)]
pub struct Picker {
    names: HashMap<ServiceName, EdgeId>,
    edges: HashMap<EdgeId, Edge>,
    zone: Option<Box<str>>,
    /// The last number of an instance or edge; none is given twice, so that an old try is never taken for a new one.
    last: u64,
}

/// One edge, for as long as the directory names it. Looked up once for a request, so that no name is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EdgeId(u64);

#[derive(Debug, Default)]
struct Edge {
    settings: Settings,
    instances: Vec<Known>,
    breaker: Breaker,
    budget: Budget,
}

#[derive(Debug)]
struct Known {
    number: u64,
    mesh: SocketAddr,
    weight: u16,
    near: bool,
    load: u32,
    health: Health,
}

/// An instance for one try. Tell its outcome with [`Picker::ended`], or its load stays counted.
#[derive(Debug)]
pub struct Pick {
    /// Where its guard accepts mutual TLS.
    pub mesh: SocketAddr,
    edge: EdgeId,
    number: u64,
    probe: bool,
}

impl Pick {
    /// The edge it is for.
    pub fn edge(&self) -> EdgeId {
        self.edge
    }
}

/// Why there is no instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The callee is not known, or has no instances.
    Unknown,
    /// Most calls failed just now; nothing is sent for a moment.
    BreakerOpen,
}

/// The instances that one request was sent to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    numbers: [u64; TRIES_MAX],
    count: u8,
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The instance gets nothing for a while.
    pub ejected: bool,
    /// The breaker opened.
    pub opened: bool,
    /// The breaker closed.
    pub closed: bool,
}

impl Tried {
    /// How many tries there were.
    pub fn count(&self) -> u8 {
        self.count
    }

    fn has(&self, number: u64) -> bool {
        self.numbers.iter().take(self.count.into()).any(|tried| *tried == number)
    }

    fn add(&mut self, number: u64) {
        if let Some(slot) = self.numbers.get_mut(usize::from(self.count)) {
            *slot = number;
            self.count += 1;
        }
    }
}

impl Picker {
    /// Takes up what the directory says now. What is known of instances that stay, stays known; edges that are gone are forgotten.
    pub fn update<'a>(
        &mut self,
        zone: Option<&str>,
        edges: impl Iterator<Item = (&'a ServiceName, &'a Settings, &'a [Instance])>,
    ) {
        self.zone = zone.map(Box::from);
        let (mut names, mut before) = (std::mem::take(&mut self.names), std::mem::take(&mut self.edges));
        for (callee, settings, instances) in edges {
            let (name, id) = names.remove_entry(callee).unwrap_or_else(|| (callee.clone(), EdgeId(self.number())));
            let mut edge = before.remove(&id).unwrap_or_default();
            edge.settings = *settings;
            let mut known = std::mem::take(&mut edge.instances);
            edge.instances = instances.iter().map(|it| self.known(&mut known, it)).collect();
            self.edges.insert(id, edge);
            self.names.insert(name, id);
        }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn known(&mut self, before: &mut Vec<Known>, instance: &Instance) -> Known {
        let near = self.zone.is_some() && self.zone == instance.zone;
        let (mesh, weight) = (instance.mesh, instance.weight.max(1));
        match before.iter().position(|known| known.mesh == mesh) {
            Some(at) => Known { weight, near, ..before.swap_remove(at) },
            None => Known { number: self.number(), mesh, weight, near, load: 0, health: Health::default() },
        }
    }

    /// The edge to `callee`, where the directory names it.
    pub fn edge(&self, callee: &ServiceName) -> Option<EdgeId> {
        self.names.get(callee).copied()
    }

    /// An instance for a request's next try. Its first one earns the budget of retries.
    ///
    /// # Errors
    /// [`Refused`]; nothing is to be sent.
    pub fn pick(&mut self, id: EdgeId, tried: &mut Tried, now: Duration, random: u64) -> Result<Pick, Refused> {
        let edge = self.edges.get_mut(&id).ok_or(Refused::Unknown)?;
        let candidate = |known: &Known| Candidate {
            health: known.health,
            load: known.load,
            weight: known.weight,
            near: known.near,
            tried: tried.has(known.number),
        };
        let chosen = choose(edge.instances.iter().map(candidate), now, random).ok_or(Refused::Unknown)?;
        let admitted = edge.breaker.admit(&edge.settings.breaker, now).ok_or(Refused::BreakerOpen)?;
        if tried.count == 0 {
            edge.budget.earn(edge.settings.retry.budget);
        }
        let known = &mut edge.instances[chosen];
        known.load = known.load.saturating_add(1);
        tried.add(known.number);
        Ok(Pick { mesh: known.mesh, edge: id, number: known.number, probe: admitted.probe })
    }

    /// How a try ended.
    pub fn ended(&mut self, pick: Pick, outcome: Outcome, now: Duration) -> Effects {
        let Some(edge) = self.edges.get_mut(&pick.edge) else { return Effects::default() };
        let change = edge.breaker.ended(&edge.settings.breaker, pick.probe, outcome.failed(), now);
        let out = edge.instances.iter().filter(|known| known.health.is_out(now)).count() as u64;
        let room = out < edge.settings.outlier.most.of(edge.instances.len() as u64);
        let mut effects =
            Effects { ejected: false, opened: change == Some(Change::Opened), closed: change == Some(Change::Closed) };
        // One that was removed meanwhile needs no account any more.
        if let Some(known) = edge.instances.iter_mut().find(|known| known.number == pick.number) {
            known.load = known.load.saturating_sub(1);
            if let Some(failed) = outcome.failed_here() {
                effects.ejected = known.health.ended(&edge.settings.outlier, failed, room, now);
            }
        }
        effects
    }

    /// Whether a request that was `tried` like this and ended with `outcome` may be tried once more; then the budget has paid.
    pub fn may_retry(&mut self, id: EdgeId, repeatable: bool, outcome: Outcome, tried: &Tried) -> bool {
        let Some(edge) = self.edges.get_mut(&id) else { return false };
        let retry = &edge.settings.retry;
        let more = tried.count <= retry.attempts && usize::from(tried.count) < TRIES_MAX;
        // What no program got is no more work for anybody elsewhere: an instance that ends under load must not use up the budget.
        let is_free = outcome == Outcome::Unsent && tried.count == 1 && retry.budget != Share::default();
        more && outcome.is_worth_another(&retry.on, repeatable) && (is_free || edge.budget.spend(retry.budget))
    }

    /// What holds on an edge.
    pub fn settings(&self, id: EdgeId) -> Option<&Settings> {
        self.edges.get(&id).map(|edge| &edge.settings)
    }

    /// How the breaker of an edge stands, how many of its instances get nothing now, and how many there are.
    pub fn state(&self, id: EdgeId, now: Duration) -> Option<(State, usize, usize)> {
        let edge = self.edges.get(&id)?;
        let out = edge.instances.iter().filter(|known| known.health.is_out(now)).count();
        Some((edge.breaker.state(), out, edge.instances.len()))
    }

    /// Its edges, by callee.
    pub fn edges(&self) -> impl Iterator<Item = (&ServiceName, EdgeId)> {
        self.names.iter().map(|(callee, id)| (callee, *id))
    }
}
