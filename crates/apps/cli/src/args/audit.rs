//! `bartizan audit` and everything below it.

use super::PlaceArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Subcommands of `audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Hash the whole ledger anew and say what was changed, left out, put elsewhere or cut off.
    #[command(after_help = "Examples:\n  \
        bartizan audit verify\n  \
        bartizan audit verify --remember ~/bank.checkpoint\n  \
        bartizan audit verify --ledger /mnt/copy/ledger --key 'bank.example/ledger+1a2b3c4d+AR…' --checkpoint kept.txt --json\n\n\
        Works on files alone, also on a copy, while the fleet runs or not. By itself a ledger shows what happened between two of its\n\
        checkpoints. That it was cut at its end, set back to an earlier state, or written anew by somebody with its key is seen against\n\
        a checkpoint that was kept elsewhere: `--checkpoint`, or `--remember`, which reads one and keeps the newest there.\n\n\
        Exit code 0: all is as it was signed; 1: it is not.")]
    Verify(AuditVerifyArgs),
    /// Print the newest signed checkpoint, to keep elsewhere.
    #[command(after_help = "Example:\n  bartizan audit checkpoint > kept.txt")]
    Checkpoint(AuditLedgerArgs),
    /// Print the public key by which checkpoints of this ledger are recognised, to keep elsewhere.
    #[command(after_help = "Example:\n  bartizan audit key > ledger.pub")]
    Key(AuditLedgerArgs),
    /// Print what is in the ledger.
    #[command(after_help = "Examples:\n  \
        bartizan audit show --from 100 --limit 20\n  \
        bartizan audit show --json | jq .message")]
    Show(AuditShowArgs),
    /// Prove that an entry is in the ledger, for somebody who has nothing but a checkpoint and the key.
    #[command(after_help = "Example:\n  bartizan audit prove 17 --json > proof.json")]
    Prove(AuditProveArgs),
}

/// Which ledger.
#[derive(Debug, Args)]
pub(crate) struct AuditLedgerArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// The folder of the ledger [default: `ledger` in the data folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) ledger: Option<PathBuf>,
    /// Public key of the ledger, or a file with it [default: `ledger.pub` beside the ledger, which somebody may have exchanged].
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
pub(crate) struct AuditVerifyArgs {
    #[command(flatten)]
    pub(crate) at: AuditLedgerArgs,
    /// A checkpoint that was kept elsewhere; may be repeated.
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub(crate) checkpoints: Vec<PathBuf>,
    /// A file that holds the checkpoint of last time, and gets the newest one where all is well.
    #[arg(long, value_name = "FILE")]
    pub(crate) remember: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `audit show`.
#[derive(Debug, Args)]
pub(crate) struct AuditShowArgs {
    #[command(flatten)]
    pub(crate) at: AuditLedgerArgs,
    /// The first entry, counted from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) from: u64,
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u64,
    /// Print OCSF records, one a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `audit prove`.
#[derive(Debug, Args)]
pub(crate) struct AuditProveArgs {
    #[command(flatten)]
    pub(crate) at: AuditLedgerArgs,
    /// The entry, counted from 0.
    #[arg(value_name = "N")]
    pub(crate) entry: u64,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
