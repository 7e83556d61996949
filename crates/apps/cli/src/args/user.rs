//! `bartizan user` and everything below it.

use super::DataArgs;
use clap::{Args, Subcommand};

/// Subcommands of `user`.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add somebody, and print a link by which that person sets a password; nobody else ever knows it.
    #[command(after_help = "Examples:\n  \
        bartizan user add ana@bank.example --display-name 'Ana Horvat' --role teller\n  \
        bartizan user add ops --role admin --json | jq -r .link\n\n\
        The link can be used once, within a day. Hand it over in a way that nobody else reads.")]
    Add(AddUserArgs),
}

/// Arguments of `user add`.
#[derive(Debug, Args)]
pub(crate) struct AddUserArgs {
    /// By which the person signs in: letters, digits and `.`, `_`, `-`, `+`, `@`.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What others see [default: the name].
    #[arg(long, value_name = "TEXT")]
    pub(crate) display_name: Option<String>,
    /// An e-mail address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// You have checked that the address is that person's; clients are told.
    #[arg(long, requires = "email")]
    pub(crate) email_verified: bool,
    /// What the person may be; may be given more than once.
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// The tenant that the person belongs to.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}
