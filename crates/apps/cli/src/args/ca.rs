//! `bartizan ca` and everything below it.

use super::{DataArgs, PlaceArgs};
use bartizan_core::{ServiceName, SpiffeId, TrustDomain};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Subcommands of `ca`.
#[derive(Debug, Subcommand)]
pub(crate) enum CaCommand {
    /// Make a root: `root.sealed` (key and certificate, sealed with the passphrase) and `roots.pem` in a folder; or, with the key
    /// on a PKCS#11 token, `root.token` (where it is) and `roots.pem`.
    #[command(after_help = "Examples:\n  \
        bartizan ca init --trust-domain bank.example --dir ca --root-passphrase-file passphrase.txt\n  \
        bartizan ca init --trust-domain bank.example --dir ca --pkcs11-module /usr/lib/softhsm/libsofthsm2.so \\\n      \
            --pkcs11-token ceremony --pkcs11-key root-1")]
    Init(CaInitArgs),
    /// Sign the signing request of an issuing CA with a sealed root, or one on a token.
    #[command(after_help = "Example:\n  \
        bartizan ca sign --dir ca --root-passphrase-file passphrase.txt --csr issuing.csr > issuing.pem")]
    Sign(CaSignArgs),
    /// Make the key by which the members of a group of controls know each other. Whoever has the file is a member.
    #[command(after_help = "Example:\n  \
        bartizan ca group group.key   # then copy it to the machine of each member, readable by control alone")]
    Group(CaGroupArgs),
    /// Show the certificates of a folder's root or of a PEM file.
    #[command(after_help = "Examples:\n  bartizan ca show --dir ca\n  bartizan ca show --pem roots.pem --json")]
    Show(CaShowArgs),
    /// The revocation list of the issuing CA in use, PEM: for peers outside, who know nothing of the deny list. It is good for
    /// an hour and names certificates of guards and those that were revoked by number.
    #[command(after_help = "Example:\n  bartizan ca crl > fleet.crl && openssl crl -in fleet.crl -noout -text")]
    Crl(PlaceArgs),
    /// Certificates that were issued, the newest last: serial, identity, node, end. Also while the database is away.
    #[command(after_help = "Examples:\n  \
        bartizan ca issued --id spiffe://bank.example/svc/accounts\n  \
        bartizan ca issued --serial 5f0c… --json | jq '.issued[0]'")]
    Issued(CaIssuedArgs),
    /// Roots, issuing CA, and the rotation that runs or ran last: phase, canary, waves, and who is waited for.
    #[command(after_help = "Examples:\n  bartizan ca status\n  bartizan ca status --json | jq .rotation.phase")]
    Status(DataArgs),
    /// Replace the root or the issuing CA while everything goes on.
    ///
    /// Nobody shows a certificate below the new one before everybody alive has acknowledged it. First a canary is issued
    /// anew, then the others in waves; where handshakes fail, everybody is led back. The old root is taken away when nobody
    /// alive shows a certificate below it any more. Clients of the gateway need the new `roots.pem` by then.
    #[command(after_help = "Examples:\n  \
        bartizan ca rotate root --canary notifications --watch\n  \
        bartizan ca rotate issuing --wave-percent 5\n\n\
        Where the root is offline: make the new one with `bartizan ca init`, put its `roots.pem` into the data folder as\n\
        `root.next.pem`, begin, sign `issuing.next.csr` with `bartizan ca sign`, and put the answer into `issuing.next.pem`.")]
    Rotate(CaRotateArgs),
    /// Lead everybody back to the CA before; possible until the rotation is `retiring`.
    #[command(after_help = "Example:\n  bartizan ca revert")]
    Revert(DataArgs),
    /// Go on with a rotation that was halted.
    #[command(after_help = "Example:\n  bartizan ca status && bartizan ca continue")]
    Continue(DataArgs),
    /// Go on without those that a rotation waits for. Without `--force`, says what that would break.
    #[command(after_help = "Examples:\n  bartizan ca retire\n  bartizan ca retire --force")]
    Retire(CaRetireArgs),
    /// Replace the issuing CA at once, because its key may be in wrong hands, and issue everybody anew within seconds.
    #[command(after_help = "Example:\n  bartizan ca distrust issuing")]
    Distrust(CaDistrustArgs),
}

