//! One member: what it remembers, hears, says and decides.

use crate::leading::{Leading, Progress};
use crate::limits::{ENTRY_BYTES_MAX, OPEN_ENTRIES_MAX};
use crate::log::Log;
use crate::types::{Entry, Member, Members, Message, NotTaken, Output, Position, Settings, Vote};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a member finds on its disk when it starts; nothing at its first start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The disk was lost: what this member promised before is not known to it. It gives no vote and asks for none until a leader
    /// has brought it up to what counts. Never so for all members at their first start.
    pub disk_was_lost: bool,
    /// The newest [`Output::vote`].
    pub vote: Vote,
    /// The entries, behind the place of the state that is kept with them.
    pub log: Log,
}

/// One of the others, as a leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherMember {
    /// Which.
    pub member: Member,
    /// How many entries it lacks.
    pub behind: u64,
    /// Whether it has not answered for twice the time after which a follower without a leader asks for votes.
    pub is_away: bool,
}

/// What a member is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It follows that one, where it heard of one.
    Follower(Option<Member>),
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
}

#[derive(Clone, Debug)]
enum State {
    Follower {
        leader: Option<Member>,
    },
    /// Asks whether it would get votes; `yes` has who would.
    Asking {
        yes: BTreeSet<Member>,
    },
    /// Asks for votes.
    Candidate {
        yes: BTreeSet<Member>,
    },
    Leader(Leading),
}

/// One member. Every step takes the time by a clock that is never set, in milliseconds, and something random.
#[derive(Clone, Debug)]
pub struct Replica {
    members: Members,
    settings: Settings,
    vote: Vote,
    log: Log,
    commit: u64,
    state: State,
    /// When a leader was heard, or when we started: it may have been heard just before.
    heard_ms: u64,
    /// When we ask for votes, where no leader is heard.
    due_ms: u64,
    /// Until when we cannot be whole again, where our disk was lost: what we said before may be on its way still.
    lost_until_ms: Option<u64>,
}

impl Replica {
    /// Starts with what is on disk.
    pub fn new(members: Members, settings: Settings, kept: Kept, now_ms: u64, random: u64) -> Self {
        let Kept { disk_was_lost, vote, log } = kept;
        let lost_until_ms = disk_was_lost.then(|| now_ms.saturating_add(settings.election_ms()));
        let (commit, state) = (log.base().index, State::Follower { leader: None });
        let mut it =
            Self { members, settings, vote, log, commit, state, heard_ms: now_ms, due_ms: now_ms, lost_until_ms };
        it.wait_again(now_ms, random);
        it
    }

    /// What it is.
    pub fn role(&self) -> Role {
        match &self.state {
            State::Follower { leader } => Role::Follower(*leader),
            State::Asking { .. } | State::Candidate { .. } => Role::Candidate,
            State::Leader(_) => Role::Leader,
        }
    }

    /// The newest term that it heard of.
    pub fn term(&self) -> u64 {
        self.vote.term
    }

    /// Its log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Up to where the log counts, as far as it knows.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Whether it knows all that it ever promised: so after a disk that was lost, once a leader has told it everything again.
    pub fn is_whole(&self) -> bool {
        self.lost_until_ms.is_none()
    }

    /// How each of the others stands; nothing where it does not lead.
    pub fn others(&self, now_ms: u64) -> Vec<OtherMember> {
        let State::Leader(leading) = &self.state else { return Vec::new() };
        let (last, patience) = (self.log.last().index, 2 * self.settings.election_ms());
        let other = |(member, it): (&Member, &Progress)| {
            let heard = it.answered_ms.unwrap_or(leading.since_ms);
            let is_away = now_ms >= heard.saturating_add(patience);
            OtherMember { member: *member, behind: last.saturating_sub(it.matched), is_away }
        };
        leading.all.iter().map(other).collect()
    }

    /// Whether it leads, everything that counted before it led is known to it to count, and nobody else can have become leader
    /// by now. To be asked right before an answer leaves.
    pub fn may_answer(&self, now_ms: u64) -> bool {
        let State::Leader(leading) = &self.state else { return false };
        let answered = leading.answered_by_majority_ms(&self.members, now_ms);
        self.commit >= leading.first && answered.is_some_and(|at| now_ms < at.saturating_add(self.settings.lease_ms()))
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: u64, random: u64) -> Output {
        let mut out = self.begin();
        match &self.state {
            State::Leader(leading) => {
                let heard = leading.answered_by_majority_ms(&self.members, now_ms).unwrap_or(leading.since_ms);
                if now_ms >= heard.saturating_add(2 * self.settings.election_ms()) {
                    // Whoever waits for an answer is to hear that there will be none, and others are not kept from voting.
                    self.follow(None, now_ms, random);
                } else if now_ms >= leading.beat_ms {
                    self.say_to_all(now_ms, &mut out);
                }
            }
            _ if now_ms >= self.due_ms && self.is_whole() => self.ask_first(now_ms, random, &mut out),
            _ => {}
        }
        self.end(out)
    }

