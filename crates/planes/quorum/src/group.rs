//! What callers see.

use crate::dial::Peer;
use crate::door::Door;
use crate::driver::{Ask, Driver, Post};
use crate::limits::{ELECTION, HEARTBEAT, LEASE, LETTERS_MAX, LOG_BYTES, QUEUE_MAX};
use crate::machine::Machine;
use crate::wire::{ALPN, Hello};
use arc_swap::ArcSwap;
use bartizan_consensus::{Member, Members, MembersError, OtherMember, Settings};
use bartizan_replica::{Files, ReplicaError};
use bartizan_runtime::tls::{self, ClientAuth, Identity, TlsError};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a member is started with.
pub struct Options {
    /// The group's name, the same for all.
    pub name: String,
    /// Which member this is.
    pub me: Member,
    /// All members, this one among them, with the addresses at which they listen to each other.
    pub members: BTreeMap<Member, SocketAddr>,
    /// A folder of this member's own.
    pub dir: PathBuf,
    /// Whether an empty folder is right, since no member has ever run. Else it is one that was lost, and the member votes for nobody
    /// until the others have told it everything.
    pub founding: bool,
    /// Both ends of TLS; a renewed identity is put in its place.
    pub ends: Arc<ArcSwap<Ends>>,
    /// Who is a member.
    pub judge: tls::Judge<()>,
    /// Size of the log in bytes from which on the state is written down; [`LOG_BYTES`] where `None`.
    pub log_bytes: Option<u64>,
}

/// What members show each other.
#[derive(Clone)]
pub struct Ends {
    pub(crate) client: tls::Client,
    pub(crate) server: tls::Server,
}

impl Ends {
    /// Both ends with this identity; nobody comes in without one.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(identity: &Identity) -> Result<Self, TlsError> {
        let client = tls::Client::new(Some(identity), ALPN)?;
        Ok(Self { client, server: tls::Server::new(identity, ClientAuth::Required, ALPN)? })
    }
}

/// Why a member did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Correct the list.
    #[error("the list of members cannot be used")]
    Members(#[from] MembersError),
    /// The disk, or what lies on it.
    #[error(transparent)]
    Disk(#[from] ReplicaError),
    /// The machine does not take the state that was kept or sent.
    #[error("the state up to entry {index} is none: {why}")]
    State {
        /// Up to where it goes.
        index: u64,
        /// What the machine said.
        why: String,
    },
    /// The system gives no thread.
    #[error("the member has no thread to run on")]
    Thread(#[source] std::io::Error),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nothing was done. Ask that one, where one is known; else again in a moment.
    #[error("another member leads")]
    NotLeading {
        /// Who does.
        leader: Option<Member>,
    },
    /// It lost the lead on the way: the change may be made by whoever leads now, or never. Look there before asking again.
    #[error("the lead was lost before a majority had the change; it may count or not")]
    Unsure,
    /// Nothing was done. Ask again later.
    #[error("too many changes wait for a majority")]
    Busy,
    /// Nothing was done, and it never will be.
    #[error("the change is too long")]
    TooLong,
    /// Nothing was done: a change without a byte is what the engine itself writes.
    #[error("the change is empty")]
    Empty,
    /// The member has ended.
    #[error("this member has ended")]
    Ended,
}

/// How a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It follows that one, where it heard of one.
    Follows(Option<Member>),
    /// It asks for votes.
    Asks,
    /// It leads.
    Leads,
}

/// The same with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How it stands.
    pub standing: Standing,
    /// The term.
    pub term: u64,
    /// The last change that it made.
    pub applied: u64,
    /// How each of the others stands, as a leader knows it.
    pub others: Vec<OtherMember>,
}

/// A member that runs. Clones share it.
#[derive(Clone, Debug)]
pub struct Group {
    asks: mpsc::Sender<Ask>,
    status: watch::Receiver<Status>,
}

/// Its end: to be waited for, and why it came.
pub type Running = JoinHandle<Result<(), GroupError>>;

