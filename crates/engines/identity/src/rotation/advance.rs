//! The steps of a rotation, each with what it needs.

use crate::limits::{CANARY_HANDSHAKES, FAILURES_MIN, RENEWAL_PATIENCE, SUCCESS_PER_MILLE_MIN, TRIAL_MIN};
use crate::rotation::{Facts, Member, MemberKind, Released, Rotation};
use bartizan_core::Timestamp;
use bartizan_core::rotation::{Phase, Straggler, Watched};
use std::collections::BTreeSet;

/// Name of those who hold identities and are not among the members.
const OTHERS: &str = "programs";

/// Name of those who fetch our bundle and cannot acknowledge it.
const ABROAD: &str = "other trust domains";

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The rotation as it is now; to be kept before anything of it is carried out.
    pub rotation: Rotation,
    /// Whether it took a step.
    pub stepped: bool,
    /// Who is to renew now.
    pub renew: Vec<String>,
    /// Who is waited for.
    pub waiting_for: Vec<Straggler>,
}

impl Rotation {
    /// Takes at most one step, by `facts` of the moment `now`.
    #[must_use]
    pub fn advance(&self, facts: &Facts, now: Timestamp) -> Plan {
        let mut plan = Plan { rotation: self.clone(), stepped: false, renew: Vec::new(), waiting_for: Vec::new() };
        match self.phase {
            Phase::Prepared => plan.prepared(facts, now),
            Phase::Published => plan.published(facts, now),
            Phase::Acknowledged => plan.acknowledged(facts, now),
            Phase::Active => plan.active(facts, now),
            Phase::Retiring => plan.retiring(facts, now),
            Phase::Reverting => plan.reverting(facts, now),
            Phase::Retired | Phase::Reverted => {}
        }
        plan
    }

    /// The members that a wave may take: all but the edge's certificate, which follows control.
    fn fleet<'a>(&self, facts: &'a Facts) -> impl Iterator<Item = &'a Member> {
        facts.members.iter().filter(|member| member.kind != MemberKind::Edge)
    }

    fn is_waited_for(&self, member: &Member, now: Timestamp) -> bool {
        member.is_live(now) && !self.excused.contains(&member.name)
    }

    /// Whether `member` has said that it trusts what the bundle in force holds.
    fn trusts(&self, member: &Member, facts: &Facts) -> bool {
        member.acked == Some(facts.epoch) && facts.published == self.desired().roots
    }
}

impl Plan {
    fn prepared(&mut self, facts: &Facts, now: Timestamp) {
        if let Err(why) = &facts.issuer {
            self.wait("control", why.clone(), "nothing; there is nothing new to go over to yet");
        } else if self.rotation.new.is_some() && self.rotation.urgent {
            self.rotation.released = Released::Everybody;
            self.go(Phase::Active, now, "everybody is issued anew at once");
        } else if self.rotation.new.is_some() {
            self.go(Phase::Published, now, "both are to be trusted");
        }
    }

    fn published(&mut self, facts: &Facts, now: Timestamp) {
        if facts.published != self.rotation.desired().roots {
            return self.wait("control", "the new bundle is not published yet".to_owned(), "nothing yet");
        }
        self.wait_for_trust(facts, now);
        if let Some(until) = facts.abroad_until.filter(|until| now < *until && !self.rotation.excused.contains(ABROAD))
        {
            let why = format!("they look at the bundle endpoint again within {} s", until.since(now).as_secs());
            self.wait(ABROAD, why, "they refuse everybody who shows an identity below the new root until they look");
        }
        if self.waiting_for.is_empty() {
            self.go(Phase::Acknowledged, now, &format!("everybody alive has acknowledged bundle {}", facts.epoch.0));
        }
    }

    fn wait_for_trust(&mut self, facts: &Facts, now: Timestamp) {
        let rotation = self.rotation.clone();
        for member in rotation.fleet(facts).filter(|m| rotation.is_waited_for(m, now) && !rotation.trusts(m, facts)) {
            let at = member.acked.map_or("none".to_owned(), |epoch| epoch.0.to_string());
            let why = format!("{}; it has acknowledged bundle {at}, needed is {}", presence(member), facts.epoch.0);
            self.wait(&member.name, why, "it refuses everybody who shows an identity below the new root");
        }
    }

