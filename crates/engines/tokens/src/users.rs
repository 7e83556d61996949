//! Users of a fleet: whose tokens its file names, and what policies see of a token.

use crate::access::AccessToken;
use crate::issuer::{Issuer, IssuerError, Issuers, Pins};
use crate::revocation::{Revocation, RevocationError, Revocations, Revoked};
use crate::scopes::Scopes;
use crate::txn::{Txn, TxnToken};
use bartizan_core::snapshot::JwtKey;
use bartizan_core::user::{CLAIM_VALUES_MAX, RevokedToken, TokenIssuer, User, Users, WhichTokens};
use bartizan_core::{RequestId, SpiffeId, TrustDomain};
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jose::{Alg, Jwk, JwkSet, JwkSetError};
use bartizan_crypto::{base64, jws};
use serde_json::{Value, json};

/// Most roles of a user that are looked at, a count; a token with more is refused nowhere, but the rest is not seen.
const ROLES_MAX: usize = 256;

/// Why the issuers of a fleet file are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// A file of keys is none, or holds a key that must not be used.
    #[error("`{file}`, the keys of issuer `{issuer}`, cannot be used: {why}")]
    Keys {
        /// The file.
        file: String,
        /// Whose.
        issuer: String,
        /// What is wrong.
        why: JwkSetError,
    },
    /// The list of those that were taken back is none.
    #[error(transparent)]
    Revoked(#[from] RevocationError),
    /// Its keys and its algorithms do not fit together.
    #[error("`{file}`: {why}")]
    Issuer {
        /// The file.
        file: String,
        /// What is wrong.
        why: IssuerError,
    },
}

/// The issuers that a fleet file names, as set number `version`.
///
/// # Errors
/// [`UsersError`]; then none of them counts.
pub fn issuers_of(users: &Users, version: u64) -> Result<Issuers, UsersError> {
    // Of some, nobody could fetch the keys yet.
    let known = users.issuers.iter().filter(|issuer| !issuer.is_fetched() || !issuer.jwks.is_empty());
    let issuers = known.map(issuer_of).collect::<Result<_, _>>()?;
    // The fleet file was checked: no issuer is there twice.
    Issuers::new(version, issuers).map_err(|why| UsersError::Issuer { file: String::new(), why })
}

/// The issuer with the keys that it has now.
///
/// # Errors
/// [`UsersError`], such as where none of its keys can be used.
pub fn issuer_of(said: &TokenIssuer) -> Result<Issuer, UsersError> {
    let keys = JwkSet::parse(said.jwks.as_bytes());
    let keys = keys.map_err(|why| UsersError::Keys { file: said.keys.clone(), issuer: said.issuer.clone(), why })?;
    let is_named = |alg: &&Alg| said.algorithms.iter().any(|name| name == alg.as_str());
    let algs = Alg::ALL.iter().filter(is_named).copied().collect();
    let pins = Pins { issuer: said.issuer.clone(), algs, bound: said.bound };
    Issuer::new(pins, &keys).map_err(|why| UsersError::Issuer { file: said.keys.clone(), why })
}

/// The list number `epoch` of tokens that were taken back.
///
/// # Errors
/// [`RevocationError`].
pub fn revocations_of(revoked: &[RevokedToken], epoch: u64) -> Result<Revocations, RevocationError> {
    let one = |it: &RevokedToken| {
        let what = match &it.what {
            WhichTokens::Token(jti) => Revoked::Token(jti.clone()),
            WhichTokens::Family(family) => Revoked::Family(family.clone()),
            WhichTokens::Session(session) => Revoked::Session(session.clone()),
            WhichTokens::Subject(subject, before) => Revoked::Subject(subject.clone(), *before),
        };
        Revocation { issuer: it.issuer.clone(), what }
    };
    Revocations::new(epoch, revoked.iter().map(one).collect())
}

