//! What is known of somebody.

use super::desk::PeopleError;
use super::factors::Totp;
use super::passkeys::Passkey;
use super::upstream::Connected;
use crate::app::App;
use bartizan_core::Timestamp;
use bartizan_core::people::ROLES_MAX;
use bartizan_store::Person as Row;
use serde::{Deserialize, Serialize};

/// Somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) name: String,
    version: i64,
    pub(super) record: Record,
}

/// What the database holds as text. No password is in it, and nothing by which one could act for the person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) display_name: String,
    pub(super) email: Option<String>,
    pub(super) email_verified: bool,
    pub(super) roles: Vec<String>,
    pub(super) tenant: Option<String>,
    pub(super) added: Timestamp,
    pub(super) disabled: bool,
    /// Hash of the password; `None` until one was set.
    pub(super) password: Option<String>,
    pub(super) password_set: Option<Timestamp>,
    /// A link by which a password can be set.
    pub(super) link: Option<Link>,
    /// An app that shows codes.
    pub(super) totp: Option<Totp>,
    /// Hashes of recovery codes, hex, each of which works once.
    pub(super) recovery: Vec<String>,
    pub(super) passkeys: Vec<Passkey>,
    /// Accounts at other providers. Whose each is, the database says; here is what is known of them.
    pub(super) connected: Vec<Connected>,
}

impl Record {
    /// Those that operators gave, and those that come of accounts elsewhere.
    pub(super) fn all_roles(&self) -> Vec<String> {
        let mut roles = self.roles.clone();
        for role in self.connected.iter().flat_map(|it| &it.roles) {
            if roles.len() < ROLES_MAX && !roles.contains(role) {
                roles.push(role.clone());
            }
        }
        roles
    }
}

/// See [`Record::link`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    /// Of what stands in the link, hex.
    pub(super) sha256: String,
    pub(super) until: Timestamp,
}

impl Person {
    pub(super) fn new(id: String, name: String, record: Record) -> Self {
        Self { id, name, version: 1, record }
    }

    pub(super) fn read(row: Row) -> Result<Self, PeopleError> {
        let Row { id, name, version, record } = row;
        let record = serde_json::from_str(&record).map_err(|_| PeopleError::Record(name.clone()))?;
        Ok(Self { id, name, version, record })
    }

    pub(super) fn row(&self) -> Row {
        let record = serde_json::to_string(&self.record).expect("it is plain data with text as keys");
        Row { id: self.id.clone(), name: self.name.clone(), version: self.version, record }
    }
}

/// What clients may be told of somebody who may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// Random, the same for ever, never somebody else's: `sub` of tokens.
    pub(crate) subject: String,
    pub(crate) username: String,
    pub(crate) display_name: String,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) roles: Vec<String>,
    pub(crate) tenant: Option<String>,
}

impl Account {
    /// `None` for somebody who may not sign in.
    pub(super) fn of(person: Person) -> Option<Self> {
        let Person { id, name, record, .. } = person;
        let roles = record.all_roles();
        let Record { display_name, email, email_verified, tenant, disabled, .. } = record;
        let it = Self { subject: id, username: name, display_name, email, email_verified, roles, tenant };
        (!disabled).then_some(it)
    }
}

/// What is known of a subject, for userinfo and for refresh. `None` for somebody who has gone or was disabled: nothing more is
/// to be given on that person's behalf.
///
/// # Errors
/// [`PeopleError`], where nobody can say. Give nothing then.
pub(crate) async fn account(app: &App, subject: &str) -> Result<Option<Account>, PeopleError> {
    let Some(desk) = app.people.desk(app).await? else { return Ok(None) };
    Ok(desk.person(subject).await?.and_then(Account::of))
}
