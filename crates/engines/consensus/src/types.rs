//! The words: members, positions, entries, messages, and what a step asks its caller for.

use crate::limits::{ENTRY_BYTES_MAX, MEMBERS_MAX, NUMBER_MAX, OPEN_ENTRIES_MAX};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One of the processes, by its number in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member(pub u8);

/// Why a list of members is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// An even number bears no more failures than the odd one below, and is more often undecided.
    #[error("{count} members cannot decide well; take 1, 3, 5 or 7")]
    Count {
        /// How many were given.
        count: usize,
    },
    /// Two have one number.
    #[error("member {number} is listed twice; give each a number of its own")]
    Twice {
        /// Which.
        number: u8,
    },
    /// The process is not among them.
    #[error("member {number} is not in the list; add it, or take another number")]
    Absent {
        /// Which.
        number: u8,
    },
}

/// All members, as one of them sees it. A value has passed [`Members::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    me: Member,
    others: Vec<Member>,
}

impl Members {
    /// Checks the list.
    ///
    /// # Errors
    /// [`MembersError`].
    pub fn new(me: Member, all: &[Member]) -> Result<Self, MembersError> {
        let count = all.len();
        if count.is_multiple_of(2) || count > MEMBERS_MAX {
            return Err(MembersError::Count { count });
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = all.iter().find(|member| !seen.insert(**member)) {
            return Err(MembersError::Twice { number: twice.0 });
        }
        if !seen.contains(&me) {
            return Err(MembersError::Absent { number: me.0 });
        }
        Ok(Self { me, others: all.iter().copied().filter(|it| *it != me).collect() })
    }

    /// Which one this is.
    pub fn me(&self) -> Member {
        self.me
    }

    /// All but this one.
    pub fn others(&self) -> &[Member] {
        &self.others
    }

    /// How many are more than half of all.
    pub fn majority(&self) -> usize {
        self.others.len().div_ceil(2) + 1
    }
}

/// Why times do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Clocks that run a fifth too fast or too slow would break the lease.
    #[error(
        "a lease of {lease_ms} ms is too long for an election time-out of {election_ms} ms; two thirds of that at most"
    )]
    Lease {
        /// The lease.
        lease_ms: u64,
        /// The time-out.
        election_ms: u64,
    },
    /// One lost message must not cost a leader its place.
    #[error("a heartbeat every {heartbeat_ms} ms is too rare for a lease of {lease_ms} ms; three in a lease at least")]
    Heartbeat {
        /// The pause between heartbeats.
        heartbeat_ms: u64,
        /// The lease.
        lease_ms: u64,
    },
}

/// Times, in milliseconds of each member's own clock, which must not be set (a monotonic one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    heartbeat_ms: u64,
    election_ms: u64,
    lease_ms: u64,
}

impl Settings {
    /// Checks that clocks may be a fifth off without two leaders answering at once.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(heartbeat_ms: u64, election_ms: u64, lease_ms: u64) -> Result<Self, SettingsError> {
        if lease_ms.saturating_mul(3) > election_ms.saturating_mul(2) {
            return Err(SettingsError::Lease { lease_ms, election_ms });
        }
        if heartbeat_ms == 0 || heartbeat_ms.saturating_mul(3) > lease_ms {
            return Err(SettingsError::Heartbeat { heartbeat_ms, lease_ms });
        }
        Ok(Self { heartbeat_ms, election_ms, lease_ms })
    }

    /// Without any check: for tests that show what the checks are for.
    #[doc(hidden)]
    pub fn dangerous_unchecked(heartbeat_ms: u64, election_ms: u64, lease_ms: u64) -> Self {
        Self { heartbeat_ms, election_ms, lease_ms }
    }

    /// A leader says at least so often that it is there.
    pub fn heartbeat_ms(&self) -> u64 {
        self.heartbeat_ms
    }

    /// Nobody votes for another within this time after a leader was heard; who hears none for this time and up to as much
    /// again asks for votes.
    pub fn election_ms(&self) -> u64 {
        self.election_ms
    }

    /// A leader may answer for this long after it said something that a majority took.
    pub fn lease_ms(&self) -> u64 {
        self.lease_ms
    }
}

