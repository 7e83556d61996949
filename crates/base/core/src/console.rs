//! The console: what a fleet file says of it, who may do what there, and what control's API says of its door.

use crate::federation::WebFiles;
use crate::host::Authority;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

/// Most names under which a console is found, a count.
pub const HOSTS_MAX: usize = 16;
/// Longest name of somebody who comes by a link, in bytes.
pub const LINK_NAME_BYTES_MAX: usize = 64;
/// For how long a link can be used where nobody says it, in minutes.
pub const LINK_MINUTES: u32 = 10;
/// For how long at most.
pub const LINK_MINUTES_MAX: u32 = 24 * 60;
/// What stands before the role in the name of a role of people that opens the console without being mapped.
pub const ROLE_PREFIX: &str = "bartizan:";

/// What a fleet file says under `console`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// `console: off`: there is none.
    pub off: bool,
    /// Where it listens; where the plan says it where `None`.
    pub listen: Option<SocketAddr>,
    /// Its certificate of the web; plain HTTP, on loopback alone, where `None`. Files are relative to the fleet file.
    pub web: Option<WebFiles>,
    /// Names under which browsers find it, beside the address that it listens on.
    pub hosts: Vec<String>,
    /// What people with which roles may do.
    pub roles: BTreeMap<String, ConsoleRole>,
}

impl Console {
    /// What somebody with these roles of people may do; `None` for nothing.
    pub fn role_of(&self, roles: &[String]) -> Option<ConsoleRole> {
        let named = |role: &String| role.strip_prefix(ROLE_PREFIX).and_then(ConsoleRole::parse);
        roles.iter().filter_map(|role| self.roles.get(role).copied().max(named(role))).max()
    }
}

/// What somebody may do at the console. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleRole {
    /// Look.
    Viewer,
    /// Do what can be undone: reload, revoke, take keys back.
    Operator,
    /// Everything that the command line may.
    Administrator,
}

impl ConsoleRole {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Administrator];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// The one of that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for ConsoleRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a text can be the name of a host in a browser's `Host`, in the form in which it is compared: lower case, with or without a
/// port.
pub fn host(text: &str) -> Option<String> {
    Authority::parse(text).map(|it| it.to_string())
}

/// How the console stands, in `GET /v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConsoleStatus {
    /// Where browsers find it; `None` where there is none, or it cannot be served.
    pub url: Option<String>,
    /// Whether its pages are in this build of control.
    pub built: bool,
    /// Whether nobody has signed in yet.
    pub first_run: bool,
    /// Sessions that last, a count.
    pub sessions: usize,
    /// Why it is not served, where it should be, or why it shows another certificate than its files hold.
    pub problem: Option<String>,
}

/// `POST /v1/links`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeLink {
    /// What whoever comes by it may do.
    pub role: ConsoleRole,
    /// How that one is called, in events and at the console.
    pub name: String,
    /// For how long it can be used; [`LINK_MINUTES`] where left out.
    #[serde(default)]
    pub minutes: Option<u32>,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConsoleLink {
    /// The address; it opens the console once.
    pub link: String,
    /// Until when.
    pub until: Timestamp,
    /// What it opens it for.
    pub role: ConsoleRole,
    /// For whom.
    pub name: String,
}

/// How somebody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// By a link.
    Link,
    /// By a password.
    Password,
    /// At the socket: whoever may read control's data folder.
    Socket,
}

/// One session, in `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConsoleSession {
    /// Its name, which opens nothing.
    pub session: String,
    /// Whose.
    pub name: String,
    /// What that one may do.
    pub role: ConsoleRole,
    /// How that one came.
    pub way: Way,
    /// Since when.
    pub began: Timestamp,
    /// When it was used last.
    pub seen: Timestamp,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// From where, and with what browser.
    pub address: String,
    /// The browser's own words.
    pub agent: String,
}

/// `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConsoleSessions {
    /// Those that last, the newest first.
    pub sessions: Vec<ConsoleSession>,
}

/// `POST /v1/sessions/end`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EndSessions {
    /// The session of that name.
    pub session: Option<String>,
    /// All of that one.
    pub name: Option<String>,
    /// All that there are.
    pub all: bool,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EndedSessions {
    /// Sessions that ended, a count.
    pub ended: usize,
}

/// `GET /v1/me`: who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Me {
    /// How that one is called.
    pub name: String,
    /// What that one may do.
    pub role: ConsoleRole,
    /// How that one came.
    pub way: Way,
    /// When the session ends at the latest; `None` at the socket.
    pub until: Option<Timestamp>,
    /// What every request that changes something has to carry in `bartizan-csrf`; `None` at the socket.
    pub csrf: Option<String>,
}

/// `GET /sign-in/state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SignInState {
    /// Whether nobody has signed in yet.
    pub first_run: bool,
    /// Whether name and password can be used here.
    pub people: bool,
    /// Which fleet it is.
    pub fleet: String,
}

/// `POST /sign-in/link`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInByLink {
    /// What stands in the link behind `#`.
    pub token: String,
}

/// What both ways of signing in answer, beside the cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SignedIn {
    /// How that one is called.
    pub name: String,
    /// What that one may do.
    pub role: ConsoleRole,
}

/// `POST /sign-in/password`.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInByPassword {
    /// By which the person signs in.
    pub name: String,
    /// Its password.
    pub password: String,
    /// A code of an app, or a recovery code, where one is wanted.
    #[serde(default)]
    pub code: Option<String>,
}

/// `POST /sign-in/out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SignedOut {
    /// Always: the session is over.
    pub signed_out: bool,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Refusal {
    /// What is wrong, for people.
    pub error: String,
    /// Of name and password: whether a code is wanted with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wants_code: Option<bool>,
}

impl fmt::Debug for SignInByPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignInByPassword(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_any_role_opens_counts() {
        let console = Console {
            roles: BTreeMap::from([
                ("admins".to_owned(), ConsoleRole::Administrator),
                ("staff".to_owned(), ConsoleRole::Viewer),
            ]),
            ..Console::default()
        };
        let role = |roles: &[&str]| console.role_of(&roles.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(role(&[]), None);
        assert_eq!(role(&["administrator", "bartizan:root", "bartizan", "viewer"]), None, "no such role");
        assert_eq!(role(&["staff"]), Some(ConsoleRole::Viewer));
        assert_eq!(role(&["staff", "bartizan:operator"]), Some(ConsoleRole::Operator));
        assert_eq!(role(&["admins", "staff"]), Some(ConsoleRole::Administrator));
    }

    #[test]
    fn hosts_are_names_with_or_without_a_port() {
        for (text, found) in [
            ("Console.Bank.test", Some("console.bank.test")),
            ("console.bank.test:8444", Some("console.bank.test:8444")),
            ("localhost", Some("localhost")),
            ("10.0.0.7:8444", Some("10.0.0.7:8444")),
            ("[::1]:8444", Some("[::1]:8444")),
            ("", None),
            ("bank.test:+1", None),
            ("10.7", None),
            (".bank.test", None),
            ("bank.test:0", None),
            ("bank.test:http", None),
            ("https://bank.test", None),
            ("bank.test/x", None),
            ("*.bank.test", None),
            ("a b", None),
        ] {
            assert_eq!(host(text).as_deref(), found, "{text}");
        }
    }
}
