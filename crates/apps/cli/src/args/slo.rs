//! `bartizan slo`.

use super::DataArgs;
use bartizan_core::ServiceName;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Which indicators, and where.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SloArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SloCommand>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Only this indicator, M1 to M10, with what is counted and how its budget burns.
    #[arg(long, value_name = "M1..M10")]
    pub(crate) indicator: Option<String>,
    /// Only this service, with the edges to it.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<ServiceName>,
    /// Every service and edge, and not the fleet alone.
    #[arg(long)]
    pub(crate) all: bool,
}

/// What is asked of the indicators.
#[derive(Debug, Subcommand)]
pub(crate) enum SloCommand {
    /// What the fleet's file of objectives asks for, by whom, why, and until when.
    #[command(after_help = "Example:\n  bartizan slo objectives --json | jq '.objectives[] | select(.counts | not)'")]
    Objectives(DataArgs),
    /// Check a file of objectives against its fleet, and use nothing of it.
    #[command(
        after_help = "Examples:\n  bartizan slo check slo.yaml\n  bartizan slo check slo.yaml --against fleet.yaml --json"
    )]
    Check(SloCheckArgs),
    /// Replay the last thirty days: how often each target would have told somebody, and what would be left of its budget.
    #[command(
        after_help = "Examples:\n  bartizan slo advise\n  bartizan slo advise --indicator M3 --place 'payment -> ledger'"
    )]
    Advise(SloAdviseArgs),
    /// Let changes through for a while although an error budget locks promotion (`locks: promotion`), or a version of a service is held back. It is recorded who, and why.
    ///
    /// Going back to what was in force before needs none of it.
    #[command(after_help = "Examples:\n  \
        bartizan slo override --why 'mends what burns: ticket 4711'\n  \
        bartizan slo override --for 2h --why 'a contract begins today'\n  \
        bartizan slo override --end")]
    Override(SloOverrideArgs),
    /// Print the JSON Schema of a file of objectives, for editors.
    #[command(after_help = "Example:\n  bartizan slo schema > slo.schema.json")]
    Schema,
}

/// Arguments of `slo check`.
#[derive(Debug, Args)]
pub(crate) struct SloCheckArgs {
    /// The file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The fleet file that it is for [default: `fleet.yaml` beside it].
    #[arg(long, value_name = "FLEET")]
    pub(crate) against: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `slo advise`.
#[derive(Debug, Args)]
pub(crate) struct SloAdviseArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Only this indicator.
    #[arg(long, value_name = "M1..M9")]
    pub(crate) indicator: Option<String>,
    /// Where: `fleet`, a service, or `caller -> callee`.
    #[arg(long, value_name = "PLACE", default_value = "fleet")]
    pub(crate) place: String,
}

/// Arguments of `slo override`.
#[derive(Debug, Args)]
pub(crate) struct SloOverrideArgs {
    /// Why.
    #[arg(long, value_name = "TEXT", required_unless_present = "end")]
    pub(crate) why: Option<String>,
    /// For how long, at most a day.
    #[arg(long = "for", value_name = "TIME", value_parser = super::alerts::span, default_value = "30m")]
    pub(crate) time: u64,
    /// Let locks count again.
    #[arg(long, conflicts_with_all = ["why", "time"])]
    pub(crate) end: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}
