//! What operators do with people, over the local API. None of it shows or sets a password.

use super::deeds;
use super::desk::{Desk, PeopleError};
use super::ended::{self, Ended};
use super::links;
use super::paths;
use super::person::{Person, Record};
use super::session;
use crate::app::App;
use bartizan_core::Timestamp;
use bartizan_core::event::Deed;
use bartizan_core::people::{
    AddUser, ChangeRoles, DISPLAY_BYTES_MAX, NAME_BYTES_MAX, ROLE_BYTES_MAX, ROLES_MAX, User, UserConsent, UserDetail,
    UserElsewhere, UserLink, UserSession, Users, is_shown, name,
};
use bartizan_crypto::{hash, random};
use bartizan_store::{Consent, QUERY_PEOPLE_MAX, Session};
use std::sync::Arc;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// The fleet file has no people.
    #[error("nobody signs in at this fleet; write `people: {{}}` under `authorization` in the fleet file")]
    NotServed,
    /// Something of it cannot be.
    #[error("{0}")]
    Invalid(String),
    /// Nobody has the name.
    #[error("nobody is called `{0}`; `bartizan user list` lists everybody")]
    Unknown(String),
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
    let desk = desk(app).await?;
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

/// People by name, those that come after `after`.
pub(crate) async fn list(app: &App, after: &str) -> Result<Users, UserError> {
    let desk = desk(app).await?;
    let rows = desk.store.people_after(after).await.map_err(PeopleError::from)?;
    let whole = rows.len() >= usize::try_from(QUERY_PEOPLE_MAX).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| whole).map(|row| row.name.clone());
    let users = rows.into_iter().map(|row| Person::read(row).map(told)).collect::<Result<_, _>>()?;
    Ok(Users { users, next })
}

/// One person, with sessions and consents.
pub(crate) async fn show(app: &App, named: &str) -> Result<UserDetail, UserError> {
    let (desk, person) = find(app, named).await?;
    let sessions = desk.store.sessions_of(&person.id).await.map_err(PeopleError::from)?;
    let consents = desk.store.consents_of(&person.id).await.map_err(PeopleError::from)?;
    let session = |row: Session| {
        let record: session::Record = serde_json::from_str(&row.record).ok()?;
        let amr = record.amr();
        let session::Record { began, address, agent, .. } = record;
        Some(UserSession { session: row.id, began, seen: row.seen, ends: row.ends, address, agent, amr })
    };
    let consent = |it: Consent| {
        let Consent { client, audience, scopes, at, .. } = it;
        UserConsent { client, audience, scopes, at }
    };
    let elsewhere = person.record.connected.iter().map(|it| UserElsewhere {
        provider: it.provider.clone(),
        issuer: it.issuer.clone(),
        subject: it.subject.clone(),
        added: it.added,
        used: it.used,
        roles: it.roles.clone(),
    });
    Ok(UserDetail {
        elsewhere: elsewhere.collect(),
        user: told(person),
        sessions: sessions.into_iter().filter_map(session).collect(),
        consents: consents.into_iter().map(consent).collect(),
    })
}

/// Lets somebody sign in no more, or again. What was given on that person's account is taken back.
pub(crate) async fn set_disabled(
    app: &App,
    named: &str,
    disabled: bool,
    by: &str,
    now: Timestamp,
) -> Result<User, UserError> {
    let (desk, person) = find(app, named).await?;
    let deed = if disabled { Deed::Disabled } else { Deed::Enabled };
    let user = change(app, &desk, &person, deed, by, |record| record.disabled = disabled).await?;
    if disabled {
        session::end_all(app, &desk, &person.id, None, now).await?;
    }
    Ok(user)
}

