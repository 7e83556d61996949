//! The thread that joins engine, disk and machine: hears, has the disk keep what the engine says, then says and does the rest.

use crate::group::{AskError, GroupError, Running, Standing, Status};
use crate::limits::{BATCH_MAX, CHANGE_BYTES, TICK};
use crate::machine::Machine;
use crate::wire::Letter;
use bartizan_consensus::{
    Entry, Kept, Log, Member, Members, Message, NotTaken, Output, Position, Replica, Role, Settings, Vote,
};
use bartizan_crypto::random;
use bartizan_replica::{Change, Files, Found, Place};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

type Answer = oneshot::Sender<Result<Vec<u8>, AskError>>;

/// What the driver is asked or told.
#[derive(Debug)]
pub(crate) enum Ask {
    Change { change: Arc<[u8]>, term: Option<u64>, answer: Answer },
    Look { question: Vec<u8>, term: Option<u64>, answer: Answer },
    Heard { from: Member, letter: Letter },
}

/// The way to one of the others.
pub(crate) struct Post {
    pub(crate) letters: mpsc::Sender<Letter>,
    pub(crate) state_under_way: Arc<AtomicBool>,
}

pub(crate) struct Driver<M> {
    me: Member,
    replica: Replica,
    files: Files,
    machine: M,
    posts: BTreeMap<Member, Post>,
    status: watch::Sender<Status>,
    log_bytes: u64,
    vote: Vote,
    /// The state that stands for what the log has forgotten.
    state: Arc<[u8]>,
    applied: u64,
    /// Who waits for an entry, and the term it was added in.
    waiting: BTreeMap<u64, (u64, Answer)>,
    /// What is to be kept before anything is said or done.
    kept: Change,
    to_send: Vec<(Member, Message)>,
    disk_was_lost: bool,
    began_ms: u64,
}

impl<M: Machine> Driver<M> {
    pub(crate) fn new(
        members: Members,
        settings: Settings,
        (files, found): (Files, Found),
        machine: M,
        posts: BTreeMap<Member, Post>,
        status: watch::Sender<Status>,
        log_bytes: u64,
    ) -> Self {
        let Found { disk_was_lost, vote, base, state, entries } = found;
        let vote = Vote { term: vote.term, member: vote.member.map(Member) };
        let entries = entries.into_iter().map(|it| Entry { term: it.term, data: it.data }).collect();
        let log = Log::new(Position { term: base.term, index: base.index }, entries);
        let (me, applied) = (members.me(), base.index);
        let replica = Replica::new(members, settings, Kept { disk_was_lost, vote, log }, 0, random::u64());
        Self {
            me,
            replica,
            files,
            machine,
            posts,
            status,
            log_bytes,
            vote,
            state: state.into(),
            applied,
            waiting: BTreeMap::new(),
            kept: Change::default(),
            to_send: Vec::new(),
            disk_was_lost,
            began_ms: now_ms(),
        }
    }

