//! `bartizan adopt` and everything below it.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Subcommands of `adopt`.
#[derive(Debug, Subcommand)]
pub(crate) enum AdoptCommand {
    /// Which step is next, and who speaks plaintext.
    #[command(after_help = "Examples:\n  \
        bartizan adopt status fleet.yaml\n  \
        bartizan adopt status fleet.yaml --json | jq '.plaintext.now'")]
    Status(AdoptStatusArgs),
    /// Do the next step, after asking.
    #[command(after_help = "Examples:\n  bartizan adopt next fleet.yaml\n  bartizan adopt next fleet.yaml --yes\n\n\
        Steps: permissive in the file, start the guards, move callers, strict. Each is found out anew from what is there, so it\n\
        can be broken off anywhere. Exit code 1 where something has to be done by hand first.")]
    Next(AdoptArgs),
    /// Take the last step back, after asking.
    #[command(after_help = "Example:\n  bartizan adopt back fleet.yaml --yes")]
    Back(AdoptArgs),
}

/// The system that is on its way.
#[derive(Debug, Args)]
pub(crate) struct AdoptPlace {
    /// The fleet file that says what there is.
    #[arg(value_name = "FLEET")]
    pub(crate) fleet: PathBuf,
    /// Data folder of its guards, once they run [default: .bartizan/<fleet> beside the fleet file].
    #[arg(long, value_name = "DIR", env = "BARTIZAN_DATA")]
    pub(crate) data: Option<PathBuf>,
}

/// Where it stands, and how to print that.
#[derive(Debug, Args)]
pub(crate) struct AdoptStatusArgs {
    #[command(flatten)]
    pub(crate) place: AdoptPlace,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A fleet, and whether to ask.
#[derive(Debug, Args)]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    pub(crate) place: AdoptPlace,
    /// Do it without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}