/// The user that a token speaks for, with roles and tenant from the claims that the fleet file names.
pub fn user_of(token: &AccessToken, users: &Users) -> User {
    let who = (token.issuer.as_str(), token.subject.as_str(), token.client_id.as_str());
    user_of_claims(who, &token.scopes, &token.claims, users)
}

/// The user that verified claims of an issuer speak for; `who` is the issuer, the subject and the client.
pub fn user_of_claims(
    (issuer, subject, client): (&str, &str, &str),
    scopes: &Scopes,
    claims: &Object,
    users: &Users,
) -> User {
    let said = users.issuers.iter().find(|it| it.issuer == issuer);
    let claim = |path: Option<&String>| path.and_then(|path| within(claims, path));
    let roles = match claim(said.map(|it| &it.roles)) {
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).take(ROLES_MAX).map(Into::into).collect(),
        Some(Value::String(roles)) => {
            roles.split(' ').filter(|it| !it.is_empty()).take(ROLES_MAX).map(Into::into).collect()
        }
        _ => Vec::new(),
    };
    User {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        client: client.to_owned(),
        scopes: scopes.iter().map(Into::into).collect(),
        roles,
        tenant: claim(said.map(|it| &it.tenant)).and_then(Value::as_str).map(Into::into),
        // Policies may ask for each, also of an issuer that does not have it.
        claims: users
            .claims()
            .into_iter()
            .map(|name| {
                let path = said.and_then(|said| said.claims.get(name));
                (name.to_owned(), claim(path).map(values_of).unwrap_or_default())
            })
            .collect(),
    }
}

/// A claim as texts: those of a list, or the one that it is.
fn values_of(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().filter_map(text).take(CLAIM_VALUES_MAX).collect(),
        one => text(one).into_iter().collect(),
    }
}

/// The name under which the authority of a trust domain signs delegations.
pub fn authority_name(domain: &TrustDomain) -> String {
    format!("spiffe://{domain}")
}

/// The authority of a trust domain with the keys that its guards were told of, as set number `version`. A key that is none is
/// left out: nothing can be checked with it.
///
/// # Errors
/// [`IssuerError`], such as where no key is left.
pub fn authority_of(domain: &TrustDomain, keys: &[JwtKey], version: u64) -> Result<Issuers, IssuerError> {
    let jwks = keys.iter().filter_map(|key| {
        let (x, y) = jws::coordinates(&base64::decode(&key.spki).ok()?).ok()?;
        let jwk = Jwk::p256(&x, &y);
        let kid = base64::encode_url(&jwk.thumbprint());
        Some(jwk.with_kid(kid))
    });
    let set = JwkSet { keys: jwks.collect(), passed_over: Vec::new() };
    let pins = Pins { issuer: authority_name(domain), algs: vec![Alg::Es256], bound: false };
    Issuers::new(version, vec![Issuer::new(pins, &set)?])
}

/// What a transaction token says of a user, for the calls of one request.
pub fn txn_of(user: &User, request: RequestId, requester: &SpiffeId) -> Txn {
    let User { issuer, subject, client, scopes, roles, tenant, claims } = user;
    let mut context = Object::new();
    context.insert("iss".to_owned(), json!(issuer));
    context.insert("client".to_owned(), json!(client));
    if !roles.is_empty() {
        context.insert("roles".to_owned(), json!(roles));
    }
    if let Some(tenant) = tenant {
        context.insert("tenant".to_owned(), json!(tenant));
    }
    if !claims.is_empty() {
        context.insert("claims".to_owned(), json!(claims));
    }
    Txn {
        txn: request.to_string(),
        subject: subject.clone(),
        // They were read from scopes, so they are some.
        scopes: Scopes::parse(&scopes.join(" ")).unwrap_or_default(),
        requester: requester.clone(),
        context,
        request_context: Object::new(),
    }
}

