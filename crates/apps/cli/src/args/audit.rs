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
        bartizan audit verify --archive /mnt/archive/ledger\n  \
        bartizan audit verify --ledger /mnt/copy/ledger --key 'bank.example/ledger+1a2b3c4d+AR…' --checkpoint kept.txt --json\n\n\
        Works on files alone, also on a copy, while the fleet runs or not. By itself a ledger shows what happened between two of its\n\
        checkpoints. That it was cut at its end, set back to an earlier state, or written anew by somebody with its key is seen against\n\
        a checkpoint that was kept elsewhere: `--checkpoint`, or `--remember`, which reads one and keeps the newest there.\n\
        Of files that were moved into an archive the seals are looked at; with `--archive` all of them have to be there, and are read.\n\n\
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
    /// Prove that an entry is in the ledger, or that it goes on from an earlier checkpoint, for somebody who has nothing but the key.
    #[command(after_help = "Examples:\n  \
        bartizan audit prove 17 > 17.tlog-proof\n  \
        bartizan audit prove --since kept.txt > since.proof\n\n\
        The first holds the entry, the hashes beside it and a signed checkpoint (C2SP tlog-proof), the second the hashes by which the ledger is seen to\n\
        go on from a checkpoint, and the newest one (as witnesses are sent it, C2SP tlog-witness). `bartizan audit check` looks at both.")]
    Prove(AuditProveArgs),
    /// Look at a proof that somebody handed over: with nothing but it and the key of the ledger.
    #[command(after_help = "Examples:\n  \
        bartizan audit check 17.tlog-proof --key ledger.pub\n  \
        bartizan audit check since.proof --since kept.txt --key ledger.pub --json\n\n\
        Exit code 0: it is proven; 1: it is not.")]
    Check(AuditCheckArgs),
}

/// Which ledger.
#[derive(Debug, Args)]
pub(crate) struct AuditLedgerArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// The folder of the ledger [default: `ledger` in the data folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) ledger: Option<PathBuf>,
    /// A folder into which files of the ledger were moved; may be repeated. All that were have to be in one of them.
    #[arg(long = "archive", value_name = "DIR")]
    pub(crate) archives: Vec<PathBuf>,
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
    #[arg(value_name = "N", required_unless_present = "since", conflicts_with = "since")]
    pub(crate) entry: Option<u64>,
    /// An earlier checkpoint, as `bartizan audit checkpoint` printed it: prove that the ledger goes on from it.
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `audit check`.
#[derive(Debug, Args)]
pub(crate) struct AuditCheckArgs {
    /// The proof, as `bartizan audit prove` printed it.
    #[arg(value_name = "PROOF")]
    pub(crate) proof: PathBuf,
    /// The earlier checkpoint, for a proof that the ledger goes on from it.
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
    /// Public key of the ledger, or a file with it.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
