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
    /// Everybody who may sign in.
    #[command(
        after_help = "Examples:\n  bartizan user list\n  bartizan user list --json | jq -r '.[] | select(.disabled) | .name'"
    )]
    List(DataArgs),
    /// One person: roles, factors, sessions, what clients were allowed.
    #[command(after_help = "Example:\n  bartizan user show ana@bank.example")]
    Show(UserArgs),
    /// Let somebody sign in no more: all sessions end, and tokens that were given on their account are taken back.
    #[command(after_help = "Example:\n  bartizan user disable ana@bank.example")]
    Disable(UserArgs),
    /// Let somebody sign in again, with the password of before.
    #[command(after_help = "Example:\n  bartizan user enable ana@bank.example")]
    Enable(UserArgs),
    /// Take somebody's password away, end all sessions, and print a link by which that person sets another.
    #[command(after_help = "Examples:\n  \
        bartizan user reset ana@bank.example\n  \
        bartizan user reset ana@bank.example --factors    # a lost phone too")]
    Reset(ResetUserArgs),
    /// Remove somebody for good. The subject is never given to anybody else; the name may be.
    #[command(after_help = "Example:\n  bartizan user remove ana@bank.example")]
    Remove(UserArgs),
    /// End all sessions of somebody, and take back tokens that were given on their account.
    #[command(after_help = "Example:\n  bartizan user sign-out ana@bank.example")]
    SignOut(UserArgs),
    /// Give somebody roles, and take some away; tokens have them within five minutes.
    #[command(after_help = "Example:\n  bartizan user roles ana@bank.example --add auditor --remove teller")]
    Roles(UserRolesArgs),
}

/// One person.
#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    /// By which the person signs in.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `user reset`.
#[derive(Debug, Args)]
pub(crate) struct ResetUserArgs {
    /// By which the person signs in.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Second factors and recovery codes go too.
    #[arg(long)]
    pub(crate) factors: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// Arguments of `user roles`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args(["add", "remove"])))]
pub(crate) struct UserRolesArgs {
    /// By which the person signs in.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What the person may be from now on; may be given more than once.
    #[arg(long, value_name = "ROLE")]
    pub(crate) add: Vec<String>,
    /// What the person may not be any more; may be given more than once.
    #[arg(long, value_name = "ROLE")]
    pub(crate) remove: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
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