/// Arguments of `ca group`.
#[derive(Debug, Args)]
pub(crate) struct CaGroupArgs {
    /// The file to make.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// What can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RotatedArg {
    /// The root that everybody trusts.
    Root,
    /// The issuing CA below it.
    Issuing,
}

/// What can be distrusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DistrustedArg {
    /// The issuing CA.
    Issuing,
}

/// Arguments of `ca rotate`.
#[derive(Debug, Args)]
pub(crate) struct CaRotateArgs {
    /// What to replace.
    #[arg(value_enum)]
    pub(crate) what: RotatedArg,
    /// Service that is issued anew first [default: the first by name].
    #[arg(long, value_name = "SERVICE")]
    pub(crate) canary: Option<ServiceName>,
    /// How many of the fleet one wave takes at most, in per cent.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=20))]
    pub(crate) wave_percent: u8,
    /// For how long the canary has to do well, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) soak: u32,
    /// Print each step until the end; exit code 1 where it is led back.
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `ca issued`.
#[derive(Debug, Args)]
pub(crate) struct CaIssuedArgs {
    /// Only of this identity.
    #[arg(long, value_name = "SPIFFE_ID")]
    pub(crate) id: Option<SpiffeId>,
    /// Only with this serial number, hexadecimal.
    #[arg(long, value_name = "HEX")]
    pub(crate) serial: Option<String>,
    /// Only by way of this node.
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<ServiceName>,
    /// At most so many, the newest.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `ca retire`.
#[derive(Debug, Args)]
pub(crate) struct CaRetireArgs {
    /// Do it.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `ca distrust`.
#[derive(Debug, Args)]
pub(crate) struct CaDistrustArgs {
    /// What is not to be trusted any more.
    #[arg(value_enum)]
    pub(crate) what: DistrustedArg,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `ca init`.
#[derive(Debug, Args)]
pub(crate) struct CaInitArgs {
    /// Trust domain of the root, such as `bank.example`.
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) trust_domain: TrustDomain,
    /// Folder for the two files; made when absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// File whose first line is the passphrase that seals the key.
    #[arg(long, value_name = "FILE", required_unless_present = "pkcs11_module")]
    pub(crate) root_passphrase_file: Option<PathBuf>,
    /// Make the key on a PKCS#11 token instead, which never lets it out: the library of the token's maker.
    #[arg(long, value_name = "FILE", conflicts_with = "root_passphrase_file", requires_all = ["pkcs11_token", "pkcs11_key"])]
    pub(crate) pkcs11_module: Option<PathBuf>,
    /// Label of the token.
    #[arg(long, value_name = "LABEL", requires = "pkcs11_module")]
    pub(crate) pkcs11_token: Option<String>,
    /// Label that the key gets.
    #[arg(long, value_name = "LABEL", requires = "pkcs11_module")]
    pub(crate) pkcs11_key: Option<String>,
    /// File whose first line is the PIN of the token [default: asked for on the terminal].
    #[arg(long, value_name = "FILE", requires = "pkcs11_module")]
    pub(crate) pin_file: Option<PathBuf>,
}

/// Arguments of `ca sign`.
#[derive(Debug, Args)]
pub(crate) struct CaSignArgs {
    /// Folder with `root.sealed` or `root.token`.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// File whose first line is the passphrase [default: `root.passphrase` in the folder].
    #[arg(long, value_name = "FILE")]
    pub(crate) root_passphrase_file: Option<PathBuf>,
    /// File whose first line is the PIN, where the folder has a `root.token` [default: asked for on the terminal].
    #[arg(long, value_name = "FILE")]
    pub(crate) pin_file: Option<PathBuf>,
    /// The signing request, PEM or DER.
    #[arg(long, value_name = "FILE")]
    pub(crate) csr: PathBuf,
}

/// Arguments of `ca show`.
#[derive(Debug, Args)]
pub(crate) struct CaShowArgs {
    /// Folder with `roots.pem`.
    #[arg(long, value_name = "DIR", required_unless_present = "pem", conflicts_with = "pem")]
    pub(crate) dir: Option<PathBuf>,
    /// A PEM file with certificates.
    #[arg(long, value_name = "FILE")]
    pub(crate) pem: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
