//! `bartizan event` and everything below it.

use bartizan_core::signed::Scheme;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Subcommands of `event`.
#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// Sign an event as its sender would: prints the header fields, one a line.
    #[command(after_help = "Examples:\n  \
        bartizan event sign --scheme standard --secret-file secrets/billing event.json > fields\n  \
        curl --cacert \"$BARTIZAN_CA\" -H @fields --data-binary @event.json \"$BARTIZAN_GATEWAY/hooks/pay\"\n  \
        bartizan event sign --scheme http-signatures --key partner.key --url https://127.0.0.1:8443/hooks/build event.json --json\n\n\
        Of a file with several secrets the first one signs. `bartizan token keygen` makes a key and its JWK Set. The body has to go \
        out byte for byte as it is in the file.")]
    Sign(SignEventArgs),
}

/// What is signed, and how.
#[derive(Debug, Args)]
pub(crate) struct SignEventArgs {
    /// File with the body, or `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) body: PathBuf,
    /// How it is signed: standard, github, stripe, slack or http-signatures.
    #[arg(long, value_name = "SCHEME", value_parser = scheme)]
    pub(crate) scheme: Scheme,
    /// File with the secret, as the fleet file names it.
    #[arg(long, value_name = "FILE", required_unless_present = "key", conflicts_with = "key")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Private key, PEM (P-256), such as `token keygen` makes; for http-signatures.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The name by which the receiver knows the key [default: its thumbprint].
    #[arg(long, value_name = "KID", requires = "key")]
    pub(crate) kid: Option<String>,
    /// Where it goes, for http-signatures.
    #[arg(long, value_name = "URL", required_if_eq("scheme", "http-signatures"))]
    pub(crate) url: Option<String>,
    /// The method, for http-signatures.
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    pub(crate) method: String,
    /// Its name, by which it counts once [default: a random one].
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// When it is signed, in seconds since 1970 [default: now].
    #[arg(long, value_name = "SECONDS")]
    pub(crate) at: Option<u64>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn scheme(text: &str) -> Result<Scheme, String> {
    let words = Scheme::ALL.map(Scheme::as_str);
    Scheme::parse(text).ok_or_else(|| format!("choose among {}", words.join(", ")))
}
