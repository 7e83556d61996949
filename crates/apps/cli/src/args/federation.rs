//! `bartizan federation` and everything below it.

use super::{DataArgs, PlaceArgs};
use clap::Subcommand;

/// Subcommands of `federation`.
#[derive(Debug, Subcommand)]
pub(crate) enum FederationCommand {
    /// How it stands with each other trust domain: roots held, sequence, last look at its endpoint.
    #[command(after_help = "Examples:\n  \
        bartizan federation status\n  \
        bartizan federation status --json | jq '.[] | select(.failure)'")]
    Status(DataArgs),
    /// Look at every bundle endpoint now, instead of when its refresh hint says.
    #[command(after_help = "Example:\n  bartizan federation refresh")]
    Refresh(DataArgs),
    /// Print the bundle of this trust domain, for the `bundle` file of another one.
    #[command(after_help = "Example:\n  bartizan federation bundle > bank.bundle.json")]
    Bundle(PlaceArgs),
}
