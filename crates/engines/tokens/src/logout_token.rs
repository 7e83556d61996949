//! Logout tokens (OpenID Connect Back-Channel Logout 1.0): a provider tells a client that somebody's session is over.

use crate::access::{check_dates, signed_by};
use crate::claims::{needed_id, text};
use crate::error::{TokenError, foreign};
use crate::id_token::check_party;
use crate::issuer::Issuers;
use crate::limits::{LOGOUT_LIFE_MAX, LOGOUT_TTL, LOGOUTS_MAX, SKEW};
use crate::replays::{Replays, Shown};
use bartizan_core::Timestamp;
use bartizan_crypto::jose::{EmbeddedKey, Unverified};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{CryptoError, base64, hash, jose};
use serde_json::{Value, json};

/// The `typ` of a logout token. Older providers say `JWT`, or nothing.
pub const TYP: &str = "logout+jwt";
/// The event that it has to tell of.
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What a logout token is to say.
#[derive(Clone, Copy, Debug)]
pub struct SignedOut<'a> {
    /// Who signed out.
    pub subject: &'a str,
    /// The app that is told.
    pub client_id: &'a str,
    /// The session that is over.
    pub session: &'a str,
    /// The token's own name, random.
    pub name: [u8; 16],
}

/// Makes a logout token. The key is named by its thumbprint.
///
/// # Errors
/// [`CryptoError`] where signing fails or the token would be too long to be read.
pub fn logout_token(key: &TokenKey, issuer: &str, said: &SignedOut<'_>, now: Timestamp) -> Result<String, CryptoError> {
    let claims = json!({
        "iss": issuer,
        "sub": said.subject,
        "aud": said.client_id,
        "iat": now.as_secs(),
        "exp": now.plus(LOGOUT_TTL).as_secs(),
        "jti": base64::encode_url(&said.name),
        "events": { EVENT: {} },
        "sid": said.session,
    });
    let jwk = key.public_jwk();
    jose::sign(key, TYP, jwk.kid().unwrap_or_default(), &claims)
}

/// A logout token that was found good. [`verify_logout`] is the only constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logout {
    /// Who says so.
    pub issuer: String,
    /// Which session is over; all of the subject's where `None`.
    pub session: Option<String>,
    /// Whose; there where no session is named.
    pub subject: Option<String>,
    /// Its own name, which counts once.
    pub jti: String,
    /// When it was said.
    pub issued: Timestamp,
    /// The first moment at which it is not believed any more.
    pub expires: Timestamp,
}

impl Logout {
    /// A memory of those that were shown.
    pub fn replays() -> Replays {
        Replays::new(LOGOUTS_MAX, LOGOUT_LIFE_MAX + SKEW)
    }

    /// Notes that it was shown; false where it was before, or where there is no room to remember it.
    pub fn take(&self, shown: &mut Replays, now: Timestamp) -> bool {
        let name = hash::sha256(format!("{}\n{}", self.issuer, self.jti).as_bytes());
        shown.note(&name, now) == Shown::First
    }
}

