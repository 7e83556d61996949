//! A fleet that does what it is told, late or never, and a control that may be stopped at any moment.

use super::{Anchor, Desired, Facts, Member, MemberKind, Pace, Plan, Roots, Rotation, slots};
use bartizan_core::Timestamp;
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::rotation::{Rotated, Watched};
use bartizan_core::snapshot::Epoch;
use std::time::Duration;

pub(super) const OLD: &str = "issuing-old";
pub(super) const NEW: &str = "issuing-new";

pub(super) fn anchor(name: &str) -> Anchor {
    Anchor { sha256: name.to_owned(), pem: String::new() }
}

/// A member with what it trusts.
#[derive(Clone, Debug)]
pub(super) struct One {
    pub(super) member: Member,
    pub(super) trusts: Roots,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) rotation: Rotation,
    pub(super) now: Timestamp,
    pub(super) fleet: Vec<One>,
    pub(super) epoch: u64,
    pub(super) published: Roots,
    pub(super) control_is_new: bool,
    pub(super) handshakes: Watched,
    pub(super) others_until: Option<Timestamp>,
    pub(super) abroad_until: Option<Timestamp>,
    pub(super) plan: Option<Plan>,
}

impl World {
    pub(super) fn new(members: usize, what: Rotated, canary: Option<&str>) -> Self {
        let now = Timestamp::from_secs(1_000_000);
        let names = (0..members).map(|n| format!("s{n:03}"));
        let one = |name: String| Member {
            name,
            kind: MemberKind::Service,
            attached: true,
            acked: Some(Epoch(1)),
            settled: true,
            issuer: Some(OLD.to_owned()),
            not_after: now.plus(LEAF_TTL),
            asked: None,
            refused: None,
        };
        let fleet = names.map(|name| One { member: one(name), trusts: Roots::Old }).collect();
        let rotation = Rotation::begin(1, what, anchor("old"), canary.map(str::to_owned), Pace::DEFAULT, false, now);
        let (published, handshakes) = (Roots::Old, Watched::default());
        let (others_until, abroad_until, plan) = (None, None, None);
        Self {
            rotation,
            now,
            fleet,
            epoch: 1,
            published,
            control_is_new: false,
            handshakes,
            others_until,
            abroad_until,
            plan,
        }
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            epoch: Epoch(self.epoch),
            published: self.published,
            issuer: Ok(()),
            control_is_new: self.control_is_new,
            members: self.fleet.iter().map(|one| one.member.clone()).collect(),
            others_until: self.others_until,
            abroad_until: self.abroad_until,
            handshakes: self.handshakes,
            canary: Watched::default(),
        }
    }

    /// Control's turn: decide, keep, carry out.
    pub(super) fn control(&mut self) {
        if self.rotation.new.is_none() {
            self.rotation.count_issuer(NEW);
            self.rotation.made(anchor("new"), self.now);
        }
        let plan = self.rotation.advance(&self.facts(), self.now);
        self.rotation = plan.rotation.clone();
        let Desired { roots, control_is_new, .. } = self.rotation.desired();
        if roots != self.published {
            self.published = roots;
            self.epoch += 1;
            self.fleet.iter_mut().for_each(|one| one.member.settled = false);
        }
        self.control_is_new = control_is_new;
        for (name, at) in slots(&plan.renew, 50, self.now) {
            self.fleet.iter_mut().filter(|one| one.member.name == name).for_each(|one| one.member.asked = Some(at));
        }
        if plan.stepped {
            self.handshakes = Watched::default();
        }
        self.plan = Some(plan);
    }

    /// Control is killed: what is kept is all there is. Its memory of orders and counters is gone.
    pub(super) fn kill(&mut self) {
        let text = serde_json::to_string(&self.rotation).expect("a state becomes JSON");
        self.rotation = serde_json::from_str(&text).expect("what was written is read");
        self.fleet.iter_mut().for_each(|one| one.member.asked = None);
        self.handshakes = Watched::default();
    }

    /// The turn of a member that is there: takes up the bundle, or a new identity.
    pub(super) fn member(&mut self, at: usize) {
        let (epoch, published, desired) = (self.epoch, self.published, self.rotation.desired());
        let one = &mut self.fleet[at];
        if !one.member.attached {
            return;
        }
        one.trusts = published;
        one.member.acked = Some(Epoch(epoch));
        one.member.settled = true;
        if one.member.asked.is_some_and(|at| self.now >= at) {
            let new = desired.released.has(&one.member.name);
            one.member.issuer = Some(if new { NEW } else { OLD }.to_owned());
            one.member.not_after = self.now.plus(LEAF_TTL);
            one.member.asked = None;
        }
    }

    /// Leaves, or comes back: with an identity that ran out it has to start anew, with the bundle of now.
    pub(super) fn toggle(&mut self, at: usize) {
        let one = &mut self.fleet[at];
        one.member.attached = !one.member.attached;
        if one.member.attached && self.now >= one.member.not_after {
            let new = self.rotation.desired().released.has(&one.member.name);
            one.member.issuer = Some(if new { NEW } else { OLD }.to_owned());
            one.trusts = self.published;
            one.member.acked = Some(Epoch(self.epoch));
            one.member.not_after = self.now.plus(LEAF_TTL);
        }
    }

    pub(super) fn pass(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    /// Everybody does their part until nothing moves any more, or `rounds` are over.
    pub(super) fn run(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.control();
            (0..self.fleet.len()).for_each(|at| self.member(at));
            self.pass(Duration::from_secs(1));
        }
    }

    /// Pairs of which one shows what the other does not trust, among those that are alive and not given up.
    pub(super) fn strangers(&self) -> Vec<(String, String)> {
        let live = |one: &&One| {
            one.member.is_live(self.now)
                && !self.rotation.excused.contains(&one.member.name)
                && one.member.kind != MemberKind::Edge
        };
        let refuses = |a: &One, b: &One| match b.member.issuer.as_deref() {
            Some(NEW) if self.rotation.what == Rotated::Root => a.trusts == Roots::Old,
            Some(OLD) if self.rotation.what == Rotated::Root => a.trusts == Roots::New,
            _ => false,
        };
        let all: Vec<&One> = self.fleet.iter().filter(live).collect();
        let pairs = all.iter().flat_map(|a| all.iter().map(move |b| (a, b)));
        pairs.filter(|(a, b)| refuses(a, b)).map(|(a, b)| (a.member.name.clone(), b.member.name.clone())).collect()
    }
}
