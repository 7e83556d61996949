//! What operators do with people, over the local API. None of it shows or sets a password.

use super::deeds;
use super::desk::PeopleError;
use super::links;
use super::paths;
use super::person::{Person, Record};
use crate::app::App;
use bartizan_core::Timestamp;
use bartizan_core::event::Deed;
use bartizan_core::people::{
    AddUser, DISPLAY_BYTES_MAX, NAME_BYTES_MAX, ROLE_BYTES_MAX, ROLES_MAX, UserLink, is_shown, name,
};
use bartizan_crypto::{hash, random};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// The fleet file has no people.
    #[error("nobody signs in at this fleet; write `people: {{}}` under `authorization` in the fleet file")]
    NotServed,
    /// Something of it cannot be.
    #[error("{0}")]
    Invalid(String),
    /// Another person has the name.
    #[error("there is somebody called `{0}` already")]
    Taken(String),
    /// The database did not do it.
    #[error(transparent)]
    People(#[from] PeopleError),
}

/// Adds somebody, with a link by which that person sets a password.
pub(crate) async fn add(app: &App, wanted: AddUser, by: &str, now: Timestamp) -> Result<UserLink, UserError> {
    let AddUser { name: named, display_name, email, email_verified, roles, tenant } = wanted;
    let name = name(&named).ok_or_else(|| {
        let why = format!("not 1 to {NAME_BYTES_MAX} letters, digits and `.`, `_`, `-`, `+`, `@`");
        UserError::Invalid(format!("`{named}` cannot be a name: {why}"))
    })?;
    check(&display_name, "a name to show", DISPLAY_BYTES_MAX)?;
    check(&email, "an address", NAME_BYTES_MAX)?;
    check(&tenant, "a tenant", DISPLAY_BYTES_MAX)?;
    check_roles(&roles)?;
    let Some(desk) = app.people.desk(app).await? else { return Err(UserError::NotServed) };
    let id = hash::hex(&random::bytes::<16>());
    let (text, link) = links::make(&id, now);
    let until = link.until;
    let record = Record {
        display_name: display_name.unwrap_or_else(|| name.clone()),
        email,
        email_verified,
        roles,
        tenant,
        added: now,
        link: Some(link),
        ..Record::default()
    };
    let person = Person::new(id.clone(), name.clone(), record);
    if !desk.store.add(&person.row()).await.map_err(PeopleError::from)? {
        return Err(UserError::Taken(name));
    }
    deeds::tell_of(app, &id, &name, Deed::Added, by);
    Ok(UserLink { subject: id, name, link: address(app, &text), until })
}

fn address(app: &App, link: &str) -> String {
    let in_force = app.in_force();
    let issuer = in_force.desired.fleet.authorization.as_ref().map(|said| said.issuer.as_str()).unwrap_or_default();
    format!("{issuer}{}?link={link}", paths::WELCOME)
}

fn check(text: &Option<String>, what: &str, bytes_max: usize) -> Result<(), UserError> {
    match text {
        Some(text) if !is_shown(text, bytes_max) => {
            Err(UserError::Invalid(format!("`{text}` cannot be {what}: not 1 to {bytes_max} plain characters")))
        }
        _ => Ok(()),
    }
}

fn check_roles(roles: &[String]) -> Result<(), UserError> {
    if roles.len() > ROLES_MAX {
        return Err(UserError::Invalid(format!("{} roles are more than {ROLES_MAX}", roles.len())));
    }
    roles.iter().try_for_each(|role| check(&Some(role.clone()), "a role", ROLE_BYTES_MAX))
}