/// A place in the log. Two logs that have the same entry at a place have the same before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The term of the leader that added the entry. Stands first: who knows a later term knows more.
    pub term: u64,
    /// Its number, from 1.
    pub index: u64,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that added it.
    pub term: u64,
    /// What it says; nothing in the first entry of each leader, which is there to be counted.
    pub data: Arc<[u8]>,
}

/// What must never be forgotten: the newest term that was heard of, and who got the vote in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The term.
    pub term: u64,
    /// Who got it.
    pub member: Option<Member>,
}

/// What members say to each other. Who carries it says who it is from, by its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Would you vote for me in this term?
    AskFirst {
        /// One more than the asker's.
        term: u64,
        /// Where its log ends.
        last: Position,
    },
    /// An answer to that.
    Would {
        /// The term that was asked about; where the answer is no, the answerer's own.
        term: u64,
        /// Yes or no.
        yes: bool,
    },
    /// Vote for me.
    Ask {
        /// The asker's term.
        term: u64,
        /// Where its log ends.
        last: Position,
    },
    /// An answer to that.
    Voted {
        /// The answerer's term.
        term: u64,
        /// Yes or no.
        yes: bool,
    },
    /// Entries of a leader, or none: then it says that it is there.
    Append {
        /// The leader's term.
        term: u64,
        /// The entry before.
        after: Position,
        /// The entries.
        entries: Vec<Entry>,
        /// Up to where the log counts.
        commit: u64,
        /// The leader's clock, for the answer.
        sent_ms: u64,
    },
    /// The whole state up to a place, in the stead of entries that are not kept any more. Who carries it adds the state that the
    /// leader keeps for that place, and who receives it has that at hand before it is heard.
    Install {
        /// The leader's term.
        term: u64,
        /// The place.
        at: Position,
        /// The leader's clock, for the answer.
        sent_ms: u64,
    },
    /// An answer to both.
    Took {
        /// The answerer's term.
        term: u64,
        /// The log is the leader's up to here; where `fits` is not so, it may be.
        upto: u64,
        /// Whether what was sent fits behind what is there.
        fits: bool,
        /// As it came.
        sent_ms: u64,
    },
}

impl Message {
    /// Whether its numbers are such as can be reached. What another member made up is not even answered.
    pub(crate) fn is_sane(&self) -> bool {
        let numbers = match self {
            Self::AskFirst { term, last } | Self::Ask { term, last } => [*term, last.term, last.index, 0],
            Self::Would { term, .. } | Self::Voted { term, .. } => [*term, 0, 0, 0],
            Self::Append { term, after, commit, .. } => [*term, after.term, after.index, *commit],
            Self::Install { term, at, .. } => [*term, at.term, at.index, 0],
            Self::Took { term, upto, .. } => [*term, *upto, 0, 0],
        };
        numbers.iter().all(|number| *number <= NUMBER_MAX)
    }
}

/// Why an entry was not taken. Nothing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Ask that one, where one is known.
    #[error("another member leads")]
    NotLeading {
        /// Who does.
        leader: Option<Member>,
    },
    /// Ask again later.
    #[error("{OPEN_ENTRIES_MAX} entries wait for a majority")]
    Full,
    /// It never will be.
    #[error("an entry of {bytes} bytes is too long; {ENTRY_BYTES_MAX} at most")]
    TooLong {
        /// How long.
        bytes: usize,
    },
}

/// What the caller has to do after a step, in this order. What was sent before the disk had it breaks everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Output {
    /// To be kept.
    pub vote: Option<Vote>,
    /// The state that came with the message takes the place of state and entries, up to here.
    pub install: Option<Position>,
    /// Entries from this one on are void, to be taken off the disk.
    pub cut: Option<u64>,
    /// Entries to be kept behind what is there; the first one has the number [`Output::first`].
    pub append: Vec<Entry>,
    /// See there.
    pub first: u64,
    /// To be sent once all of that is on disk. What does not arrive is sent again by itself.
    pub send: Vec<(Member, Message)>,
    /// The log counts up to here: what was not applied yet can be.
    pub commit: u64,
}
