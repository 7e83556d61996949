//! `bartizan api` and everything below it.

use super::DataArgs;
use bartizan_core::ServiceName;
use clap::{Args, Subcommand};

/// Subcommands of `api`.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiCommand {
    /// Operations of services: what is called, what documents describe, and what is only one of the two.
    #[command(after_help = "Examples:\n  \
        bartizan api inventory\n  \
        bartizan api inventory --service orders --unseen-days 7\n  \
        bartizan api inventory --json | jq '.operations[] | select(.findings | index(\"shadow\"))'")]
    Inventory(InventoryArgs),
}

/// Which service, and of which fleet.
#[derive(Debug, Args)]
pub(crate) struct InventoryArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    /// Only this service.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<ServiceName>,
    /// Days without a call after which an operation that is declared is called a zombie.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub(crate) unseen_days: u32,
    /// Only operations that something is odd about.
    #[arg(long)]
    pub(crate) odd: bool,
}