/// Takes the password away, with `factors` everything else too, ends all sessions, and gives a link to set another one.
pub(crate) async fn reset(
    app: &App,
    named: &str,
    factors: bool,
    by: &str,
    now: Timestamp,
) -> Result<UserLink, UserError> {
    let (desk, person) = find(app, named).await?;
    let (text, link) = links::make(&person.id, now);
    let until = link.until;
    let reset = |record: &mut Record| {
        (record.password, record.password_set, record.link) = (None, None, Some(link.clone()));
        if factors {
            record.totp = None;
            record.recovery.clear();
            record.passkeys.clear();
            record.connected.clear();
        }
    };
    change(app, &desk, &person, Deed::Invited, by, reset).await?;
    if factors {
        desk.store.disconnect_all(&person.id).await.map_err(PeopleError::from)?;
        deeds::tell_of(app, &person.id, &person.name, Deed::FactorRemoved, by);
    }
    session::end_all(app, &desk, &person.id, None, now).await?;
    Ok(UserLink { subject: person.id, name: person.name, link: address(app, &text), until })
}

/// Removes somebody for good: the subject is never given to anybody else, the name may be.
pub(crate) async fn remove(app: &App, named: &str, by: &str, now: Timestamp) -> Result<User, UserError> {
    let (desk, person) = find(app, named).await?;
    session::end_all(app, &desk, &person.id, None, now).await?;
    desk.store.remove(&person.id).await.map_err(PeopleError::from)?;
    // Again: a session may have begun in between, and went with the person.
    ended::tell(app, &Ended { subject: person.id.clone(), sessions: Vec::new(), everything: true }, now);
    deeds::tell_of(app, &person.id, &person.name, Deed::Removed, by);
    Ok(told(person))
}

/// Ends all sessions of somebody, and takes back what was given on their account.
pub(crate) async fn sign_out_all(app: &App, named: &str, by: &str, now: Timestamp) -> Result<User, UserError> {
    let (desk, person) = find(app, named).await?;
    session::end_all(app, &desk, &person.id, None, now).await?;
    deeds::tell_of(app, &person.id, &person.name, Deed::SignedOut, by);
    Ok(told(person))
}

/// Gives and takes roles.
pub(crate) async fn change_roles(app: &App, wanted: ChangeRoles, by: &str) -> Result<User, UserError> {
    let ChangeRoles { name, add, remove } = wanted;
    check_roles(&add)?;
    let (desk, person) = find(app, &name).await?;
    let mut roles: Vec<_> = person.record.roles.clone();
    roles.retain(|role| !remove.contains(role));
    for role in add {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    check_roles(&roles)?;
    change(app, &desk, &person, Deed::RolesSet, by, |record| record.roles.clone_from(&roles)).await
}

async fn desk(app: &App) -> Result<Arc<Desk>, UserError> {
    app.people.desk(app).await?.ok_or(UserError::NotServed)
}

async fn find(app: &App, named: &str) -> Result<(Arc<Desk>, Person), UserError> {
    let desk = desk(app).await?;
    let unknown = || UserError::Unknown(named.to_owned());
    let person = desk.person_named(&name(named).ok_or_else(unknown)?).await?.ok_or_else(unknown)?;
    Ok((desk, person))
}

async fn change(
    app: &App,
    desk: &Desk,
    person: &Person,
    deed: Deed,
    by: &str,
    mut change: impl FnMut(&mut Record),
) -> Result<User, UserError> {
    let changed = desk.change(&person.id, |record| {
        change(record);
        Some(record.clone())
    });
    let record = changed.await?.ok_or_else(|| UserError::Unknown(person.name.clone()))?;
    deeds::tell_of(app, &person.id, &person.name, deed, by);
    Ok(told(Person::new(person.id.clone(), person.name.clone(), record)))
}

fn told(person: Person) -> User {
    let Person { id, name, record, .. } = person;
    User {
        subject: id,
        name,
        display_name: record.display_name,
        email: record.email,
        email_verified: record.email_verified,
        roles: record.roles,
        tenant: record.tenant,
        added: record.added,
        disabled: record.disabled,
        password_set: record.password_set,
        link_until: record.link.map(|link| link.until),
        codes: record.totp.is_some(),
        recovery_codes: record.recovery.len(),
        passkeys: record.passkeys.len(),
    }
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
