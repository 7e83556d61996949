//! `bartizan porter`: the process in a program's network namespace.

use crate::args::PorterArgs;
use crate::failure::Failure;
use bartizan_node::netns::{self, Redirect};
use std::os::fd::AsFd;

/// Serves until who started it is gone; its socket is our standard input.
pub(crate) fn run(args: &PorterArgs) -> Result<(), Failure> {
    let starter = std::io::stdin().as_fd().try_clone_to_owned();
    let starter = starter.map_err(|error| Failure::new(format!("there is no socket on standard input: {error}")))?;
    let redirect = args.nft.as_deref().zip(args.redirect_to).map(|(nft, port)| Redirect { nft, means: args.by, port });
    netns::run(starter, args.way, redirect).map_err(|error| Failure::new(error.to_string()))
}
