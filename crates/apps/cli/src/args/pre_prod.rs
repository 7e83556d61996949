//! `bartizan check pre-prod`.

use crate::pre_prod::Ask;
use bartizan_core::ServiceName;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What can be checked beside a file.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckCommand {
    /// Ask every service of a running fleet, and find what it did in events and ledger: may it go into production?
    #[command(after_help = "Examples:\n  \
        bartizan check pre-prod fleet.yaml\n  \
        bartizan check pre-prod fleet.yaml --service payment --service accounts --json\n  \
        bartizan check pre-prod fleet.yaml --ask 'payment: POST /payments {\"from\":\"acc-000001\",\"to\":\"acc-000002\",\"cents\":1}'\n\n\
        Each service gets one call that is allowed, GET of a path that nobody has unless `--ask` names another, and one without a \
        certificate that has to be refused. Both are calls like any other: they are counted and recorded.\n\n\
        Exit codes: 0 every service passed, 1 one did not, 2 nobody could look.")]
    PreProd(PreProdArgs),
}

/// Arguments of `check pre-prod`.
#[derive(Debug, Args)]
pub(crate) struct PreProdArgs {
    /// The fleet file of a fleet that runs.
    #[arg(value_name = "FLEET")]
    pub(crate) fleet: PathBuf,
    /// Its data folder [default: that beside the fleet file].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Only this service; may be given more than once [default: all].
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Vec<ServiceName>,
    /// What a service is to be asked, as `SERVICE: METHOD PATH [BODY]`; may be given more than once.
    #[arg(long, value_name = "CALL")]
    pub(crate) ask: Vec<Ask>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
