//! `bartizan token` and everything below it.

use super::DataArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Subcommands of `token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// A token with which one node can join the running fleet.
    #[command(after_help = "Example:\n  bartizan token node --data .bartizan/bank")]
    Node(DataArgs),
    /// A key that signs users' tokens, and the file by which they are believed: for trying users out without a log-in.
    #[command(after_help = "Example:\n  \
        bartizan token keygen --out login    # login.key (mode 0600) and login.jwks\n\n\
        Name login.jwks under `users` in the fleet file. Whoever has login.key can be every user: it is for tries and tests.")]
    Keygen(KeygenArgs),
    /// A user's access token (RFC 9068), signed with a key of yours: for trying users out without a log-in.
    #[command(after_help = "Examples:\n  \
        bartizan token mint --key login.key --issuer https://login.bank.example \\\n      \
            --audience https://api.bank.example --subject ada --scope 'accounts:read accounts:pay'\n  \
        bartizan token mint --key login.key --issuer https://login.bank.example --audience https://api.bank.example \\\n      \
            --subject ada --claim roles=customer --claim accounts=acc-000001 --claim accounts=acc-000002 --seconds 60\n\n\
        It is printed alone on its line: curl -H \"authorization: Bearer $(bartizan token mint …)\". A claim that is given once \
        is a text, one that is given several times a list; dots in its name lead inwards.")]
    Mint(MintArgs),
    /// What a token says, and whether the running fleet's gateway believes it, with the reason.
    #[command(after_help = "Examples:\n  \
        bartizan token inspect eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9…\n  \
        pbpaste | bartizan token inspect - --json | jq .claims\n\n\
        Exit code 1 where it is not believed. The token goes to the local control alone; in a shell's history it is as good as \
        stolen while it lasts, so prefer `-`.")]
    Inspect(InspectArgs),
    /// Take back users' tokens: the gateway refuses them from then on, also on open connections.
    #[command(after_help = "Examples:\n  \
        bartizan token revoke Zr2vQ0yqTn6vXw3b1m0L5g\n  \
        bartizan token revoke --subject alice --issuer https://login.bank.example\n\n\
        A subject loses all tokens that were issued until now; a later log-in gives good ones. Without `--issuer` it is \
        the fleet's own authorization server, or the only issuer under `users`.")]
    Revoke(RevokeTokenArgs),
}

/// Which tokens to take back.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["jti", "subject", "family"])]
pub(crate) struct RevokeTokenArgs {
    /// One token, by its claim `jti`.
    #[arg(value_name = "JTI")]
    pub(crate) jti: Option<String>,
    /// All of a subject (`sub`) that were issued until now.
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: Option<String>,
    /// All of one log-in or grant, by their claim `bartizan_family`.
    #[arg(long, value_name = "FAMILY")]
    pub(crate) family: Option<String>,
    /// Whose tokens.
    #[arg(long, value_name = "ISSUER")]
    pub(crate) issuer: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Where a key goes.
#[derive(Debug, Args)]
pub(crate) struct KeygenArgs {
    /// The files without their endings; what is there already is not written over.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// What a token is to say.
#[derive(Debug, Args)]
pub(crate) struct MintArgs {
    /// Private key, PEM (P-256), such as `token keygen` makes.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Who issues it (`iss`), as the fleet file names them.
    #[arg(long, value_name = "ISSUER")]
    pub(crate) issuer: String,
    /// Whom it is for (`aud`), as the fleet file has it under `users`.
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: String,
    /// Whom it speaks for (`sub`).
    #[arg(long, value_name = "SUBJECT")]
    pub(crate) subject: String,
    /// The client that uses it (`client_id`).
    #[arg(long, value_name = "CLIENT", default_value = "bartizan-cli")]
    pub(crate) client: String,
    /// What it allows (`scope`), with blanks between several.
    #[arg(long, value_name = "SCOPES", default_value = "")]
    pub(crate) scope: String,
    /// Further claims.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(crate) claims: Vec<(String, String)>,
    /// Its life in seconds, at most a day.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
}

/// Which token to look at.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The token, or `-` for standard input.
    #[arg(value_name = "TOKEN")]
    pub(crate) token: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, such as `roles=customer`")?;
    if name.is_empty() || name.split('.').any(str::is_empty) {
        return Err(
            "the name is empty, or a part of it; write NAME=VALUE, such as `realm_access.roles=customer`".to_owned()
        );
    }
    Ok((name.to_owned(), value.to_owned()))
}
