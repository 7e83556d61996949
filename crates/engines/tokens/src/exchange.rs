//! Token exchange (RFC 8693): whether a caller gets a token for another audience on behalf of a token's subject.
//!
//! What the subject token holds decides the way, never which parameters came. The actor is whoever asks, by its own identity;
//! a caller cannot leave itself out, nor name somebody else. So there is one way only: who acted before stays, the caller is
//! put before them, scopes and life can become less, and the new token is bound to the caller. Absent on purpose:
//! impersonation.

use crate::access::SubjectToken;
use crate::actors::{Party, is_party};
use crate::binding::Binding;
use crate::limits::{ACCESS_TTL, ACTORS_MAX};
use crate::mint::Access;
use crate::scopes::Scopes;
use bartizan_core::Timestamp;
use serde_json::Value;

/// What policy lets a caller have at one audience, on behalf of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Where.
    pub audience: String,
    /// What, at most; what the subject token does not allow it does not get either.
    pub scopes: Scopes,
}

/// What is asked, after who asks was found out.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// On whose behalf.
    pub subject: &'a SubjectToken,
    /// Who asks: the identity of the connection, never a parameter.
    pub caller: &'a Party,
    /// What the caller's new token is bound to: its certificate or its key.
    pub binding: Binding,
    /// Whom `actor_token` names, where one came and was found good. It can only agree.
    pub named_actor: Option<&'a Party>,
    /// The audience that is asked for.
    pub audience: &'a str,
    /// The scopes that are asked for; all that are possible where none are named.
    pub scopes: Option<&'a Scopes>,
}

/// What the answer goes by, besides the token.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Our own name as issuer: subjects of others are other people of the same name.
    pub issuer: &'a str,
    /// What policy lets this caller have.
    pub ceilings: &'a [Ceiling],
    /// Whether only those may act whom the token itself names (`may_act`).
    pub needs_may_act: bool,
}

/// Why nothing is issued. The API answers 400 with [`ExchangeError::code`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The subject token is of another issuer.
    #[error("the subject token is of issuer `{0}`, whose subjects are not ours")]
    ForeignSubject(String),
    /// It ran out between its check and now.
    #[error("the subject token has run out")]
    Expired,
    /// `actor_token` names somebody else than whoever asks.
    #[error("the actor token names `{named}`, and `{caller}` asks")]
    OtherActor {
        /// Whom it names.
        named: String,
        /// Who asks.
        caller: String,
    },
    /// The token says who may act, and it is not the caller; or it has to say so, and does not.
    #[error("the subject token does not let `{0}` act (`may_act`)")]
    MayNotAct(String),
    /// As many acted already as may.
    #[error("{ACTORS_MAX} actors are in the chain already; a call does not go further than that")]
    TooDeep,
    /// Policy does not let the caller go there.
    #[error("`{caller}` may not have a token for `{audience}`")]
    Audience {
        /// Who asks.
        caller: String,
        /// Where to.
        audience: String,
    },
    /// More is asked for than subject token and policy allow together.
    #[error("more scopes are asked for than `{0}`, which is what subject token and policy allow together")]
    Scopes(Scopes),
    /// The caller shows neither a certificate nor a key, and a token that is bound to nothing is not issued.
    #[error("the caller shows nothing that the new token could be bound to")]
    Unbound,
}

impl ExchangeError {
    /// The `error` of the answer (RFC 8693 section 2.2.2, RFC 8707 section 2).
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Audience { .. } => "invalid_target",
            Self::Scopes(_) => "invalid_scope",
            Self::ForeignSubject(_) | Self::Expired => "invalid_grant",
            Self::OtherActor { .. } | Self::MayNotAct(_) | Self::TooDeep | Self::Unbound => "invalid_request",
        }
    }
}

/// Claims that go on as they are: how the subject logged in, and who may act further.
const KEPT: &[&str] = &["acr", "amr", "auth_time", "may_act"];

/// Decides; the answer is what [`crate::mint::access`] makes into a token.
///
/// # Errors
/// [`ExchangeError`].
pub fn exchange(asked: &Exchange<'_>, rules: &Rules<'_>, now: Timestamp) -> Result<Access, ExchangeError> {
    let subject = asked.subject.token();
    if subject.issuer != rules.issuer {
        return Err(ExchangeError::ForeignSubject(subject.issuer.clone()));
    }
    if now >= subject.expires {
        return Err(ExchangeError::Expired);
    }
    check_actor(asked, rules)?;
    if asked.binding.is_none() {
        return Err(ExchangeError::Unbound);
    }
    let actors = subject.actors.with(asked.caller).ok_or(ExchangeError::TooDeep)?;
    let scopes = scopes(asked, rules)?;
    let mut access = Access::new(&subject.subject, &asked.caller.subject, asked.audience);
    access.scopes = scopes;
    access.binding = asked.binding;
    access.family.clone_from(&subject.family);
    access.ttl = ACCESS_TTL.min(subject.expires.since(now));
    for name in KEPT {
        if let Some(value) = subject.claims.get(*name) {
            access.more.insert((*name).to_owned(), value.clone());
        }
    }
    access.more.extend(actors.to_json().map(|act| ("act".to_owned(), act)));
    Ok(access)
}

fn check_actor(asked: &Exchange<'_>, rules: &Rules<'_>) -> Result<(), ExchangeError> {
    let caller = asked.caller;
    if let Some(named) = asked.named_actor.filter(|named| *named != caller) {
        let (named, caller) = (named.subject.clone(), caller.subject.clone());
        return Err(ExchangeError::OtherActor { named, caller });
    }
    let may = match asked.subject.token().claims.get("may_act") {
        None => !rules.needs_may_act,
        Some(Value::Object(named)) => is_party(named, caller),
        Some(_) => false,
    };
    if may { Ok(()) } else { Err(ExchangeError::MayNotAct(caller.subject.clone())) }
}

fn scopes(asked: &Exchange<'_>, rules: &Rules<'_>) -> Result<Scopes, ExchangeError> {
    let ceiling = rules.ceilings.iter().find(|ceiling| ceiling.audience == asked.audience);
    let ceiling = ceiling.ok_or_else(|| ExchangeError::Audience {
        caller: asked.caller.subject.clone(),
        audience: asked.audience.to_owned(),
    })?;
    let possible = asked.subject.token().scopes.common(&ceiling.scopes);
    match asked.scopes {
        None => Ok(possible),
        Some(wanted) if wanted.are_within(&possible) => Ok(wanted.clone()),
        Some(_) => Err(ExchangeError::Scopes(possible)),
    }
}