    /// Runs on a thread of its own, since it waits for the disk.
    pub(crate) fn start(self, queue: mpsc::Receiver<Ask>, stop: CancellationToken) -> io::Result<Running> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (ended, end) = oneshot::channel();
        std::thread::Builder::new().name("bartizan-quorum".to_owned()).spawn(move || {
            // Nobody may wait for the end.
            let _ = ended.send(runtime.block_on(self.run(queue, stop)));
        })?;
        Ok(tokio::spawn(async move { end.await.unwrap_or(Ok(())) }))
    }

    async fn run(mut self, mut queue: mpsc::Receiver<Ask>, stop: CancellationToken) -> Result<(), GroupError> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => {
                    let out = self.replica.tick(self.now_ms(), random::u64());
                    self.take(out, &[].into())?;
                }
                count = queue.recv_many(&mut batch, BATCH_MAX) => {
                    if count == 0 {
                        return Ok(());
                    }
                }
            }
            let mut looks = Vec::new();
            for ask in batch.drain(..) {
                match ask {
                    Ask::Change { term, answer, .. } if self.is_other(term) => self.refuse(answer),
                    Ask::Change { change, answer, .. } => self.propose(change, answer)?,
                    Ask::Look { question, term, answer } => looks.push((question, term, answer)),
                    Ask::Heard { from, letter } => {
                        let out = self.replica.hear(self.now_ms(), random::u64(), from, letter.message);
                        self.take(out, &letter.state)?;
                    }
                }
            }
            self.settle()?;
            for (question, term, answer) in looks {
                if self.is_other(term) { self.refuse(answer) } else { self.look(&question, answer) }
            }
        }
    }

    fn now_ms(&self) -> u64 {
        now_ms().saturating_sub(self.began_ms)
    }

    /// Whether somebody means another term than this: what was true then need not be now.
    fn is_other(&self, term: Option<u64>) -> bool {
        term.is_some_and(|term| term != self.replica.term())
    }

    fn refuse(&self, answer: Answer) {
        // Whoever asked may have gone.
        let _ = answer.send(Err(AskError::NotLeading { leader: self.leader() }));
    }

    fn leader(&self) -> Option<Member> {
        match self.replica.role() {
            Role::Follower(leader) => leader,
            Role::Candidate | Role::Leader => None,
        }
    }

    fn propose(&mut self, change: Arc<[u8]>, answer: Answer) -> Result<(), GroupError> {
        match self.replica.propose(self.now_ms(), change) {
            Ok((at, out)) => {
                self.waiting.insert(at.index, (at.term, answer));
                self.take(out, &[].into())
            }
            Err(error) => {
                // Whoever asked may have gone.
                let _ = answer.send(Err(match error {
                    NotTaken::NotLeading { leader } => AskError::NotLeading { leader },
                    NotTaken::Full => AskError::Busy,
                    NotTaken::TooLong { .. } => AskError::TooLong,
                }));
                Ok(())
            }
        }
    }

    /// The lease is looked at after the answer is made: what counted then is in it.
    fn look(&self, question: &[u8], answer: Answer) {
        let said = self.machine.look(question);
        let may = self.replica.may_answer(self.now_ms()) && self.applied >= self.replica.commit();
        let _ = answer.send(if may { Ok(said) } else { Err(AskError::NotLeading { leader: self.leader() }) });
    }

    /// Adds a step's output to what is to be kept and said. `state` came along with what caused it.
    fn take(&mut self, out: Output, state: &Arc<[u8]>) -> Result<(), GroupError> {
        let Output { vote, install, cut, append, first, send, commit: _ } = out;
        self.vote = vote.unwrap_or(self.vote);
        if let Some(at) = install {
            self.keep()?;
            self.install(at, state)?;
        } else {
            // One change says where it cuts, and then what it adds; and it is not to be longer than what is read back.
            let bytes: usize = self.kept.append.iter().map(|entry| entry.data.len()).sum();
            if cut.is_some() || bytes > CHANGE_BYTES {
                self.keep()?;
            }
            self.kept.cut = cut.or(self.kept.cut);
            if self.kept.append.is_empty() {
                self.kept.first = first;
            }
            self.kept.append.extend(append.iter().map(kept));
            self.kept.vote = vote.map(of_vote).or(self.kept.vote);
        }
        self.to_send.extend(send);
        Ok(())
    }

    fn keep(&mut self) -> Result<(), GroupError> {
        let change = std::mem::take(&mut self.kept);
        Ok(self.files.keep(&change)?)
    }

    /// Puts the state of another member in the place of ours, on disk and in the machine.
    fn install(&mut self, at: Position, state: &Arc<[u8]>) -> Result<(), GroupError> {
        let failed = |why| GroupError::State { index: at.index, why };
        self.machine.load(state).map_err(failed)?;
        let place = Place { term: at.term, index: at.index };
        let behind: Vec<_> = self.behind(at.index);
        self.files.put_state(of_vote(self.vote), place, state, &behind)?;
        (self.state, self.applied) = (Arc::clone(state), at.index);
        tracing::info!(index = at.index, bytes = state.len(), "took the state of another member");
        Ok(())
    }

    fn behind(&self, index: u64) -> Vec<bartizan_replica::Entry> {
        (index + 1..).map_while(|index| self.replica.log().get(index)).map(kept).collect()
    }

    /// The disk first; then what was to be said, what counts, and who waits.
    fn settle(&mut self) -> Result<(), GroupError> {
        self.keep()?;
        if self.disk_was_lost && self.replica.is_whole() {
            self.files.is_whole()?; // behind what made it so
            self.disk_was_lost = false;
        }
        for (to, message) in std::mem::take(&mut self.to_send) {
            self.send(to, message);
        }
        self.apply();
        if self.replica.role() != Role::Leader {
            for (_, answer) in std::mem::take(&mut self.waiting).into_values() {
                let _ = answer.send(Err(AskError::Unsure));
            }
        }
        if self.files.bytes() > self.log_bytes && self.applied > self.replica.log().base().index {
            self.write_state_down()?;
        }
        self.tell();
        Ok(())
    }

    fn send(&self, to: Member, message: Message) {
        let Some(post) = self.posts.get(&to) else { return };
        let state: Arc<[u8]> = match message {
            Message::Install { .. } if post.state_under_way.swap(true, Relaxed) => return,
            Message::Install { .. } => Arc::clone(&self.state),
            _ => [].into(),
        };
        let has_state = matches!(message, Message::Install { .. });
        // What finds no room is lost like what a network loses.
        if post.letters.try_send(Letter { message, state }).is_err() && has_state {
            post.state_under_way.store(false, Relaxed);
        }
    }

    fn apply(&mut self) {
        while self.applied < self.replica.commit() {
            let index = self.applied + 1;
            let Some(entry) = self.replica.log().get(index) else { return };
            let (term, data) = (entry.term, Arc::clone(&entry.data));
            // The first entry of a leader says nothing.
            let said = if data.is_empty() { Vec::new() } else { self.machine.apply(index, &data) };
            self.applied = index;
            if let Some((asked, answer)) = self.waiting.remove(&index) {
                let _ = answer.send(if asked == term { Ok(said) } else { Err(AskError::Unsure) });
            }
        }
    }

    fn write_state_down(&mut self) -> Result<(), GroupError> {
        let state: Arc<[u8]> = self.machine.save().into();
        self.replica.forget(self.applied);
        let Position { term, index } = self.replica.log().base();
        let behind = self.behind(index);
        self.files.put_state(of_vote(self.vote), Place { term, index }, &state, &behind)?;
        self.state = state;
        Ok(())
    }

    fn tell(&self) {
        let standing = match self.replica.role() {
            Role::Follower(leader) => Standing::Follows(leader),
            Role::Candidate => Standing::Asks,
            Role::Leader => Standing::Leads,
        };
        let (term, others) = (self.replica.term(), self.replica.others(self.now_ms()));
        let new = Status { standing, term, applied: self.applied, others };
        self.status.send_if_modified(|old| {
            if old.standing != new.standing {
                tracing::info!(member = self.me.0, term, standing = ?new.standing, "this member stands otherwise");
            }
            let other = *old != new;
            *old = new;
            other
        });
    }
}

/// A clock that nobody sets, and that goes on while the machine sleeps: a leader that slept has no lease any more when it wakes.
fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000)
}

fn kept(entry: &Entry) -> bartizan_replica::Entry {
    bartizan_replica::Entry { term: entry.term, data: Arc::clone(&entry.data) }
}

fn of_vote(vote: Vote) -> bartizan_replica::Vote {
    bartizan_replica::Vote { term: vote.term, member: vote.member.map(|member| member.0) }
}