/// The user of a transaction token, as narrowed.
pub fn user_in(token: &TxnToken) -> User {
    let Txn { subject, scopes, context, .. } = &token.txn;
    let text = |claim: &str| context.get(claim).and_then(Value::as_str).map(str::to_owned);
    let roles = context.get("roles").and_then(Value::as_array).into_iter().flatten();
    User {
        issuer: text("iss").unwrap_or_default(),
        subject: subject.clone(),
        client: text("client").unwrap_or_default(),
        scopes: scopes.iter().map(str::to_owned).collect(),
        roles: roles.filter_map(Value::as_str).map(str::to_owned).collect(),
        tenant: text("tenant"),
        claims: context.get("claims").cloned().and_then(|it| serde_json::from_value(it).ok()).unwrap_or_default(),
    }
}

/// The claim at `path` of verified claims: its whole text where there is one of that name (names may be URLs), else by its parts.
pub fn claim_at<'a>(claims: &'a Object, path: &str) -> Option<&'a Value> {
    within(claims, path)
}

/// A claim that lists something: its texts, or those that a text has between blanks; the first of many.
pub fn claim_texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).take(ROLES_MAX).map(Into::into).collect(),
        Value::String(all) => all.split(' ').filter(|it| !it.is_empty()).take(ROLES_MAX).map(Into::into).collect(),
        _ => Vec::new(),
    }
}

/// The claim at `path`: its whole text where there is one of that name (names may be URLs), else by its parts.
fn within<'a>(claims: &'a serde_json::Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let mut parts = path.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::txn;
    use bartizan_crypto::jws::TokenKey;

    #[test]
    fn what_a_transaction_token_says_of_a_user_comes_back() {
        let user = User {
            issuer: "https://login.example".to_owned(),
            subject: "alice".to_owned(),
            client: "app".to_owned(),
            scopes: vec!["a:read".to_owned(), "b".to_owned()],
            roles: vec!["teller".to_owned()],
            tenant: Some("north".to_owned()),
            claims: [("accounts".to_owned(), vec!["acc-1".to_owned(), "acc-2".to_owned()])].into(),
        };
        let domain = TrustDomain::parse("bank.test").unwrap();
        let id = SpiffeId::parse("spiffe://bank.test/svc/gateway").unwrap();
        let (now, ttl) = (bartizan_core::Timestamp::from_secs(1_790_000_000), std::time::Duration::from_secs(60));
        let (authority, key) = (TokenKey::generate().unwrap(), TokenKey::generate_ed25519().unwrap());
        let said = JwtKey { kid: String::new(), spki: base64::encode(authority.public_spki()) };
        let broken = JwtKey { kid: String::new(), spki: "none".to_owned() };
        let authorities = authority_of(&domain, &[broken, said], 1).unwrap();
        let name = authority_name(&domain);
        let delegation = txn::delegate((&authority, &name), &domain, (&id, &key.public_jwk()), None, ttl, now).unwrap();
        let mut delegates = txn::Delegates::new(domain.clone());
        let until = delegates.add(&authorities, &delegation, now).unwrap().expires;
        let minter = txn::Minter { key: &key, id: &id, domain: &domain, until };
        let bare =
            User { scopes: Vec::new(), roles: Vec::new(), tenant: None, claims: Default::default(), ..user.clone() };
        for user in [user, bare] {
            let said = txn_of(&user, RequestId::from_random([7; 16]), &id);
            let token = txn::mint(&minter, &said, ttl, None, now).unwrap();
            assert_eq!(user_in(&txn::verify_txn(&token, &delegates, now).unwrap()), user);
        }
    }

    #[test]
    fn claims_are_found_by_their_whole_name_before_their_parts() {
        let claims = json!({ "roles": ["a"], "realm_access": { "roles": ["b"] }, "https://x.example/roles": ["c"] });
        let claims = claims.as_object().unwrap();
        for (path, found) in [
            ("roles", Some(json!(["a"]))),
            ("realm_access.roles", Some(json!(["b"]))),
            ("https://x.example/roles", Some(json!(["c"]))),
            ("realm_access.none", None),
            ("roles.a", None),
            ("", None),
        ] {
            assert_eq!(within(claims, path), found.as_ref(), "{path}");
        }
    }
}
