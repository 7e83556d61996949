//! Access tokens as RFC 9068 has them: whether one is believed from whoever shows it, and what it says.

use crate::actors::Actors;
use crate::binding::{Binding, BindingError};
use crate::claims::{audiences, date, needed_date, needed_id, needed_text, text};
use crate::error::{TokenError, foreign};
use crate::issuer::{Issuer, Issuers};
use crate::limits::{ACCESS_LIFE_MAX, SKEW};
use crate::scopes::Scopes;
use bartizan_core::Timestamp;
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jose::{EmbeddedKey, JoseError, Unverified};

/// The `typ` of an access token.
pub const TYP: &str = "at+jwt";
/// The claim by which a family of tokens is revoked at once: all that came of one log-in or one grant.
pub const FAMILY: &str = "bartizan_family";

/// What somebody shows.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The token's text.
    pub token: &'a str,
    /// SHA-256 of the client certificate (DER) of the connection that it came by.
    pub certificate: Option<&'a [u8; 32]>,
    /// Thumbprint of the key of the proof that came with it, found good before ([`crate::dpop`]).
    pub proof_key: Option<&'a [u8; 32]>,
}

/// A token that was found good. [`verify_access`] is the only constructor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AccessToken {
    /// Who issued it.
    pub issuer: String,
    /// By which of its keys.
    pub kid: String,
    /// Whom it speaks for: `sub`, unique within its issuer.
    pub subject: String,
    /// The client that it was given to.
    pub client_id: String,
    /// Whom it is for.
    pub audiences: Vec<String>,
    /// What it allows.
    pub scopes: Scopes,
    /// Its own name.
    pub jti: String,
    /// The family that it belongs to, where it has one.
    pub family: Option<String>,
    /// When it was issued.
    pub issued: Timestamp,
    /// The first moment at which it is not believed any more.
    pub expires: Timestamp,
    /// What it is bound to.
    pub binding: Binding,
    /// Who acted on the way to whoever shows it.
    pub actors: Actors,
    /// All of its claims.
    pub claims: Object,
}

/// Checks a token that was shown to `audience`.
///
/// In this order: form and header, issuer, algorithm, key, signature, kind, dates, claims, audience, binding. What the token
/// says is used before its signature was checked only to find the issuer.
///
/// # Errors
/// [`TokenError`], never [`TokenError::Revoked`].
pub fn verify_access(
    issuers: &Issuers,
    shown: &Presented<'_>,
    audience: &str,
    now: Timestamp,
) -> Result<AccessToken, TokenError> {
    let token = read_signed(issuers, shown.token, now)?;
    token.check(shown, audience, now)?;
    Ok(token)
}

/// A token that may be exchanged, and counts for nothing else: it was given to whoever asks, and may be bound to the key of
/// whoever gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectToken(AccessToken);

impl SubjectToken {
    /// What it says.
    pub fn token(&self) -> &AccessToken {
        &self.0
    }
}

/// A token that was shown by whom it is bound to may be exchanged by them as well.
impl From<AccessToken> for SubjectToken {
    fn from(token: AccessToken) -> Self {
        Self(token)
    }
}

/// Checks a token that somebody wants to exchange, who is one of `audiences`. As [`verify_access`], but for the binding: whoever
/// it is bound to proved that to the caller, and the caller cannot prove it again. That the token is for the caller stands
/// in its place.
///
/// # Errors
/// As [`verify_access`], never [`TokenError::Binding`] but for [`BindingError::Unbound`].
pub fn verify_subject(
    issuers: &Issuers,
    token: &str,
    audiences: &[&str],
    now: Timestamp,
) -> Result<SubjectToken, TokenError> {
    let token = read_signed(issuers, token, now)?;
    let is_for = |audience: &&str| !audience.is_empty() && token.audiences.iter().any(|one| one == audience);
    if !audiences.iter().any(is_for) {
        return Err(TokenError::Audience { found: token.audiences, wanted: audiences.join(" ") });
    }
    Ok(SubjectToken(token))
}

/// What a token says, for somebody who asks about it and does not show it as theirs: whom it is for and bound to is not checked.
///
/// # Errors
/// As [`verify_access`], but for its audience and binding.
pub fn inspect(issuers: &Issuers, token: &str, now: Timestamp) -> Result<AccessToken, TokenError> {
    read_signed(issuers, token, now)
}

