//! People who sign in at the authorization server: what a fleet file says of them, and what control's local API says and takes.

use crate::name::ServiceName;
use crate::time::Timestamp;
use crate::upstream::Upstream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest name by which somebody signs in, in bytes: an e-mail address (RFC 5321 section 4.5.3.1).
pub const NAME_BYTES_MAX: usize = 254;
/// Longest name that others see, or tenant, in bytes.
pub const DISPLAY_BYTES_MAX: usize = 128;
/// Most roles of one person, a count.
pub const ROLES_MAX: usize = 64;
/// Longest name of a role, in bytes.
pub const ROLE_BYTES_MAX: usize = 64;
/// How long a session lasts at most where the fleet file does not say.
pub const SESSIONS: Duration = Duration::from_secs(12 * 3600);
/// How long a session lasts without being used where the fleet file does not say.
pub const IDLE: Duration = Duration::from_secs(3600);
/// Longest time of either that a fleet file may say: somebody who has not shown a password for a month is not known any more.
pub const SESSIONS_MAX: Duration = Duration::from_secs(30 * 86_400);

/// What a fleet file says under `authorization.people`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long a session lasts at most.
    pub sessions: Duration,
    /// How long it lasts without being used.
    pub idle: Duration,
    /// Whether everybody needs a second factor.
    pub second_factor: bool,
    /// Whoever has one of these roles needs one in any case.
    pub second_factor_for: Vec<String>,
    /// Identity providers elsewhere at which they may sign in, by name.
    pub providers: BTreeMap<ServiceName, Upstream>,
}

impl Rules {
    /// Whether somebody with these roles needs a second factor.
    pub fn wants_second_factor(&self, roles: &[String]) -> bool {
        self.second_factor || roles.iter().any(|role| self.second_factor_for.contains(role))
    }
}

/// Somebody's name in the form in which names are compared: lower case. `None` where it is no name: empty, too long, or with
/// anything but ASCII letters, digits and `.`, `_`, `-`, `+`, `@`. Two names that look alike would be two people.
pub fn name(text: &str) -> Option<String> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte);
    let is_name = !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(good);
    is_name.then(|| text.to_ascii_lowercase())
}

/// Whether a text can be shown: not empty, not too long, without control characters.
pub fn is_shown(text: &str, bytes_max: usize) -> bool {
    !text.trim().is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

/// `POST /v1/users/add`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddUser {
    /// By which the person signs in.
    pub name: String,
    /// What others see; the name where left out.
    pub display_name: Option<String>,
    /// An address.
    pub email: Option<String>,
    /// Whether that address was checked by whoever adds the person.
    #[serde(default)]
    pub email_verified: bool,
    /// What the person may be.
    #[serde(default)]
    pub roles: Vec<String>,
    /// To which tenant the person belongs.
    pub tenant: Option<String>,
}

/// Somebody, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct User {
    /// As in `sub` of tokens.
    pub subject: String,
    /// By which the person signs in.
    pub name: String,
    /// What others see.
    pub display_name: String,
    /// An address.
    pub email: Option<String>,
    /// Whether it was checked.
    pub email_verified: bool,
    /// What the person may be.
    pub roles: Vec<String>,
    /// To which tenant the person belongs.
    pub tenant: Option<String>,
    /// Since when there is such a person.
    pub added: Timestamp,
    /// Whether the person may not sign in.
    pub disabled: bool,
    /// When the password was set; `None` where none was.
    pub password_set: Option<Timestamp>,
    /// Until when a link can be used by which one can be set.
    pub link_until: Option<Timestamp>,
    /// Whether an app shows codes for the account.
    pub codes: bool,
    /// Recovery codes that are left.
    pub recovery_codes: usize,
    /// Passkeys, a count.
    pub passkeys: usize,
}

/// `GET /v1/users`: people by name, a part of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Users {
    /// Those of this part.
    pub users: Vec<User>,
    /// After which name the next part begins; `None` at the end.
    pub next: Option<String>,
}

/// `GET /v1/users/show`: one person with what goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UserDetail {
    /// The person.
    #[serde(flatten)]
    pub user: User,
    /// Sessions, the latest used first.
    pub sessions: Vec<UserSession>,
    /// What clients may do.
    pub consents: Vec<UserConsent>,
    /// Accounts elsewhere that are connected.
    #[serde(default)]
    pub elsewhere: Vec<UserElsewhere>,
}

/// An account at another provider that is connected with somebody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UserElsewhere {
    /// The provider's name here.
    pub provider: String,
    /// Its name in tokens.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// Since when.
    pub added: Timestamp,
    /// When somebody signed in by it last.
    pub used: Option<Timestamp>,
    /// Roles that come of it.
    pub roles: Vec<String>,
}

/// A session of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UserSession {
    /// Its name, which is no secret.
    pub session: String,
    /// Since when.
    pub began: Timestamp,
    /// When it was used last.
    pub seen: Timestamp,
    /// When it ends in any case.
    pub ends: Timestamp,
    /// From where it began.
    pub address: String,
    /// With what browser.
    pub agent: String,
    /// What was shown.
    pub amr: Vec<String>,
}

/// What somebody allowed a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UserConsent {
    /// Which.
    pub client: String,
    /// Where.
    pub audience: String,
    /// What: scopes with blanks between.
    pub scopes: String,
    /// When, last.
    pub at: Timestamp,
}

/// Body of the calls that are about one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfUser {
    /// By which the person signs in.
    pub name: String,
}

/// `POST /v1/users/reset`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetUser {
    /// By which the person signs in.
    pub name: String,
    /// Whether second factors go too.
    #[serde(default)]
    pub factors: bool,
}

/// `POST /v1/users/roles`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRoles {
    /// By which the person signs in.
    pub name: String,
    /// What the person may be from now on.
    #[serde(default)]
    pub add: Vec<String>,
    /// And what not any more.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A link by which somebody sets a password, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UserLink {
    /// As in `sub` of tokens: random, and never somebody else's.
    pub subject: String,
    /// By which the person signs in.
    pub name: String,
    /// The link; nobody can read it again.
    pub link: String,
    /// Until when it can be used.
    pub until: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_another_name_is_none() {
        for text in ["", "a b", "a\n", "ana\u{430}", "a/b", "a<b", "a\"b", &"a".repeat(255)] {
            assert_eq!(name(text), None, "{text:?}");
        }
        assert_eq!(name("Ana.B+x@Shop.test").as_deref(), Some("ana.b+x@shop.test"));
    }

    #[test]
    fn a_second_factor_is_for_all_or_for_some() {
        let rules = |second_factor, some: &[&str]| Rules {
            sessions: SESSIONS,
            idle: IDLE,
            second_factor,
            second_factor_for: some.iter().map(|it| (*it).to_owned()).collect(),
            providers: BTreeMap::new(),
        };
        let admin = ["admin".to_owned()];
        assert!(rules(true, &[]).wants_second_factor(&[]));
        assert!(rules(false, &["admin"]).wants_second_factor(&admin));
        assert!(!rules(false, &["admin"]).wants_second_factor(&["reader".to_owned()]));
        assert!(!rules(false, &[]).wants_second_factor(&admin));
    }
}
