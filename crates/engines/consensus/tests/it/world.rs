//! A few members, their disks, clocks and the network between them, all made up, and what has to be true of them at every moment.

use bartizan_consensus::{Kept, Log, Member, Members, Message, Output, Position, Replica, Role, Settings, Vote};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often each member looks at its clock, in milliseconds.
const TICK_MS: u64 = 10;

/// Numbers that look random and are the same for the same seed (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.throw() % end
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What is broken on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    Nothing,
    /// A crash loses who got the vote in which term.
    VotesAreForgotten,
    /// A crash loses entries that were said to be there.
    EntriesAreForgotten,
    /// Who lost its disk votes as if nothing had been on it.
    LostDisksVote,
    /// What starts anew has no idea that a leader may have been heard just before.
    NoPauseAfterStart,
}

/// What survives a crash.
#[derive(Clone, Debug, Default)]
struct Disk {
    vote: Vote,
    log: Log,
    /// What was applied up to the base of the log.
    state: Vec<u64>,
    /// It was made anew, and what was on it is not there yet.
    lost: bool,
}

struct One {
    disk: Disk,
    replica: Option<Replica>,
    /// What counted so far, as terms: what is applied is the entry's own number and term.
    applied: Vec<u64>,
    /// How its clock runs: per mille of the true one, and what it shows at the beginning.
    rate: u64,
    begin_ms: u64,
    back_at_ms: u64,
    tick_at_ms: u64,
}

struct Letter {
    from: Member,
    to: Member,
    message: Message,
    /// What goes along with `Install`.
    state: Vec<u64>,
}

pub struct World {
    pub dice: Dice,
    broken: Broken,
    settings: Settings,
    all: Vec<Member>,
    members: BTreeMap<Member, One>,
    network: BTreeMap<(u64, u64), Letter>,
    sent: u64,
    now_ms: u64,
    /// Who hears whom: members of one group do.
    group: BTreeMap<Member, u64>,
    calm: bool,
    /// What counts, as any member said first: it must never be otherwise.
    truth: Vec<u64>,
    leaders: BTreeMap<u64, Member>,
    /// Entries whose proposers wait: number, and the term they were added in.
    open: BTreeSet<(u64, u64)>,
    /// The newest entry of which somebody was told that it counts.
    pub told: u64,
    pub crashes: u64,
    pub installed: u64,
    pub disks: u64,
}

impl World {
    pub fn new(seed: u64, count: u8, settings: Settings, broken: Broken) -> Self {
        let mut dice = Dice(seed);
        let all: Vec<Member> = (0..count).map(Member).collect();
        let one = |dice: &mut Dice| One {
            disk: Disk::default(),
            replica: None,
            applied: Vec::new(),
            rate: 800 + dice.below(401), // a fifth too slow to a fifth too fast
            begin_ms: dice.below(1_000_000),
            back_at_ms: dice.below(100),
            tick_at_ms: 0,
        };
        let members = all.iter().map(|member| (*member, one(&mut dice))).collect();
        let group = all.iter().map(|member| (*member, 0)).collect();
        Self {
            dice,
            broken,
            settings,
            all,
            members,
            network: BTreeMap::new(),
            sent: 0,
            now_ms: 0,
            group,
            calm: false,
            truth: Vec::new(),
            leaders: BTreeMap::new(),
            open: BTreeSet::new(),
            told: 0,
            crashes: 0,
            installed: 0,
            disks: 0,
        }
    }

    /// Lets so much time go by, with whatever breaks meanwhile.
    pub fn live(&mut self, for_ms: u64) -> Result<(), String> {
        let end = self.now_ms + for_ms;
        while self.now_ms < end {
            self.now_ms += 1;
            self.start_those_that_are_due();
            if !self.calm {
                self.trouble();
            }
            self.deliver()?;
            self.tick()?;
            self.hold()?;
        }
        Ok(())
    }