/// Checks a logout token of `issuer` for the client `client_id`. That it was not shown before is for whoever calls to see.
///
/// # Errors
/// [`TokenError`].
pub fn verify_logout(
    issuers: &Issuers,
    shown: &str,
    (issuer, client_id): (&str, &str),
    now: Timestamp,
) -> Result<Logout, TokenError> {
    let unverified = Unverified::parse(shown, EmbeddedKey::Refused)?;
    let claims = unverified.unverified_claims()?;
    let (by, _) = signed_by(issuers, &unverified, &claims)?;
    let header = unverified.header();
    if header.typ.is_some() && !header.is_typ(TYP) && !header.is_typ(crate::id_token::TYP) {
        return Err(TokenError::Typ { found: foreign(header.typ.as_deref().unwrap_or_default()), wanted: TYP });
    }
    if by.pins().issuer != issuer {
        return Err(TokenError::UnknownIssuer(by.pins().issuer.clone()));
    }
    check_party(&claims, client_id)?;
    let (issued, expires) = check_dates(&claims, issuer, LOGOUT_LIFE_MAX.as_secs(), now)?;
    if !claims.get("events").and_then(|it| it.get(EVENT)).is_some_and(Value::is_object) {
        return Err(TokenError::Claim { claim: "events", why: "tells of no log-out" });
    }
    // An ID token has one, and is no logout token whatever else it says.
    if claims.contains_key("nonce") {
        return Err(TokenError::Claim { claim: "nonce", why: "has no place in a logout token" });
    }
    let (session, subject) = (text(&claims, "sid")?, text(&claims, "sub")?);
    if session.is_none() && subject.is_none() {
        return Err(TokenError::Claim { claim: "sid", why: "is missing, and `sub` too" });
    }
    Ok(Logout {
        issuer: issuer.to_owned(),
        session: session.map(str::to_owned),
        subject: subject.map(str::to_owned),
        jti: needed_id(&claims, "jti")?.to_owned(),
        issued,
        expires,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::{Issuer, Pins};
    use bartizan_crypto::jose::{Alg, JwkSet};

    #[test]
    fn a_logout_token_tells_of_a_log_out_to_us_by_whom_we_asked() {
        let (key, now) = (TokenKey::generate().unwrap(), Timestamp::from_secs(1_790_000_000));
        let pins = Pins { issuer: "https://login.test".to_owned(), algs: vec![Alg::Es256], bound: false };
        let keys = JwkSet { keys: vec![key.public_jwk()], passed_over: Vec::new() };
        let issuers = Issuers::new(1, vec![Issuer::new(pins, &keys).unwrap()]).unwrap();
        let kid = key.public_jwk().kid().unwrap_or_default().to_owned();
        let whole = json!({ "iss": "https://login.test", "aud": "gateway", "iat": now.as_secs(), "exp": now.as_secs() + 120,
            "jti": "j", "events": { EVENT: {} }, "sid": "s", "sub": "ana" });
        let verify = |typ: &str, claims: &Value| {
            let token = jose::sign(&key, typ, &kid, claims).unwrap();
            verify_logout(&issuers, &token, ("https://login.test", "gateway"), now)
        };
        let good = verify(TYP, &whole).unwrap();
        assert_eq!(
            (good.session.as_deref(), good.subject.as_deref(), good.jti.as_str()),
            (Some("s"), Some("ana"), "j")
        );
        verify("JWT", &whole).unwrap();
        let mut shown = Logout::replays();
        assert!(good.take(&mut shown, now) && !good.take(&mut shown, now), "it counts once");
        assert!(verify("at+jwt", &whole).is_err());
        for (name, value) in [
            ("iss", json!("https://other.test")),
            ("aud", json!("shop")),
            ("exp", json!(now.as_secs())),
            ("exp", json!(now.as_secs() + 999_999)),
            ("iat", json!(now.as_secs() + 600)),
            ("jti", Value::Null),
            ("events", json!({})),
            ("events", json!({ EVENT: true })),
            ("events", json!({ "http://schemas.openid.net/event/other": {} })),
            ("nonce", json!("n")),
            ("sid", json!(7)),
        ] {
            let mut claims = whole.clone();
            claims[name] = value.clone();
            assert!(verify(TYP, &claims).is_err(), "{name} = {value}");
        }
        let said = SignedOut { subject: "ana", client_id: "gateway", session: "s", name: [7; 16] };
        let ours = logout_token(&key, "https://login.test", &said, now).unwrap();
        let verified = verify_logout(&issuers, &ours, ("https://login.test", "gateway"), now).unwrap();
        assert_eq!((verified.session.as_deref(), verified.subject.as_deref()), (Some("s"), Some("ana")));
        assert_eq!(verified.expires, now.plus(LOGOUT_TTL));
        let other = verify_logout(&issuers, &ours, ("https://login.test", "shop"), now);
        assert!(other.is_err(), "it is for one app");
        let mut nobody = whole;
        nobody.as_object_mut().unwrap().retain(|name, _| name != "sid" && name != "sub");
        assert!(verify(TYP, &nobody).is_err(), "of nobody");
    }
}
