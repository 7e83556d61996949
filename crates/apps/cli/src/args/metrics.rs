//! `bartizan metrics`.

use super::PlaceArgs;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Of which fleet, and whether to print or to serve them.
#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Serve them at `/metrics` of this address, until Ctrl-C, instead of printing them once.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// File with the bearer token that whoever scrapes has to show; needed where the address is not loopback.
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub(crate) token_file: Option<PathBuf>,
}