    fn acknowledged(&mut self, facts: &Facts, now: Timestamp) {
        // Who came in between may hold an older bundle.
        self.wait_for_trust(facts, now);
        if !self.waiting_for.is_empty() {
            return;
        }
        if let Err(why) = &facts.issuer {
            return self.wait("control", why.clone(), "nothing yet");
        }
        let attached = |m: &&Member| m.attached && m.kind == MemberKind::Service;
        let mut services: Vec<&Member> = self.rotation.fleet(facts).filter(attached).collect();
        services.sort_by_key(|m| (m.name == bartizan_core::name::GATEWAY, m.name.as_str()));
        let canary = match &self.rotation.canary {
            None => services.first().map(|m| m.name.clone()),
            Some(name) => services.iter().find(|m| m.name == *name).map(|m| m.name.clone()),
        };
        let Some(canary) = canary else {
            let name = self.rotation.canary.clone().unwrap_or_else(|| "canary".to_owned());
            return self.wait(&name, "the canary is not attached".to_owned(), "nothing; name another one");
        };
        self.rotation.released = Released::Some(BTreeSet::from([canary.clone()]));
        self.go(Phase::Active, now, &format!("canary {canary} is issued anew"));
        self.rotation.canary = Some(canary);
    }

    fn active(&mut self, facts: &Facts, now: Timestamp) {
        if let Some(why) = self.alarm(facts) {
            return self.halt_and_revert(&why, now);
        }
        if let Err(why) = &facts.issuer {
            return self.wait("control", why.clone(), "nothing yet");
        }
        let rotation = self.rotation.clone();
        let released = rotation.fleet(facts).filter(|m| rotation.released.has(&m.name) && !m.is_new(&rotation));
        self.ask_to_renew(released, facts, now);
        if !self.waiting_for.is_empty() || now.since(rotation.watch_since) < TRIAL_MIN {
            return;
        }
        let trial_is_over = rotation.urgent
            || rotation.waves_begun > 0
            || facts.canary.completed >= CANARY_HANDSHAKES
            || now.since(rotation.watch_since) >= rotation.pace.soak();
        if trial_is_over {
            self.next_wave(facts, now);
        }
    }

    /// Releases the next wave; where nobody is left, control goes over too.
    fn next_wave(&mut self, facts: &Facts, now: Timestamp) {
        let rotation = &self.rotation;
        let mut left: Vec<&Member> = rotation
            .fleet(facts)
            .filter(|m| m.is_live(now) && !rotation.released.has(&m.name) && !rotation.excused.contains(&m.name))
            .collect();
        if left.is_empty() {
            self.rotation.released = Released::Everybody;
            return self.go(Phase::Retiring, now, "everybody alive shows the new one; control goes over to it");
        }
        left.sort_by_key(|m| (m.name == bartizan_core::name::GATEWAY, m.name.as_str()));
        let size = (rotation.fleet(facts).count() * usize::from(rotation.pace.wave_percent) / 100).max(1);
        let wave: Vec<String> = left.into_iter().take(size).map(|m| m.name.clone()).collect();
        let note = format!("wave {}: {}", rotation.waves_begun + 1, listed(&wave));
        if let Released::Some(names) = &mut self.rotation.released {
            names.extend(wave);
        }
        self.rotation.waves_begun += 1;
        self.stepped = true;
        self.rotation.note(now, &note);
    }

