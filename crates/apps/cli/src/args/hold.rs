//! What stands below `bartizan events`.

use super::{DataArgs, Moment, moment};
use bartizan_core::ServiceName;
use clap::{Args, Subcommand};

/// Subcommands of `events`.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Put a legal hold on events: neither age nor room lets them go until it is released.
    #[command(after_help = "Examples:\n  \
        bartizan events hold case-17 --reason 'a court asks for it' --from 2026-08-01T00:00:00Z --until 2026-09-01T00:00:00Z\n  \
        bartizan events hold case-18 --reason 'inquiry of the auditors' --service payment\n\n\
        Without `--until` it is also about what is still to come. It is an entry of the ledger. When `events.bytes` is taken and all \
        that is left is held, further events are refused, counted and alerted.")]
    Hold(HoldArgs),
    /// The legal holds there are, with who put them there and why.
    #[command(after_help = "Example:\n  bartizan events holds --json | jq '.holds[].name'")]
    Holds(DataArgs),
    /// Release a hold: its events go as their age and the room say. It is an entry of the ledger, too.
    #[command(after_help = "Example:\n  bartizan events release case-17 --reason 'the case is closed'")]
    Release(ReleaseArgs),
}

/// `bartizan events hold`.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// Its name: lower-case letters, digits and `-`.
    #[arg(value_name = "NAME")]
    pub(crate) name: ServiceName,
    /// Why, for the ledger.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Only events of this time or later: `2026-08-01T12:00:00Z`, or how long ago, `30d`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) from: Option<Moment>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Moment>,
    /// Only what was recorded on behalf of this service (`gateway` for the edge).
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<ServiceName>,
    /// Only what is about this identity: a SPIFFE ID or a user, whole.
    #[arg(long, value_name = "NAME")]
    pub(crate) identity: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// `bartizan events release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// Which hold.
    #[arg(value_name = "NAME")]
    pub(crate) name: ServiceName,
    /// Why, for the ledger.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}
