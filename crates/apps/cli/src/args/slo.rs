//! `bartizan slo`.

use super::DataArgs;
use bartizan_core::ServiceName;
use clap::Args;

/// Which indicators, and where.
#[derive(Debug, Args)]
pub(crate) struct SloArgs {
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
