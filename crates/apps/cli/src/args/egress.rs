//! `bartizan egress` and everything below it.

use super::DataArgs;
use bartizan_core::ServiceName;
use clap::{Args, Subcommand};

/// Subcommands of `egress`.
#[derive(Debug, Subcommand)]
pub(crate) enum EgressCommand {
    /// Destinations outside the fleet: what was used, what was refused and why, first and last seen, bytes.
    #[command(after_help = "Examples:\n  \
        bartizan egress list\n  \
        bartizan egress list --service payment --json | jq '.destinations[] | select(.refused > 0)'")]
    List(EgressArgs),
    /// The smallest allow-list under which everything that was used still works, to paste into the fleet file.
    #[command(
        visible_alias = "learn",
        after_help = "Examples:\n  \
        bartizan egress suggest\n  \
        bartizan egress suggest --service payment\n  \
        bartizan egress suggest --fleet examples/bank/fleet.yaml --json\n\n\
        Write `egress: learn` for a service first, and let it do all that it does."
    )]
    Suggest(EgressArgs),
}

/// Which service, and of which fleet.
#[derive(Debug, Args)]
pub(crate) struct EgressArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Only this service.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<ServiceName>,
}
