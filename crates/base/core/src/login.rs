//! Browsers that log in at the gateway: what the fleet file says of it, what the gateway is told, and what it and control say to each
//! other about it. Plain data.

use crate::time::Timestamp;
use crate::user::User;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Below this the gateway answers itself; no route has a path there.
pub const OWN_PATHS: &str = "/.bartizan/";
/// Where the provider sends a browser back to.
pub const CALLBACK: &str = "/.bartizan/callback";
/// Where somebody logs out.
pub const LOGOUT: &str = "/.bartizan/logout";
/// Where the provider sends a browser once it signed somebody out.
pub const LOGGED_OUT: &str = "/.bartizan/logged-out";
/// Where the provider says that a session is over (OpenID Connect Back-Channel Logout).
pub const BACK_CHANNEL: &str = "/.bartizan/back-channel-logout";

/// How the names of all our cookies begin. `__Host-`: for this host alone, over TLS alone, for all paths.
pub const COOKIES: &str = "__Host-bartizan";
/// The cookie of a session.
pub const SESSION_COOKIE: &str = "__Host-bartizan";
/// How the name of a cookie begins that a browser carries while somebody logs in.
pub const STATE_COOKIE: &str = "__Host-bartizan-login-";

/// Cookies of the fleet's own authorization server. A browser does not tell ports of a host apart: where the gateway is on the same
/// host, it is sent them.
pub const SERVER_COOKIES: &[&str] =
    &["__Host-session", "__Host-form", "__Host-step", "__Host-known", "__Host-elsewhere"];

/// Life of a session where nothing is said: a working day.
pub const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Longest life of a session.
pub const LIFE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a session lasts without being used, where nothing is said.
pub const IDLE: Duration = Duration::from_secs(3600);
/// Longest such time: what was ended is remembered for as long.
pub const IDLE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Most origins of a gateway, a count: each is registered with the provider.
pub const ORIGINS_MAX: usize = 16;

/// What a fleet file says under `gateway.login`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The provider, by its `iss`.
    pub issuer: String,
    /// Whether that is the fleet's own authorization server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// The gateway's name at the provider (`client_id`).
    pub client: String,
    /// File with its secret there, relative to the fleet file. The gateway is not told.
    #[serde(skip)]
    pub secret: Option<String>,
    /// What is asked for; `openid` among it.
    pub scopes: Vec<String>,
    /// Where browsers find the gateway, as they say it; at least one.
    pub origins: Vec<String>,
    /// How long a session lasts at most, in seconds.
    pub life_s: u32,
    /// How long it lasts without being used, in seconds.
    pub idle_s: u32,
    /// Where a browser goes after somebody logged out: a path here.
    pub after_logout: String,
}

impl Login {
    /// The origin of requests that name `host`, as browsers say it.
    pub fn origin_of(&self, host: &str) -> Option<&str> {
        let is = |origin: &&String| origin.strip_prefix("https://").is_some_and(|it| it.eq_ignore_ascii_case(host));
        self.origins.iter().find(is).map(String::as_str)
    }

    /// For how long a session cookie counts at most after it was made.
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_s.into())
    }
}

/// What the gateway is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginSide {
    /// What the fleet file says.
    pub said: Login,
    /// What the provider says of itself; `None` where it was not reached yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
}

/// What a provider says of itself, as far as the gateway has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Where somebody logs in.
    pub authorize: String,
    /// Whether it says who it is when it sends a browser back (RFC 9207).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_itself: bool,
}

/// What the gateway asks control.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The keys of cookies.
    Keys,
    /// Somebody came back with a code.
    Redeem(Redeem),
    /// What is to be said of the user of a session now.
    Renew {
        /// Its name.
        session: String,
    },
    /// A session is over.
    End(End),
    /// The provider says that a session is over.
    BackChannel {
        /// Its logout token.
        token: String,
    },
}

/// What a browser came back with, and what was kept for it.
#[derive(Serialize, Deserialize)]
pub struct Redeem {
    /// The provider's code.
    pub code: String,
    /// The secret whose hash went along (PKCE).
    pub verifier: String,
    /// What the ID token has to say.
    pub nonce: String,
    /// Where the browser was sent back to.
    pub redirect_uri: String,
}

impl std::fmt::Debug for Redeem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redeem").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

/// A session that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct End {
    /// Its name.
    pub session: String,
    /// Whose it was.
    pub subject: String,
    /// The provider's session.
    pub sid: Option<String>,
    /// What came of it at the provider, where that has a name.
    pub family: Option<String>,
    /// Where the browser is to go afterwards, at the gateway.
    pub back_to: String,
}

/// What control answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The keys of cookies, all that count or will.
    Keys(Vec<CookieKey>),
    /// Somebody is logged in.
    LoggedIn(Box<LoggedIn>),
    /// What is said of the user now, and when to ask again; no more where `None`.
    Renewed(Box<User>, Option<Timestamp>),
    /// Nothing is known of the session beyond what its cookie says, or the provider cannot be asked; ask again then, or not at all.
    Later(Option<Timestamp>),
    /// It is over, and everybody hears of it. Where the browser is to go, if elsewhere than back.
    Ended(Option<String>),
    /// No: what is said to the operator.
    Refused(String),
    /// It cannot be done now: what is said to the operator.
    Unable(String),
}

/// A key of cookies.
#[derive(Clone, Serialize, Deserialize)]
pub struct CookieKey {
    /// Its name, which is no secret.
    pub id: u32,
    /// 32 bytes, base64url.
    pub key: String,
    /// From when on cookies are made with it.
    pub from: Timestamp,
    /// From when on none that was made with it counts.
    pub until: Timestamp,
}

impl std::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CookieKey").field("id", &self.id).field("from", &self.from).finish_non_exhaustive()
    }
}

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedIn {
    /// The name of the session, new.
    pub session: String,
    /// Who.
    pub user: User,
    /// When the provider said so.
    pub issued: Timestamp,
    /// The provider's session (`sid`).
    pub sid: Option<String>,
    /// What came of it at our own authorization server.
    pub family: Option<String>,
    /// When to ask what is to be said of the user, with [`Ask::Renew`].
    pub renew: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_found_by_the_host_that_a_browser_names_and_no_other() {
        let login = Login {
            issuer: "https://login.test".into(),
            own: false,
            client: "c".into(),
            secret: Some("file".into()),
            scopes: vec!["openid".into()],
            origins: vec!["https://bank.test".into(), "https://127.0.0.1:8443".into()],
            life_s: 1,
            idle_s: 1,
            after_logout: "/".into(),
        };
        assert_eq!(login.origin_of("127.0.0.1:8443"), Some("https://127.0.0.1:8443"));
        assert_eq!(login.origin_of("BANK.test"), Some("https://bank.test"));
        for other in ["bank.test:8443", "bank.test.", "a.bank.test", "", "https://bank.test", "127.0.0.1"] {
            assert_eq!(login.origin_of(other), None, "{other}");
        }
        let json = serde_json::to_string(&login).unwrap();
        assert!(!json.contains("file"), "the gateway is not told of the secret: {json}");
    }
}