impl Group {
    /// Starts a member on `listener`, until `stop` fires or it has to end. Needs a tokio runtime; takes a thread.
    ///
    /// # Errors
    /// [`GroupError`].
    pub async fn start(
        options: Options,
        listener: TcpListener,
        mut machine: impl Machine,
        stop: CancellationToken,
    ) -> Result<(Self, Running), GroupError> {
        let Options { name, me, members: places, dir, founding, ends, judge, log_bytes } = options;
        let all: Vec<Member> = places.keys().copied().collect();
        let members = Members::new(me, &all)?;
        let opening = tokio::task::spawn_blocking(move || Files::open(&dir, founding));
        let (files, found) = opening.await.expect("opening files does not panic, and nothing aborts the task")?;
        if found.base.index > 0 {
            let index = found.base.index;
            machine.load(&found.state).map_err(|why| GroupError::State { index, why })?;
        }
        let (asks, queue) = mpsc::channel(QUEUE_MAX);
        let mut posts = BTreeMap::new();
        for to in members.others() {
            let (letters, waiting) = mpsc::channel(LETTERS_MAX);
            let (hello, addr) = (Hello { group: name.clone(), from: me, to: *to }, places[to]);
            let post = Post { letters, state_under_way: Arc::default() };
            let state_under_way = Arc::clone(&post.state_under_way);
            let peer = Peer { addr, hello, ends: Arc::clone(&ends), judge: Arc::clone(&judge), state_under_way };
            tokio::spawn(peer.keep(waiting));
            posts.insert(*to, post);
        }
        let door = Door { group: name.into(), members: members.clone(), ends, judge, asks: asks.clone() };
        tokio::spawn(door.serve(listener, stop.clone()));
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let settings =
            Settings::new(millis(HEARTBEAT), millis(ELECTION), millis(LEASE)).expect("the limits fit together");
        let (told, status) = watch::channel(Status {
            standing: Standing::Follows(None),
            term: found.vote.term,
            applied: found.base.index,
            others: Vec::new(),
        });
        let driver =
            Driver::new(members, settings, (files, found), machine, posts, told, log_bytes.unwrap_or(LOG_BYTES));
        let running = driver.start(queue, stop).map_err(GroupError::Thread)?;
        Ok((Self { asks, status }, running))
    }

    /// Makes a change, which is not empty: a majority has it on disk, and this member has made it, when this returns well. Dropping the future
    /// does not undo it.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn change(&self, change: impl Into<Arc<[u8]>>) -> Result<Vec<u8>, AskError> {
        self.change_in(None, change).await
    }

    /// As [`Group::change`], only while the term is this one: whoever works on what it knew in that term undoes nothing of a later one.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn change_in(
        &self,
        term: impl Into<Option<u64>>,
        change: impl Into<Arc<[u8]>>,
    ) -> Result<Vec<u8>, AskError> {
        let (term, change): (_, Arc<[u8]>) = (term.into(), change.into());
        if change.is_empty() {
            return Err(AskError::Empty);
        }
        self.ask(|answer| Ask::Change { change, term, answer }).await
    }

    /// Asks the machine. The answer knows every change that anybody was told of before this was called.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn look(&self, question: impl Into<Vec<u8>>) -> Result<Vec<u8>, AskError> {
        self.look_in(None, question).await
    }

    /// As [`Group::look`], only while the term is this one.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn look_in(
        &self,
        term: impl Into<Option<u64>>,
        question: impl Into<Vec<u8>>,
    ) -> Result<Vec<u8>, AskError> {
        let (term, question) = (term.into(), question.into());
        self.ask(|answer| Ask::Look { question, term, answer }).await
    }

    /// How it stood a moment ago.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The same, to be waited for.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    async fn ask(
        &self,
        ask: impl FnOnce(oneshot::Sender<Result<Vec<u8>, AskError>>) -> Ask,
    ) -> Result<Vec<u8>, AskError> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(ask(answer)).await.map_err(|_| AskError::Ended)?;
        answered.await.map_err(|_| AskError::Ended)?
    }
}