    /// Nothing breaks any more, and everybody hears everybody.
    pub fn calm_down(&mut self) {
        self.calm = true;
        for (member, one) in &mut self.members {
            self.group.insert(*member, 0);
            one.back_at_ms = one.back_at_ms.min(self.now_ms);
        }
    }

    /// Everybody applied the same, as far as anybody did.
    pub fn all_agree(&self) -> Result<(), String> {
        for (member, one) in &self.members {
            if one.applied != self.truth {
                let (has, of) = (one.applied.len(), self.truth.len());
                return Err(format!("{member:?} applied {has} of {of} entries in peace"));
            }
        }
        Ok(())
    }

    fn trouble(&mut self) {
        if self.dice.once_in(700) {
            let groups = 1 + self.dice.below(3);
            for member in self.all.clone() {
                let group = self.dice.below(groups);
                self.group.insert(member, group);
            }
        }
        if self.dice.once_in(900) {
            let victim = self.all[self.dice.below(self.all.len() as u64) as usize];
            self.crash(victim);
        }
        // A disk is lost for good, of one at a time.
        if self.dice.once_in(4_000) && self.members.values().all(|one| !one.disk.lost && one.replica.is_some()) {
            let victim = self.all[self.dice.below(self.all.len() as u64) as usize];
            // One that is alone has nobody to tell it.
            if self.all.len() > 1 {
                self.disks += 1;
                self.crash(victim);
                let one = self.members.get_mut(&victim).unwrap();
                one.disk = Disk { lost: self.broken != Broken::LostDisksVote, ..Disk::default() };
                // Longer than any letter is on its way.
                one.back_at_ms = self.now_ms + 900;
            }
        }
        // The state is written down, and what was before is forgotten.
        if self.dice.once_in(300) {
            let member = self.all[self.dice.below(self.all.len() as u64) as usize];
            let one = self.members.get_mut(&member).unwrap();
            if let Some(replica) = &mut one.replica {
                replica.forget(one.applied.len() as u64);
                one.disk.log = replica.log().clone();
                one.disk.state = one.applied[..replica.log().base().index as usize].to_vec();
            }
        }
    }

    fn crash(&mut self, member: Member) {
        self.crashes += 1;
        let back = self.now_ms + 1 + self.dice.below(1_500);
        let begin_ms = self.dice.below(1_000_000);
        let lost = self.dice.below(4);
        let one = self.members.get_mut(&member).unwrap();
        one.replica = None;
        (one.back_at_ms, one.begin_ms) = (back, begin_ms);
        match self.broken {
            Broken::VotesAreForgotten => one.disk.vote = Vote::default(),
            Broken::EntriesAreForgotten => {
                let (base, last) = (one.disk.log.base(), one.disk.log.last().index);
                let keep = last.saturating_sub(lost).max(base.index);
                let entries = (base.index + 1..=keep).map(|it| one.disk.log.get(it).unwrap().clone()).collect();
                one.disk.log = Log::new(base, entries);
            }
            Broken::Nothing | Broken::NoPauseAfterStart | Broken::LostDisksVote => {}
        }
    }

    fn start_those_that_are_due(&mut self) {
        for (member, one) in &mut self.members {
            if one.replica.is_none() && one.back_at_ms <= self.now_ms {
                let (vote, log) = (one.disk.vote, one.disk.log.clone());
                let kept = Kept { disk_was_lost: one.disk.lost, vote, log };
                let members = Members::new(*member, &self.all).unwrap();
                let mut now = clock(one.begin_ms, one.rate, self.now_ms);
                if matches!(self.broken, Broken::NoPauseAfterStart | Broken::VotesAreForgotten) {
                    now = now.saturating_sub(2 * self.settings.election_ms());
                }
                one.replica = Some(Replica::new(members, self.settings, kept, now, self.dice.throw()));
                one.applied.clone_from(&one.disk.state);
            }
        }
    }

