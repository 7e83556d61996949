//! `bartizan console` and everything below it.

use super::DataArgs;
use bartizan_core::console::ConsoleRole;
use clap::{Args, Subcommand, ValueEnum};

/// Subcommands of `console`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConsoleCommand {
    /// Where the console is, and whether anybody has signed in.
    #[command(after_help = "Example:\n  bartizan console status --json | jq -r .url")]
    Status(DataArgs),
    /// Print a link that opens the console once.
    #[command(after_help = "Examples:\n  \
        bartizan console link\n  \
        bartizan console link --role viewer --name 'wall of the office' --minutes 60\n  \
        bartizan console link --json | jq -r .link\n\n\
        Whoever has the link is who it says, once. People with passwords need none: see docs/manual/console-door.md.")]
    Link(LinkArgs),
    /// Who is signed in at the console.
    #[command(after_help = "Example:\n  bartizan console sessions")]
    Sessions(DataArgs),
    /// End sessions of the console.
    #[command(after_help = "Examples:\n  \
        bartizan console sign-out --name ana\n  \
        bartizan console sign-out 5cNxT2ug0aYb3d1Q\n  \
        bartizan console sign-out --all")]
    SignOut(SignOutArgs),
}

/// `bartizan console link`.
#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    /// What whoever comes by it may do.
    #[arg(long, value_enum, default_value = "administrator")]
    pub(crate) role: RoleArg,
    /// How that one is called, in events and at the console [default: the user who asks].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// For how long it can be used.
    #[arg(long, value_name = "MINUTES", default_value_t = bartizan_core::console::LINK_MINUTES,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(bartizan_core::console::LINK_MINUTES_MAX)))]
    pub(crate) minutes: u32,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// `bartizan console sign-out`.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = false, args = ["session", "name", "all"])]
pub(crate) struct SignOutArgs {
    /// The session of that name, as `sessions` lists it.
    #[arg(value_name = "SESSION", allow_hyphen_values = true)]
    pub(crate) session: Option<String>,
    /// All sessions of that one.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// All sessions.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// See [`ConsoleRole`].
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleArg {
    /// May look.
    Viewer,
    /// May do what can be undone: reload, revoke.
    Operator,
    /// May do everything.
    Administrator,
}

impl From<RoleArg> for ConsoleRole {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Viewer => Self::Viewer,
            RoleArg::Operator => Self::Operator,
            RoleArg::Administrator => Self::Administrator,
        }
    }
}
