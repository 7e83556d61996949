//! A rotation as it is kept: everything that a process has to know to go on with it after a stop.

use bartizan_core::Timestamp;
use bartizan_core::rotation::{Phase, Rotated, Transition};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Steps that are kept, a count; the oldest in the middle go first. A rotation in waves of 1 % has about 110.
const HISTORY_MAX: usize = 256;

/// A certificate that is replaced, or that replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// SHA-256 of its DER, lower-case hexadecimal.
    pub sha256: String,
    /// The certificate, PEM.
    pub pem: String,
}

/// How carefully a rotation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// How many of the members one wave takes at most, in per cent; one member in any case.
    pub wave_percent: u8,
    /// For how long the canary has to do well, in milliseconds.
    pub soak_ms: u64,
}

impl Pace {
    /// A fifth of the fleet at once, after a canary of five seconds.
    pub const DEFAULT: Self = Self { wave_percent: 20, soak_ms: 5_000 };
    /// Largest share of one wave, in per cent.
    pub const WAVE_PERCENT_MAX: u8 = 20;

    pub(super) fn soak(self) -> Duration {
        Duration::from_millis(self.soak_ms)
    }
}

/// Who gets identities from the new issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Released {
    /// Nobody yet, or nobody any more.
    #[default]
    Nobody,
    /// These members.
    Some(BTreeSet<String>),
    /// Everybody, newcomers too.
    Everybody,
}

impl Released {
    /// Whether `name` is among them.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::Some(names) => names.contains(name),
            Self::Everybody => true,
        }
    }
}

/// See the module. Changed by its own methods alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Counted from 1.
    pub number: u64,
    /// What is replaced.
    pub what: Rotated,
    /// The old one is distrusted: no canary, no waves.
    pub urgent: bool,
    /// How far it is.
    pub phase: Phase,
    /// What goes: the root, or the issuing CA.
    pub old: Anchor,
    /// What comes; `None` while it is being made.
    pub new: Option<Anchor>,
    /// Fingerprints of the issuing CAs that count as new: the key of one is in the memory of a process, so a rotation
    /// that outlives a process has several.
    pub issuers: Vec<String>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// Since when it is in its phase.
    pub phase_since: Timestamp,
    /// Since when handshakes are watched: the last step.
    pub watch_since: Timestamp,
    /// Who is re-issued first; chosen when it begins where nobody was named.
    pub canary: Option<String>,
    /// How carefully it goes.
    pub pace: Pace,
    /// Who gets identities from the new issuer.
    pub released: Released,
    /// Whether anybody was ever to be issued from the new issuer; where not, a way back has nobody to wait for.
    pub began_issuing: bool,
    /// Waves that were begun, the canary's not among them.
    pub waves_begun: u32,
    /// Why it does not go on by itself, or is being reverted.
    pub halted: Option<String>,
    /// Members that are not waited for any more, by somebody's order.
    pub excused: BTreeSet<String>,
    /// What that order breaks, in words.
    pub forced: Vec<String>,
    /// Every step, oldest first.
    pub history: Vec<Transition>,
}

impl Rotation {
    /// A rotation that begins: nothing has been made, nobody told.
    pub fn begin(
        number: u64,
        what: Rotated,
        old: Anchor,
        canary: Option<String>,
        pace: Pace,
        urgent: bool,
        now: Timestamp,
    ) -> Self {
        let percent = pace.wave_percent.clamp(1, Pace::WAVE_PERCENT_MAX);
        let mut it = Self {
            number,
            what,
            urgent,
            phase: Phase::Prepared,
            old,
            new: None,
            issuers: Vec::new(),
            started_at: now,
            phase_since: now,
            watch_since: now,
            canary,
            pace: Pace { wave_percent: percent, ..pace },
            released: Released::Nobody,
            began_issuing: false,
            waves_begun: 0,
            halted: None,
            excused: BTreeSet::new(),
            forced: Vec::new(),
            history: Vec::new(),
        };
        it.note(now, if urgent { "asked for, the old issuing CA is distrusted" } else { "asked for" });
        it
    }

    /// The new certificate exists: a root, or (for an issuing CA) the certificate of `issuer` itself.
    pub fn made(&mut self, new: Anchor, now: Timestamp) {
        self.note(now, &format!("the new certificate is {}", short(&new.sha256)));
        self.new = Some(new);
    }

    /// The issuing CA with this fingerprint counts as new. Called before it issues anything.
    pub fn count_issuer(&mut self, sha256: &str) {
        if !self.counts_as_new(sha256) {
            self.issuers.push(sha256.to_owned());
        }
    }

    /// Whether certificates of this issuing CA are of the new kind.
    pub fn counts_as_new(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|it| it == issuer)
    }

    pub(super) fn go(&mut self, to: Phase, now: Timestamp, note: &str) {
        self.phase = to;
        self.began_issuing |= to == Phase::Active;
        self.phase_since = now;
        self.note(now, note);
    }

    /// Whatever is noted changes something, so handshakes are counted anew from here.
    pub(super) fn note(&mut self, now: Timestamp, note: &str) {
        self.watch_since = now;
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(HISTORY_MAX / 2);
        }
        self.history.push(Transition { at: now, to: self.phase, note: note.to_owned() });
    }
}

/// Enough of a fingerprint to tell two apart.
pub(super) fn short(sha256: &str) -> &str {
    sha256.get(..16).unwrap_or(sha256)
}
