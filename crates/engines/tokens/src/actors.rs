//! Who acted on the way: the claim `act` of RFC 8693 section 4.1, from the latest actor to the first.

use crate::error::TokenError;
use crate::limits::{ACTORS_MAX, TEXT_BYTES_MAX};
use bartizan_crypto::jose::json::Object;
use serde_json::{Value, json};

/// Somebody who may act: a name, and whose name it is where that is not plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its `sub`: in a fleet, a SPIFFE ID.
    pub subject: String,
    /// Its `iss`, where it has one.
    pub issuer: Option<String>,
}

/// A chain of actors. It has a way to become longer and none to become shorter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actors(Vec<Object>);

impl Actors {
    /// Reads `act`.
    pub(crate) fn read(claims: &Object) -> Result<Self, TokenError> {
        let refuse = |why| Err(TokenError::Claim { claim: "act", why });
        let mut actors = Vec::new();
        let mut act = claims.get("act");
        while let Some(value) = act {
            let Value::Object(actor) = value else { return refuse("is no object") };
            let is_named =
                actor.get("sub").and_then(Value::as_str).is_some_and(|sub| (1..=TEXT_BYTES_MAX).contains(&sub.len()));
            if !is_named {
                return refuse("holds an actor without a name");
            }
            if actors.len() >= ACTORS_MAX {
                return refuse("holds too many actors");
            }
            let mut own = actor.clone();
            own.remove("act");
            actors.push(own);
            act = actor.get("act");
        }
        Ok(Self(actors))
    }

    /// The chain with `party` as its latest actor; as it was where `party` is that already. `None` where it has as many as it
    /// may have.
    pub(crate) fn with(&self, party: &Party) -> Option<Self> {
        if self.0.first().is_some_and(|latest| is_party(latest, party)) {
            return Some(self.clone());
        }
        if self.0.len() >= ACTORS_MAX {
            return None;
        }
        let mut actor = Object::new();
        actor.insert("sub".to_owned(), json!(party.subject));
        if let Some(issuer) = &party.issuer {
            actor.insert("iss".to_owned(), json!(issuer));
        }
        Some(Self(std::iter::once(actor).chain(self.0.iter().cloned()).collect()))
    }

    /// Their names, the latest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|actor| actor.get("sub").and_then(Value::as_str))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody acted: the token is shown by its subject itself, or by the client that it was given to.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `earlier` is the end of this chain, whole and in its order.
    pub fn continues(&self, earlier: &Self) -> bool {
        self.0.ends_with(&earlier.0)
    }

    /// As the value of `act`; `None` where nobody acted.
    pub fn to_json(&self) -> Option<Value> {
        self.0.iter().rev().fold(None, |inner, actor| {
            let mut actor = actor.clone();
            if let Some(inner) = inner {
                actor.insert("act".to_owned(), inner);
            }
            Some(Value::Object(actor))
        })
    }
}

/// Whether an object of `act` or `may_act` names `party`: all that it says has to fit, and nothing else may be asked for.
pub(crate) fn is_party(named: &Object, party: &Party) -> bool {
    let fits = |name: &str, value: &Value| match name {
        "sub" => value.as_str() == Some(party.subject.as_str()),
        "iss" => value.as_str().is_some() && value.as_str() == party.issuer.as_deref(),
        _ => false,
    };
    named.contains_key("sub") && named.iter().all(|(name, value)| fits(name, value))
}
