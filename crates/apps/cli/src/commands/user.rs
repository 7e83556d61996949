//! `bartizan user`.

use super::{place, print, print_json, unanswered};
use crate::args::{AddUserArgs, UserCommand};
use crate::failure::Failure;
use crate::render::utc;
use bartizan_core::people::{AddUser, UserLink};
use bartizan_runtime::local;

/// Does what is asked with people.
pub(crate) async fn run(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add(args) => add(args).await,
    }
}

async fn add(args: AddUserArgs) -> Result<(), Failure> {
    let AddUserArgs { name, display_name, email, email_verified, roles, tenant, data: how } = args;
    let data = place(&how.place)?;
    let wanted = AddUser { name, display_name, email, email_verified, roles, tenant };
    let added: UserLink = local::post(&data.control_socket(), "/v1/users/add", &wanted)
        .await
        .map_err(|error| unanswered(&data, &error))?;
    if how.json { print_json(&added) } else { print(&told(&added)) }
}

fn told(link: &UserLink) -> String {
    let UserLink { subject, name, link, until } = link;
    format!("{name} ({subject})\nto set a password, once, until {}:\n{link}\n", utc(*until))
}
