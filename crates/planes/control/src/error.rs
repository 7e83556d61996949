//! Why control does not start, or cannot go on.

use crate::authorization::RevokedError;
use crate::ca::CaError;
use crate::deny::DenyListError;
use crate::federation::SourceError;
use crate::holds::HoldsError;
use crate::jwt::JwtKeysError;
use crate::keys::KeysError;
use crate::ledger::LedgerKeyError;
use bartizan_core::ServiceName;
use bartizan_core::fleet::FleetError;
use bartizan_events::EventsError;
use bartizan_identity::envelope::EnvelopeError;
use bartizan_policy::PolicyErrors;
use bartizan_runtime::files::LoadError;
use bartizan_runtime::listen::ListenError;
use bartizan_store::{JournalError, StoreError};
use bartizan_tokens::UsersError;
use std::path::PathBuf;

/// Why control does not start, or why a reload changed nothing. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The fleet file or a policy file cannot be used. Correct it.
    #[error(transparent)]
    Fleet(#[from] LoadError),
    /// A policy is wrong, or could not be enforced. Correct it.
    #[error(transparent)]
    Policies(#[from] PolicyErrors),
    /// A document of an API cannot be used. Correct it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Apis(Vec<FleetError>),
    /// A rule in the form of Prometheus cannot be asked. Correct it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    PrometheusRules(Vec<FleetError>),
    /// The keys of an issuer of tokens cannot be used. Correct them, or what the fleet file says of its algorithms.
    #[error(transparent)]
    Users(UsersError),
    /// The roots by which an issuer's server is recognised cannot be used. Correct the file, or its name under `users`.
    #[error("{0}")]
    Roots(String),
    /// The file of a sender of signed events cannot be used. Correct it, or its name under `senders`.
    #[error("sender `{name}`: cannot use `{}`: {why}", path.display())]
    Sender {
        /// Whose it is.
        name: ServiceName,
        /// The file.
        path: PathBuf,
        /// What is wrong; nothing of what is in it.
        why: String,
    },
    /// Tokens cannot be taken back.
    #[error(transparent)]
    Revoked(#[from] RevokedError),
    /// A key is neither made nor revoked.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The plan cannot be read.
    #[error("cannot read the plan `{}`: {why}", path.display())]
    Plan {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The plan is for another fleet, or for an earlier state of this one.
    #[error("the plan `{}` does not fit the fleet:\n{}", path.display(), missing.join("\n"))]
    PlanMisfit {
        /// Its file.
        path: PathBuf,
        /// What it lacks, one line each.
        missing: Vec<String>,
    },
    /// A change that a running control cannot make.
    #[error(
        "{what} cannot change while control runs, it is `{held}` and would be `{wanted}`; stop the fleet and start it anew"
    )]
    Fixed {
        /// What would change.
        what: &'static str,
        /// As it is.
        held: String,
        /// As the files say.
        wanted: String,
    },
    /// An error budget says that nothing new had better be put in force. Go back, wait, or say why not.
    #[error(
        "promotion is locked, and nothing was changed: {}\nput back what was in force before (that is let through), wait until the budget has recovered (`bartizan slo objectives` says how it stands), or let an administrator say why it has to be: `bartizan slo override --why TEXT`",
        .0.join("; ")
    )]
    Locked(Vec<String>),
    /// A version of a service would get a larger part of its calls than is known to be good. Give it less, wait for a verdict, or say why not.
    #[error(
        "a version gets no larger part of the calls, and nothing was changed: {}\nleave its weight as it is or lower it (that is let through), wait until it is found good (`bartizan versions` says how it does), or let an administrator say why it has to be: `bartizan slo override --why TEXT`, and reload again",
        .0.join("; ")
    )]
    Held(Vec<String>),
    /// The data folder belongs to another fleet.
    #[error("data folder `{}` belongs to trust domain `{found}`, this fleet is `{wanted}`; name another folder", data.display())]
    ForeignData {
        /// The folder.
        data: PathBuf,
        /// Whose it is.
        found: String,
        /// Ours.
        wanted: String,
    },
    /// The others of the group have not what was changed. Look whether it counts before asking again.
    #[error("what was changed may not count, and nobody is told of it: {0}")]
    NotSettled(String),
    /// The leader before had other files. Copy those that are in force to this machine, or say that these are to be.
    #[error(
        "member {member} has other files than those in force (fleet file, policies, plan: {here} here, {in_force} in force): copy them here from the machine where they were reloaded, or start this member with `--take-files` where its files are to be put in force"
    )]
    OtherFiles {
        /// The hash of those in force.
        in_force: String,
        /// The hash of those here.
        here: String,
        /// Which member.
        member: u8,
    },
    /// The deny list cannot be used or changed.
    #[error(transparent)]
    DenyList(#[from] DenyListError),
    /// Root or issuing CA cannot be used.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// What the fleet file says of other trust domains cannot be used.
    #[error(transparent)]
    Federation(#[from] SourceError),
    /// The keys of tokens cannot be used.
    #[error(transparent)]
    Jwt(#[from] JwtKeysError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store of events cannot be used.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// It cannot be read what of the events is held.
    #[error(transparent)]
    Holds(#[from] HoldsError),
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerKeyError),
    /// The journal of certificates cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The roots that may vouch for nodes cannot be used.
    #[error("the roots by which nodes are vouched for, `{}`, cannot be used: {why}", path.display())]
    NodeRoots {
        /// Their file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A snapshot could not be made.
    #[error("a snapshot could not be signed")]
    Snapshot(#[from] EnvelopeError),
    /// The port for proxies is taken, or not ours to take.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The local socket cannot be made.
    #[error("cannot serve the local API: {source}")]
    Socket {
        /// What the kernel said; names the path.
        source: std::io::Error,
    },
    /// Serving ended although nobody asked for it.
    #[error("serving proxies failed")]
    Serve(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some texts hold their cause's already.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
