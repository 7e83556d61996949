//! `bartizan client` and everything below it.

use super::DataArgs;
use clap::{Args, Subcommand};

/// Subcommands of `client`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// All clients of the authorization server: workloads and apps of the fleet file, and apps that registered.
    #[command(
        after_help = "Examples:\n  bartizan client list\n  bartizan client list --json | jq -r '.clients[] | select(.kind == \"registered\") | .client_id'"
    )]
    List(DataArgs),
    /// One client: where browsers come back to, what it may ask for, how it comes to tokens.
    #[command(after_help = "Example:\n  bartizan client show shop")]
    Show(ClientArgs),
    /// Add an app, within what `registration:` of the fleet file allows, and print its `client_id`, with the token by which it is
    /// changed.
    #[command(after_help = "Examples:\n  \
        bartizan client add --title 'The Shop' --redirect https://shop.example/back --scope openid --scope email\n  \
        bartizan client add --title Television --grant device_code --grant refresh_token\n  \
        bartizan client add --redirect http://127.0.0.1/cb --require-pushed --json | jq -r .client_id\n\n\
        Apps that are always there stand better in the fleet file, under `authorization.apps`.")]
    Add(AddClientArgs),
    /// Remove an app that registered; what it was given ends.
    #[command(after_help = "Example:\n  bartizan client remove reg-Zt1yU0p3Qk6nq8v5wX2a7A")]
    Remove(ClientArgs),
    /// Give an app that registered another token by which it is changed; the one before counts no more.
    #[command(after_help = "Example:\n  bartizan client rotate reg-Zt1yU0p3Qk6nq8v5wX2a7A")]
    Rotate(ClientArgs),
}

/// One client.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// Its `client_id`.
    #[arg(value_name = "CLIENT", allow_hyphen_values = true)]
    pub(crate) client: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// `bartizan client add`.
#[derive(Debug, Args)]
pub(crate) struct AddClientArgs {
    /// What people are told that it is called.
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Where a browser may be sent back to, to the letter; several may be given.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) redirect: Vec<String>,
    /// Where a browser may be sent to once somebody signed out; several may be given.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) signed_out: Vec<String>,
    /// What it may ask for; several may be given [default: all that such apps may].
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// How it may come to tokens: authorization_code, refresh_token, device_code; several may be given [default: authorization_code].
    #[arg(long = "grant", value_name = "GRANT")]
    pub(crate) grants: Vec<String>,
    /// Take only requests that it pushed before.
    #[arg(long)]
    pub(crate) require_pushed: bool,
    /// Where it is told, with a signed token, that somebody signed out.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) backchannel_logout: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}