    /// Adds an entry, where this one leads. Where it counts is told by [`Output::commit`], and by nothing else: an entry of a
    /// leader that is none any more may count or not.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn propose(&mut self, now_ms: u64, data: Arc<[u8]>) -> Result<(Position, Output), NotTaken> {
        match &self.state {
            State::Leader(_) => {}
            State::Follower { leader } => return Err(NotTaken::NotLeading { leader: *leader }),
            State::Asking { .. } | State::Candidate { .. } => return Err(NotTaken::NotLeading { leader: None }),
        }
        if data.len() > ENTRY_BYTES_MAX {
            return Err(NotTaken::TooLong { bytes: data.len() });
        }
        if self.log.last().index - self.commit >= OPEN_ENTRIES_MAX {
            return Err(NotTaken::Full);
        }
        let mut out = self.begin();
        self.add(data, &mut out);
        self.say_to_idle(now_ms, &mut out);
        self.count();
        let at = self.log.last();
        Ok((at, self.end(out)))
    }

    /// The state up to `index` is on disk: what is before is not needed any more. Beyond what counts nothing is forgotten.
    pub fn forget(&mut self, index: u64) {
        let index = index.min(self.commit);
        if let Some(term) = self.log.term(index).filter(|_| index > self.log.base().index) {
            self.log.forget(Position { term, index });
        }
    }

    /// Another member said something. `from` is who it proved to be; strangers are not heard.
    pub fn hear(&mut self, now_ms: u64, random: u64, from: Member, message: Message) -> Output {
        let mut out = self.begin();
        if self.members.others().contains(&from) && message.is_sane() {
            self.hear_member(now_ms, random, from, message, &mut out);
        }
        self.end(out)
    }

    fn hear_member(&mut self, now_ms: u64, random: u64, from: Member, message: Message, out: &mut Output) {
        match message {
            Message::AskFirst { term, last } => {
                let may = self.is_whole() && !self.hears_leader(now_ms);
                let yes = term > self.vote.term && may && last >= self.log.last();
                let term = if yes { term } else { self.vote.term };
                out.send.push((from, Message::Would { term, yes }));
            }
            Message::Would { term, yes } => {
                if !yes {
                    self.hear_term(term, now_ms, random, out);
                } else if let State::Asking { yes } = &mut self.state
                    && term == self.vote.term + 1
                {
                    yes.insert(from);
                    if yes.len() + 1 >= self.members.majority() {
                        self.ask(now_ms, random, out);
                    }
                }
            }
            Message::Ask { term, last } => {
                // Who hears a leader does not even take the term up: that would end the leader's.
                if term > self.vote.term && !self.hears_leader(now_ms) {
                    self.hear_term(term, now_ms, random, out);
                }
                let free = self.vote.member.is_none_or(|member| member == from);
                let may = self.is_whole() && !self.hears_leader(now_ms);
                let yes = term == self.vote.term && free && may && last >= self.log.last();
                if yes {
                    self.keep_vote(Vote { term, member: Some(from) }, out);
                    self.wait_again(now_ms, random);
                }
                out.send.push((from, Message::Voted { term: self.vote.term, yes }));
            }
            Message::Voted { term, yes } => {
                self.hear_term(term, now_ms, random, out);
                if let State::Candidate { yes: got } = &mut self.state
                    && term == self.vote.term
                    && yes
                {
                    got.insert(from);
                    if got.len() + 1 >= self.members.majority() {
                        self.lead(now_ms, out);
                    }
                }
            }
            Message::Append { term, after, entries, commit, sent_ms } => {
                if self.hear_leader(from, term, now_ms, random, out) {
                    let (upto, fits) = self.take(after, entries, commit, out);
                    // All that ever counted is in it where the last of it is the leader's own: before that a leader itself does not
                    // know how much of what it has counts.
                    let all = fits && upto >= commit && self.log.term(commit) == Some(term);
                    if all && self.lost_until_ms.is_some_and(|until| now_ms >= until) {
                        self.lost_until_ms = None;
                    }
                    out.send.push((from, Message::Took { term, upto, fits, sent_ms }));
                } else {
                    self.refuse_leader(from, sent_ms, out);
                }
            }
            Message::Install { term, at, sent_ms } => {
                if self.hear_leader(from, term, now_ms, random, out) {
                    self.install(at, out);
                    out.send.push((from, Message::Took { term, upto: self.commit, fits: true, sent_ms }));
                } else {
                    self.refuse_leader(from, sent_ms, out);
                }
            }
            Message::Took { term, upto, fits, sent_ms } => {
                self.hear_term(term, now_ms, random, out);
                if term == self.vote.term {
                    self.took(from, upto, fits, sent_ms, now_ms, out);
                }
            }
        }
    }

    /// A leader of an older term learns that it is one.
    fn refuse_leader(&self, from: Member, sent_ms: u64, out: &mut Output) {
        out.send.push((from, Message::Took { term: self.vote.term, upto: 0, fits: false, sent_ms }));
    }

    /// Whether there is a leader whose lease may count still: nobody gets a vote then.
    fn hears_leader(&self, now_ms: u64) -> bool {
        matches!(self.state, State::Leader(_)) || now_ms < self.heard_ms.saturating_add(self.settings.election_ms())
    }

    /// A later term ends whatever was in the one before.
    fn hear_term(&mut self, term: u64, now_ms: u64, random: u64, out: &mut Output) {
        if term > self.vote.term {
            self.keep_vote(Vote { term, member: None }, out);
            self.follow(None, now_ms, random);
        }
    }

    /// False where another one leads by now.
    fn hear_leader(&mut self, from: Member, term: u64, now_ms: u64, random: u64, out: &mut Output) -> bool {
        if term < self.vote.term {
            return false;
        }
        self.hear_term(term, now_ms, random, out);
        self.follow(Some(from), now_ms, random);
        self.heard_ms = now_ms;
        true
    }

    fn follow(&mut self, leader: Option<Member>, now_ms: u64, random: u64) {
        self.state = State::Follower { leader };
        self.wait_again(now_ms, random);
    }

    /// At another moment for each, so that one asks before the others do.
    fn wait_again(&mut self, now_ms: u64, random: u64) {
        let election_ms = self.settings.election_ms();
        self.due_ms = now_ms.saturating_add(election_ms).saturating_add(random % election_ms.max(1));
    }

    fn keep_vote(&mut self, vote: Vote, out: &mut Output) {
        self.vote = vote;
        out.vote = Some(vote);
    }

    fn ask_first(&mut self, now_ms: u64, random: u64, out: &mut Output) {
        self.wait_again(now_ms, random);
        if self.members.others().is_empty() {
            return self.ask(now_ms, random, out);
        }
        self.state = State::Asking { yes: BTreeSet::new() };
        let (term, last) = (self.vote.term + 1, self.log.last());
        self.say(out, |_| Message::AskFirst { term, last });
    }

    fn ask(&mut self, now_ms: u64, random: u64, out: &mut Output) {
        let (term, me) = (self.vote.term + 1, self.members.me());
        self.keep_vote(Vote { term, member: Some(me) }, out);
        self.wait_again(now_ms, random);
        if self.members.others().is_empty() {
            return self.lead(now_ms, out);
        }
        self.state = State::Candidate { yes: BTreeSet::new() };
        let last = self.log.last();
        self.say(out, |_| Message::Ask { term, last });
    }

    fn say(&self, out: &mut Output, what: impl Fn(Member) -> Message) {
        out.send.extend(self.members.others().iter().map(|member| (*member, what(*member))));
    }

    fn lead(&mut self, now_ms: u64, out: &mut Output) {
        let first = self.log.last().index + 1;
        self.state = State::Leader(Leading::new(&self.members, first, now_ms));
        // What leaders before added counts only together with an entry of this one (the paper's figure 8).
        self.add(Arc::from([]), out);
        self.say_to_all(now_ms, out);
        self.count();
    }

    fn add(&mut self, data: Arc<[u8]>, out: &mut Output) {
        let entry = Entry { term: self.vote.term, data };
        self.log.push(entry.clone());
        if out.append.is_empty() {
            out.first = self.log.last().index;
        }
        out.append.push(entry);
    }

    /// Says to everybody what is new to them, or that we are there.
    fn say_to_all(&mut self, now_ms: u64, out: &mut Output) {
        let beat_ms = now_ms.saturating_add(self.settings.heartbeat_ms());
        if let State::Leader(leading) = &mut self.state {
            leading.beat_ms = beat_ms;
        }
        for member in self.members.others().to_vec() {
            self.say_to(member, now_ms, out);
        }
    }

    /// Says what is new to those who answered what they were told before.
    fn say_to_idle(&mut self, now_ms: u64, out: &mut Output) {
        for member in self.members.others().to_vec() {
            let State::Leader(leading) = &self.state else { return };
            if leading.all.get(&member).is_some_and(|it| !it.waiting) {
                self.say_to(member, now_ms, out);
            }
        }
    }

    fn say_to(&mut self, member: Member, now_ms: u64, out: &mut Output) {
        let State::Leader(leading) = &mut self.state else { return };
        let Some(progress) = leading.all.get_mut(&member) else { return };
        let (term, sent_ms, before) = (self.vote.term, now_ms, progress.next.saturating_sub(1));
        let message = match (self.log.term(before), self.log.some_from(progress.next)) {
            (Some(after_term), Some(entries)) => {
                let after = Position { term: after_term, index: before };
                Message::Append { term, after, entries, commit: self.commit, sent_ms }
            }
            _ => Message::Install { term, at: self.log.base(), sent_ms },
        };
        progress.waiting = true;
        out.send.push((member, message));
    }

    /// What a leader sent is put behind `after`. How far our log is the leader's then; or how far it may be, where there is no
    /// `after`.
    fn take(&mut self, after: Position, entries: Vec<Entry>, commit: u64, out: &mut Output) -> (u64, bool) {
        let upto = after.index + entries.len() as u64;
        // What counts is the same everywhere, so what is gone of it fits.
        if after.index >= self.log.base().index && self.log.term(after.index) != Some(after.term) {
            let known = after.index.min(self.log.last().index + 1);
            return (self.log.first_of_term(known).saturating_sub(1).max(self.commit), false);
        }
        for (index, entry) in (after.index + 1..).zip(entries) {
            match self.log.term(index) {
                _ if index <= self.log.base().index => continue,
                Some(term) if term == entry.term => continue,
                Some(_) => {
                    self.log.cut(index);
                    out.cut = Some(index);
                }
                None => {}
            }
            self.log.push(entry.clone());
            if out.append.is_empty() {
                out.first = index;
            }
            out.append.push(entry);
        }
        // Not beyond what was compared: our own log may go on otherwise than the leader's.
        self.commit = self.commit.max(commit.min(upto));
        (upto.max(self.commit), true)
    }

    fn install(&mut self, at: Position, out: &mut Output) {
        if at.index <= self.commit {
            return; // it came late
        }
        if self.log.term(at.index) == Some(at.term) {
            self.log.forget(at); // what is behind it stays
        } else {
            self.log = Log::new(at, Vec::new());
            out.cut = Some(at.index + 1);
        }
        self.commit = at.index;
        out.install = Some(at);
    }

    fn took(&mut self, from: Member, upto: u64, fits: bool, sent_ms: u64, now_ms: u64, out: &mut Output) {
        let last = self.log.last().index;
        let State::Leader(leading) = &mut self.state else { return };
        let Some(progress) = leading.all.get_mut(&from) else { return };
        progress.answered_ms = progress.answered_ms.max(Some(sent_ms));
        let Progress { matched, next, waiting, .. } = progress;
        *waiting = false;
        if fits {
            *matched = (*matched).max(upto.min(last));
            *next = (*next).max(*matched + 1);
        } else {
            // Always back by one at least. What was known to fit may be gone with its disk; where this only came late, it is found
            // out again.
            *next = (upto + 1).min(next.saturating_sub(1)).max(1);
            *matched = (*matched).min(*next - 1);
        }
        let more = *next <= last || !fits;
        let counted = self.commit;
        self.count();
        if self.commit > counted {
            self.say_to_idle(now_ms, out); // what counts now can be applied everywhere
        } else if more {
            self.say_to(from, now_ms, out);
        }
    }

    /// What a majority has counts, where a leader's own entry is the last of it.
    fn count(&mut self) {
        let State::Leader(leading) = &self.state else { return };
        let held = leading.held_by_majority(&self.members, self.log.last().index);
        if held >= leading.first {
            self.commit = self.commit.max(held);
        }
    }

    fn begin(&self) -> Output {
        Output::default()
    }

    fn end(&self, mut out: Output) -> Output {
        out.commit = self.commit;
        out
    }
}