/// A token of a known issuer, of the right kind, in date. Whom it is for and bound to is not looked at.
fn read_signed(issuers: &Issuers, text: &str, now: Timestamp) -> Result<AccessToken, TokenError> {
    let unverified = Unverified::parse(text, EmbeddedKey::Refused)?;
    let claims = unverified.unverified_claims()?;
    let (issuer, kid) = signed_by(issuers, &unverified, &claims)?;
    if !unverified.header().is_typ(TYP) {
        let found = foreign(unverified.header().typ.as_deref().unwrap_or_default());
        return Err(TokenError::Typ { found, wanted: TYP });
    }
    let token = AccessToken::read(issuer, kid, claims, now)?;
    if issuer.pins().bound && token.binding.is_none() {
        return Err(BindingError::Unbound.into());
    }
    Ok(token)
}

/// The issuer by whose key a token is signed, and the key's name.
pub(crate) fn signed_by<'a>(
    issuers: &'a Issuers,
    unverified: &Unverified<'_>,
    claims: &Object,
) -> Result<(&'a Issuer, String), TokenError> {
    let name = needed_text(claims, "iss")?;
    let issuer = issuers.find(name).ok_or_else(|| TokenError::UnknownIssuer(foreign(name)))?;
    let header = unverified.header();
    if !issuer.pins().algs.contains(&header.alg) {
        return Err(TokenError::Algorithm { issuer: name.to_owned(), alg: header.alg });
    }
    let kid = header.kid.as_deref().ok_or_else(|| TokenError::NoKey { issuer: name.to_owned() })?;
    let unknown = || TokenError::UnknownKey { issuer: name.to_owned(), kid: foreign(kid) };
    let key = issuer.key(kid).ok_or_else(unknown)?;
    let signature = |why: JoseError| TokenError::Signature { issuer: name.to_owned(), kid: kid.to_owned(), why };
    unverified.verify(key).map_err(signature)?;
    Ok((issuer, kid.to_owned()))
}

/// Dates that every signed token has; answers issue and expiry.
pub(crate) fn check_dates(
    claims: &Object,
    issuer: &str,
    life_max_s: u64,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), TokenError> {
    let (issued, expires) = (needed_date(claims, "iat")?, needed_date(claims, "exp")?);
    let (now_s, latest) = (now.as_secs(), now.plus(SKEW).as_secs());
    // No skew here: a token that we hold for over is over, whatever its issuer's clock says.
    if now_s >= expires {
        return Err(TokenError::Expired { issuer: issuer.to_owned(), by_s: now_s - expires });
    }
    for (claim, at) in [("iat", Some(issued)), ("nbf", date(claims, "nbf")?)] {
        if let Some(at) = at.filter(|at| *at > latest) {
            return Err(TokenError::NotYet { issuer: issuer.to_owned(), claim, by_s: at.saturating_sub(now_s) });
        }
    }
    let life_s = expires.saturating_sub(issued);
    if life_s > life_max_s {
        return Err(TokenError::LivesLong { issuer: issuer.to_owned(), life_s, max_s: life_max_s });
    }
    Ok((Timestamp::from_secs(issued), Timestamp::from_secs(expires)))
}

impl AccessToken {
    fn read(issuer: &Issuer, kid: String, claims: Object, now: Timestamp) -> Result<Self, TokenError> {
        let name = &issuer.pins().issuer;
        let (issued, expires) = check_dates(&claims, name, ACCESS_LIFE_MAX.as_secs(), now)?;
        let scopes = Scopes::parse(text(&claims, "scope")?.unwrap_or_default());
        Ok(Self {
            issuer: name.clone(),
            kid,
            subject: needed_text(&claims, "sub")?.to_owned(),
            client_id: needed_text(&claims, "client_id")?.to_owned(),
            audiences: audiences(&claims)?,
            scopes: scopes.map_err(|_| TokenError::Claim { claim: "scope", why: "is no list of scopes" })?,
            jti: needed_id(&claims, "jti")?.to_owned(),
            family: text(&claims, FAMILY)?.map(str::to_owned),
            issued,
            expires,
            binding: Binding::read(&claims)?,
            actors: Actors::read(&claims)?,
            claims,
        })
    }

    /// Checks what may differ each time that the same token is shown: the time, to whom, and by whom.
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::Audience`], [`TokenError::Binding`].
    pub fn check(&self, shown: &Presented<'_>, audience: &str, now: Timestamp) -> Result<(), TokenError> {
        if now >= self.expires {
            return Err(TokenError::Expired { issuer: self.issuer.clone(), by_s: now.since(self.expires).as_secs() });
        }
        if audience.is_empty() || !self.audiences.iter().any(|one| one == audience) {
            return Err(TokenError::Audience { found: self.audiences.clone(), wanted: audience.to_owned() });
        }
        Ok(self.binding.check(shown.certificate, shown.proof_key)?)
    }
}