    fn retiring(&mut self, facts: &Facts, now: Timestamp) {
        if self.rotation.halted.is_some() {
            return;
        }
        if let Some(why) = self.alarm(facts) {
            self.rotation.halted = Some(why.clone());
            self.stepped = true;
            return self.rotation.note(now, &format!("halted: {why}"));
        }
        if !facts.control_is_new {
            return self.wait("control", "it does not show the new one yet".to_owned(), "nobody could reach control");
        }
        let rotation = self.rotation.clone();
        let old = facts.members.iter().filter(|m| !m.is_new(&rotation));
        self.ask_to_renew(old, facts, now);
        for member in rotation.fleet(facts).filter(|m| m.attached && !m.settled && m.is_new(&rotation)) {
            if rotation.is_waited_for(member, now) {
                let why = "it has not acknowledged everything that was signed anew".to_owned();
                self.wait(&member.name, why, "it cannot start from its disk while control is away");
            }
        }
        if let Some(until) = facts.others_until.filter(|until| now < *until) {
            let why = format!("identities of the old one run out in {} s", until.since(now).as_secs());
            if !rotation.excused.contains(OTHERS) {
                self.wait(OTHERS, why, "they are refused by everybody until they are issued anew");
            }
        }
        if self.waiting_for.is_empty() && facts.published == rotation.desired().roots {
            self.go(Phase::Retired, now, "nobody alive shows the old one; it is gone");
        }
    }

    fn reverting(&mut self, facts: &Facts, now: Timestamp) {
        let rotation = self.rotation.clone();
        let new = facts.members.iter().filter(|m| rotation.began_issuing && m.may_be_new(&rotation));
        self.ask_to_renew(new, facts, now);
        if facts.control_is_new {
            self.wait("control", "it still shows the new one".to_owned(), "nobody could reach control");
        }
        if self.waiting_for.is_empty() {
            self.go(Phase::Reverted, now, "nobody alive shows the new one; everything is as before");
        }
    }

    /// Waits for each of `members` that is alive, and asks those that are there and know both roots to renew.
    fn ask_to_renew<'a>(&mut self, members: impl Iterator<Item = &'a Member>, facts: &Facts, now: Timestamp) {
        let rotation = self.rotation.clone();
        for member in members.filter(|m| rotation.is_waited_for(m, now)) {
            if member.kind == MemberKind::Edge && !member.attached {
                continue; // outside clients see nobody, so they see no old certificate either
            }
            let trusts = member.kind == MemberKind::Edge || rotation.trusts(member, facts);
            let due = member.asked.is_none_or(|at| now >= at.plus(RENEWAL_PATIENCE));
            if member.attached && trusts && due {
                self.renew.push(member.name.clone());
            }
            let why = match (&member.refused, member.attached && !trusts) {
                (Some(why), _) => format!("it refused its identity: {why}"),
                (None, true) => format!("it has not acknowledged bundle {} yet", facts.epoch.0),
                (None, false) => format!("{}, and has not renewed its identity", presence(member)),
            };
            self.wait(&member.name, why, "what it shows is refused by everybody until it starts anew");
        }
    }

    /// Why this must not go on.
    fn alarm(&self, facts: &Facts) -> Option<String> {
        let released = facts.members.iter().filter(|m| self.rotation.released.has(&m.name));
        let refused = released.filter_map(|m| Some((m, m.refused.as_ref()?))).next();
        if let Some((member, why)) = refused {
            return Some(format!("{} refused its new identity: {why}", member.name));
        }
        let Watched { completed, failed } = facts.handshakes;
        let all = completed.saturating_add(failed);
        let bad = failed >= FAILURES_MIN && completed.saturating_mul(1000) < all.saturating_mul(SUCCESS_PER_MILLE_MIN);
        bad.then(|| format!("{failed} of {all} handshakes failed since the last step"))
    }

    fn halt_and_revert(&mut self, why: &str, now: Timestamp) {
        self.rotation.turn_back(&format!("halted: {why}"), now);
        self.rotation.halted = Some(why.to_owned());
        self.stepped = true;
    }

    fn go(&mut self, to: Phase, now: Timestamp, note: &str) {
        self.rotation.go(to, now, note);
        self.stepped = true;
        self.waiting_for.clear();
        self.renew.clear();
    }

    fn wait(&mut self, name: &str, why: String, breaks: &str) {
        self.waiting_for.push(Straggler { name: name.to_owned(), why, breaks: breaks.to_owned() });
    }
}

fn presence(member: &Member) -> &'static str {
    if member.attached { "it is attached" } else { "it is not attached, and its identity may still count" }
}

/// The first few names, and how many more there are.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
