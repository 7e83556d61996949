//! A session, as it stands in its cookie: who it is, since when, and for how long.

use super::sealed::Carried;
use super::{CookieKeys, Fresh};
use crate::limits::SESSION_SEALED_EVERY;
use bartizan_core::Timestamp;
use bartizan_core::login::{LoggedIn, Login};
use bartizan_core::user::User;
use bartizan_tokens::{Revocations, Session as Named, TokenError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name.
    pub name: String,
    /// Who.
    #[serde(with = "whole")]
    pub user: User,
    /// When the provider said so.
    pub issued: Timestamp,
    /// The provider's session.
    pub sid: Option<String>,
    /// What came of it at our own authorization server.
    pub family: Option<String>,
    /// When control is asked what is to be said of the user now.
    pub renew: Option<Timestamp>,
    /// When it began.
    began: Timestamp,
    /// When this cookie was made.
    made: Timestamp,
}

impl Carried for Session {
    const WHAT: &'static str = "session 1";
}

impl Session {
    /// One that begins.
    pub fn begin(said: LoggedIn, now: Timestamp) -> Self {
        let LoggedIn { session: name, user, issued, sid, family, renew } = said;
        Self { name, user, issued, sid, family, renew, began: now, made: now }
    }

    /// The one in a cookie, where it still lasts.
    pub fn open(keys: &CookieKeys, text: &str, said: &Login, now: Timestamp) -> Option<Self> {
        <Self as Carried>::open(keys, text, now).filter(|session| session.lasts(said, now))
    }

    /// As the value of a cookie.
    pub fn seal(&self, keys: &CookieKeys, now: Timestamp) -> Option<String> {
        Carried::seal(self, keys, now)
    }

    fn lasts(&self, said: &Login, now: Timestamp) -> bool {
        let life = Duration::from_secs(said.life_s.into());
        // Another provider, or another client there, in the fleet file: those of before are nobody's.
        self.user.issuer == said.issuer
            && now < self.began.plus(life)
            && now < self.made.plus(said.idle())
            // Made by a gateway whose clock is far ahead, it would last for longer.
            && self.made <= now.plus(bartizan_core::limits::CLOCK_SKEW)
    }

    /// Whether it is still good.
    ///
    /// # Errors
    /// [`TokenError::Revoked`].
    pub fn judge(&self, revocations: &Revocations) -> Result<(), TokenError> {
        revocations.judge_session(&Named {
            issuer: &self.user.issuer,
            name: &self.name,
            family: self.family.as_deref(),
            session: self.sid.as_deref(),
            subject: &self.user.subject,
            issued: self.issued,
        })
    }

    /// Takes up what control said of it meanwhile.
    pub fn take_up(&mut self, fresh: Fresh) {
        match fresh {
            Fresh::Known(user, renew) => (self.user, self.renew) = (*user, renew),
            Fresh::Later(renew) => self.renew = renew,
        }
    }

    /// Whether the browser had better get another cookie, since it is used and would run out otherwise.
    pub fn is_to_be_sealed_again(&self, said: &Login, now: Timestamp) -> bool {
        now.since(self.made) >= SESSION_SEALED_EVERY.min(said.idle() / 8)
    }

    /// The same, used now.
    #[must_use]
    pub fn used(&self, now: Timestamp) -> Self {
        Self { made: now, ..self.clone() }
    }
}

/// A user in a form without names of fields: what it leaves out elsewhere where it is empty has its place here.
mod whole {
    use bartizan_core::user::User;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(user: &User, to: S) -> Result<S::Ok, S::Error> {
        let User { issuer, subject, client, scopes, roles, tenant, claims } = user;
        (issuer, subject, client, scopes, roles, tenant, claims).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<User, D::Error> {
        let (issuer, subject, client, scopes, roles, tenant, claims) = Deserialize::deserialize(from)?;
        Ok(User { issuer, subject, client, scopes, roles, tenant, claims })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::login::CookieKey;
    use bartizan_crypto::base64;
    use bartizan_tokens::{Revocation, Revoked};

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + s)
    }

    fn login() -> Login {
        Login {
            issuer: "https://login.test".into(),
            own: false,
            client: "c".into(),
            secret: None,
            scopes: vec!["openid".into()],
            origins: vec!["https://bank.test".into()],
            life_s: 1_000,
            idle_s: 100,
            after_logout: "/".into(),
        }
    }

    fn session() -> Session {
        let user = User { issuer: "https://login.test".into(), subject: "ana".into(), ..User::default() };
        let (sid, family) = (Some("sid".to_owned()), Some("family".to_owned()));
        Session::begin(LoggedIn { session: "s".into(), user, issued: at(0), sid, family, renew: Some(at(50)) }, at(0))
    }

    #[test]
    fn a_session_lasts_while_it_is_used_and_no_longer_than_its_life() {
        let key = CookieKey { id: 1, key: base64::encode_url(&[1; 32]), from: at(0), until: at(100_000) };
        let keys = CookieKeys::of(&[key]);
        let mut session = session();
        let cookie = session.seal(&keys, at(0)).unwrap();
        let open = |cookie: &str, now: u64| Session::open(&keys, cookie, &login(), at(now));
        assert_eq!(open(&cookie, 99), Some(session.clone()));
        assert_eq!(open(&cookie, 100), None, "it lay unused");
        for s in (50..=950).step_by(50) {
            session = open(&session.used(at(s)).seal(&keys, at(s)).unwrap(), s).unwrap();
        }
        let cookie = session.seal(&keys, at(950)).unwrap();
        assert!(open(&cookie, 999).is_some() && open(&cookie, 1_000).is_none(), "its life is over");
        let other = Login { issuer: "https://other.test".into(), ..login() };
        assert_eq!(Session::open(&keys, &cookie, &other, at(950)), None, "of another provider");
        let ahead = session.used(at(1_020)).seal(&keys, at(950)).unwrap();
        assert_eq!(open(&ahead, 950), None, "by a clock that is far ahead");
    }

    #[test]
    fn a_session_ends_by_each_of_its_names() {
        let session = session();
        for (what, ends) in [
            (Revoked::Token("s".into()), true),
            (Revoked::Family("family".into()), true),
            (Revoked::Session("sid".into()), true),
            (Revoked::Subject("ana".into(), at(0)), true),
            (Revoked::All(at(0)), true),
            (Revoked::Token("sid".into()), false),
            (Revoked::Session("s".into()), false),
            (Revoked::Subject("bob".into(), at(9)), false),
            (Revoked::Subject("ana".into(), Timestamp::from_secs(1_789_999_999)), false),
        ] {
            let of = |issuer: &str| {
                Revocations::new(1, vec![Revocation { issuer: issuer.into(), what: what.clone() }]).unwrap()
            };
            assert_eq!(session.judge(&of("https://login.test")).is_err(), ends, "{what:?}");
            assert!(session.judge(&of("https://other.test")).is_ok(), "{what:?} of another provider");
        }
    }
}