    fn deliver(&mut self) -> Result<(), String> {
        while let Some((&(at, number), _)) = self.network.first_key_value()
            && at <= self.now_ms
        {
            let Letter { from, to, message, state } = self.network.remove(&(at, number)).unwrap();
            if self.group[&from] != self.group[&to] {
                continue;
            }
            let random = self.dice.throw();
            let one = self.members.get_mut(&to).unwrap();
            let now = clock(one.begin_ms, one.rate, self.now_ms);
            let Some(replica) = &mut one.replica else { continue };
            let out = replica.hear(now, random, from, message);
            self.act(to, out, state)?;
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), String> {
        for member in self.all.clone() {
            let random = self.dice.throw();
            let proposes = self.dice.once_in(3);
            let one = self.members.get_mut(&member).unwrap();
            if one.tick_at_ms > self.now_ms {
                continue;
            }
            one.tick_at_ms = self.now_ms + TICK_MS;
            let now = clock(one.begin_ms, one.rate, self.now_ms);
            let Some(replica) = &mut one.replica else { continue };
            let out = replica.tick(now, random);
            self.act(member, out, Vec::new())?;
            let one = self.members.get_mut(&member).unwrap();
            let Some(replica) = one.replica.as_mut().filter(|_| proposes) else { continue };
            if let Ok((Position { term, index }, out)) = replica.propose(now, Arc::from(random.to_le_bytes())) {
                self.open.insert((index, term));
                self.act(member, out, Vec::new())?;
            }
        }
        Ok(())
    }

    /// Does what a step asks for, in its order, and may crash anywhere in between.
    fn act(&mut self, member: Member, out: Output, state: Vec<u64>) -> Result<(), String> {
        let (now_ms, trouble) = (self.now_ms, !self.calm);
        if trouble && self.dice.once_in(3_000) {
            self.crash(member); // before the disk had anything of it
            return Ok(());
        }
        let one = self.members.get_mut(&member).unwrap();
        one.disk.vote = out.vote.unwrap_or(one.disk.vote);
        one.disk.lost &= one.replica.as_ref().is_some_and(|replica| !replica.is_whole());
        if let Some(at) = out.install {
            if state.len() as u64 != at.index {
                return Err(format!("{member:?} is to install {at:?} and was sent {}", state.len()));
            }
            let behind = match out.cut {
                Some(_) => Vec::new(),
                None => (at.index + 1..).map_while(|index| one.disk.log.get(index).cloned()).collect(),
            };
            one.disk.log = Log::new(at, behind);
            (one.disk.state, one.applied) = (state.clone(), state);
            self.installed += 1;
        }
        let base = one.disk.log.base();
        let kept = out.cut.unwrap_or(u64::MAX).min(out.first.max(1));
        if !out.append.is_empty() || (out.cut.is_some() && out.install.is_none()) {
            let upto = if out.append.is_empty() { out.cut.unwrap() } else { kept };
            let mut entries: Vec<_> =
                (base.index + 1..upto).map_while(|index| one.disk.log.get(index).cloned()).collect();
            if base.index + entries.len() as u64 + 1 != upto && !out.append.is_empty() {
                return Err(format!("{member:?} would leave a gap before {upto}"));
            }
            entries.extend(out.append.iter().cloned());
            one.disk.log = Log::new(base, entries);
        }
        let replica = one.replica.as_ref().unwrap();
        if one.disk.log != *replica.log() {
            return Err(format!("{member:?}: what was told to be kept is not what it has, after {out:?}"));
        }
        // Applied, and compared with what others applied.
        while (one.applied.len() as u64) < out.commit {
            let index = one.applied.len() as u64 + 1;
            let term = replica.log().term(index).ok_or_else(|| format!("{index} counts and is not there"))?;
            one.applied.push(term);
        }
        let (role, term, commit) = (replica.role(), replica.term(), out.commit);
        let applied = one.applied.clone();
        self.compare(member, &applied)?;
        if role == Role::Leader {
            let first = *self.leaders.entry(term).or_insert(member);
            if first != member {
                return Err(format!("{first:?} and {member:?} both lead in term {term}"));
            }
            // Those who wait at this leader are told.
            let told: Vec<_> =
                self.open.iter().copied().filter(|(index, of)| *of == term && *index <= commit).collect();
            for it in told {
                self.open.remove(&it);
                self.told = self.told.max(it.0);
            }
        }
        if trouble && self.dice.once_in(3_000) {
            self.crash(member); // before anything was sent
            return Ok(());
        }
        let state = self.members[&member].disk.state.clone();
        for (to, message) in out.send {
            let state = if matches!(message, Message::Install { .. }) { state.clone() } else { Vec::new() };
            self.post(member, to, message, state, now_ms);
        }
        Ok(())
    }

    fn post(&mut self, from: Member, to: Member, message: Message, state: Vec<u64>, now_ms: u64) {
        let copies = match self.dice.below(20) {
            0 if !self.calm => 0,
            1 if !self.calm => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let late = if !self.calm && self.dice.once_in(30) { 800 } else { 20 };
            let at = now_ms + 1 + self.dice.below(late);
            self.sent += 1;
            let letter = Letter { from, to, message: message.clone(), state: state.clone() };
            self.network.insert((at, self.sent), letter);
        }
    }

    fn compare(&mut self, member: Member, applied: &[u64]) -> Result<(), String> {
        let both = applied.len().min(self.truth.len());
        if applied[..both] != self.truth[..both] {
            return Err(format!("{member:?} applied what others did not"));
        }
        self.truth.extend(&applied[both..]);
        Ok(())
    }

    /// At most one may answer, and that one knows everything of which anybody was told that it counts.
    fn hold(&self) -> Result<(), String> {
        let may = self.members.iter().filter_map(|(member, one)| {
            let replica = one.replica.as_ref()?;
            let now = clock(one.begin_ms, one.rate, self.now_ms);
            replica.may_answer(now).then_some((member, replica.commit()))
        });
        let may: Vec<_> = may.collect();
        match may[..] {
            [] => Ok(()),
            [(_, commit)] if commit >= self.told => Ok(()),
            [(member, commit)] => Err(format!("{member:?} answers, knows {commit} and not {}", self.told)),
            _ => Err(format!("{may:?} answer at the same moment")),
        }
    }

    pub fn leader(&self) -> Option<Member> {
        let leads = |(member, one): (&Member, &One)| {
            (one.replica.as_ref()?.may_answer(clock(one.begin_ms, one.rate, self.now_ms))).then_some(*member)
        };
        self.members.iter().find_map(leads)
    }

    /// Nobody hears `member` any more, and it hears nobody.
    pub fn cut_off(&mut self, member: Member) {
        self.group.insert(member, 9);
    }

    /// `member` dies, and is there again in a moment.
    pub fn start_anew(&mut self, member: Member) {
        self.crash(member);
        self.members.get_mut(&member).unwrap().back_at_ms = self.now_ms + 1;
    }

    pub fn others(&self, than: Member) -> Vec<Member> {
        self.all.iter().copied().filter(|member| *member != than).collect()
    }

    /// `member` may answer now.
    pub fn may_answer(&self, member: Member) -> bool {
        let one = &self.members[&member];
        let now = clock(one.begin_ms, one.rate, self.now_ms);
        one.replica.as_ref().is_some_and(|replica| replica.may_answer(now))
    }

    pub fn term(&self, member: Member) -> u64 {
        self.members[&member].replica.as_ref().map_or(0, Replica::term)
    }

    /// Everybody hears everybody again.
    pub fn join_up(&mut self) {
        self.group.values_mut().for_each(|group| *group = 0);
    }
}

/// What a member's own clock shows.
fn clock(begin_ms: u64, rate: u64, true_ms: u64) -> u64 {
    begin_ms + true_ms * rate / 1_000
}
