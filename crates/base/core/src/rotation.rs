//! Words of the rotation of a root or an issuing CA, and of the forecast of what runs out.
//!
//! Plain data: the identity engine decides with them, control's local API answers with them, the command line shows them.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rotated {
    /// The root that everybody trusts, and with it the issuing CA.
    Root,
    /// The issuing CA below the same root.
    Issuing,
}

impl Rotated {
    /// The word used on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Issuing => "issuing",
        }
    }
}

/// How far a rotation is. It goes from one to the next in this order; back only by way of `Reverting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The new certificate is being made. Nobody has been told.
    Prepared,
    /// Bundles with both roots are out; nobody shows anything below the new one.
    Published,
    /// Everybody alive has acknowledged both roots.
    Acknowledged,
    /// Identities come from the new issuer: the canary's first, then the others' in waves.
    Active,
    /// Everybody shows the new one. Control shows it too, from here on there is no way back.
    Retiring,
    /// The old one is gone.
    Retired,
    /// Everybody is led back to the old one.
    Reverting,
    /// The new one is gone; everything is as it was before.
    Reverted,
}

impl Phase {
    /// The word that people read and that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Published => "published",
            Self::Acknowledged => "acknowledged",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Reverting => "reverting",
            Self::Reverted => "reverted",
        }
    }

    /// Nothing is left to do.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Retired | Self::Reverted)
    }

    /// The old one can still be kept.
    pub const fn is_reversible(self) -> bool {
        matches!(self, Self::Prepared | Self::Published | Self::Acknowledged | Self::Active)
    }
}

/// One step of a rotation that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// To which phase; the same as before where something happened within one.
    pub to: Phase,
    /// Why, or what else, for people.
    pub note: String,
}

/// Somebody without whom a rotation does not move on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Straggler {
    /// Service, or `node <name>`.
    pub name: String,
    /// What is missing, and since when.
    pub why: String,
    /// What happens to it where it is no longer waited for.
    pub breaks: String,
}

/// TLS handshakes of the fleet while a phase is being watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Watched {
    /// Ended well.
    pub completed: u64,
    /// Failed because of a certificate.
    pub failed: u64,
}

/// `GET /v1/ca`: roots, issuing CA, and the rotation that runs or ran last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CaStatus {
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// Roots in the bundle in force.
    pub roots: Vec<Authority>,
    /// The issuing CA from which identities come as a rule.
    pub issuing: Authority,
    /// Where the roots' keys are: `here` (sealed, in the data folder) or `offline`.
    pub root_key: String,
    /// The rotation that runs, or the last one.
    pub rotation: Option<RotationStatus>,
}

/// A CA certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Authority {
    /// SHA-256 of its DER, lower-case hexadecimal.
    pub sha256: String,
    /// Beginning of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
}

/// A rotation as `bartizan ca status` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RotationStatus {
    /// Counted from 1 in a data folder.
    pub number: u64,
    /// What is replaced.
    pub what: Rotated,
    /// True where the old issuing CA is distrusted, so that there is neither a canary nor waves.
    pub urgent: bool,
    /// How far it is.
    pub phase: Phase,
    /// Since when.
    pub phase_since: Timestamp,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// Fingerprint of the certificate that goes.
    pub old: String,
    /// Fingerprint of the one that comes; `None` while it is being made.
    pub new: Option<String>,
    /// Who is re-issued first.
    pub canary: Option<String>,
    /// Waves that were begun, the canary's not among them.
    pub waves_begun: u32,
    /// How many of the fleet one wave takes, in per cent.
    pub wave_percent: u8,
    /// Members that show an identity of the new issuer.
    pub renewed: u32,
    /// All members, those away among them.
    pub members: u32,
    /// Why it does not go on by itself.
    pub halted: Option<String>,
    /// Who is waited for.
    pub waiting_for: Vec<Straggler>,
    /// Handshakes since the last step.
    pub handshakes: Watched,
    /// What was done over somebody's head, in words.
    pub forced: Vec<String>,
    /// Every step, oldest first.
    pub history: Vec<Transition>,
}

/// `POST /v1/ca/rotate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// What to replace.
    pub what: Rotated,
    /// Service to begin with; control chooses one where `None`.
    #[serde(default)]
    pub canary: Option<String>,
    /// How many of the fleet one wave takes, in per cent; control's default where `None`.
    #[serde(default)]
    pub wave_percent: Option<u8>,
    /// Milliseconds for which a canary has to do well; control's default where `None`.
    #[serde(default)]
    pub soak_ms: Option<u64>,
}

/// `GET /v1/expiry`: what will run out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Forecast {
    /// Control's clock when this was written.
    pub now: Timestamp,
    /// Everything, the earliest end first.
    pub items: Vec<Expiring>,
}

/// Something that runs out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Expiring {
    /// What it is, a short word such as `root` or `svid`; a label of the metric.
    pub what: String,
    /// Whose it is; a label of the metric.
    pub name: String,
    /// Since when it counts: it was replaced last then.
    #[serde(default)]
    pub since: Timestamp,
    /// When it is to be replaced, by whoever does; `None` where it is not, or others choose when.
    #[serde(default)]
    pub due: Option<Timestamp>,
    /// When.
    pub at: Timestamp,
    /// Who renews it, and when; `None` where nobody does.
    pub renewed_by: Option<String>,
    /// True where whoever renews it is late or away, so that it will run out if nothing changes.
    pub in_danger: bool,
    /// What breaks then.
    pub breaks: String,
}
