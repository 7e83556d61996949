//! What a transaction token says.

use super::delegation::Certificate;
use crate::claims::{needed_id, needed_text, text};
use crate::error::TokenError;
use crate::scopes::Scopes;
use bartizan_core::{SpiffeId, Timestamp};
use bartizan_crypto::base64;
use bartizan_crypto::jose::json::Object;
use serde_json::{Value, json};
use std::sync::Arc;

/// The `typ` of a transaction token.
pub(super) const TYP: &str = "txntoken+jwt";
/// The claim with the public key by which the next link is signed. Ours: the draft knows no narrowing.
pub(super) const NEXT: &str = "bartizan_next";

/// What is said of a chain of calls, once, at its beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Txn {
    /// Its name, for logs and traces: `txn`.
    pub txn: String,
    /// Whom it is for: `sub`.
    pub subject: String,
    /// What it allows: `scope`.
    pub scopes: Scopes,
    /// The workload that asked for it: `req_wl`.
    pub requester: SpiffeId,
    /// What never changes: `tctx`, such as an amount and an account.
    pub context: Object,
    /// Where the request came from: `rctx`, such as an address.
    pub request_context: Object,
}

impl Txn {
    pub(super) fn read(claims: &Object) -> Result<Self, TokenError> {
        let requester = SpiffeId::parse(needed_text(claims, "req_wl")?);
        Ok(Self {
            txn: needed_id(claims, "txn")?.to_owned(),
            subject: needed_text(claims, "sub")?.to_owned(),
            scopes: scopes(claims)?,
            requester: requester.map_err(|_| TokenError::Claim { claim: "req_wl", why: "is no SPIFFE ID" })?,
            context: object(claims, "tctx")?,
            request_context: object(claims, "rctx")?,
        })
    }

    pub(super) fn write(&self, claims: &mut Object) {
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("txn", json!(self.txn));
        set("sub", json!(self.subject));
        set("scope", json!(self.scopes.to_string()));
        set("req_wl", json!(self.requester.as_str()));
        if !self.context.is_empty() {
            set("tctx", Value::Object(self.context.clone()));
        }
        if !self.request_context.is_empty() {
            set("rctx", Value::Object(self.request_context.clone()));
        }
    }
}

/// A token that was found good, with all its narrowings. [`super::verify_txn`] is the only constructor.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TxnToken {
    /// Who minted it.
    pub minter: SpiffeId,
    /// The certificate that it showed when it was let; `None` where that was not said.
    pub certificate: Option<Arc<Certificate>>,
    /// What it says; its scopes are those that the last narrowing left.
    pub txn: Txn,
    /// When it was minted.
    pub issued: Timestamp,
    /// The first moment at which it is not believed any more, after the last narrowing.
    pub expires: Timestamp,
    /// How often it was narrowed.
    pub narrowed: usize,
    /// The public key by which it could be narrowed further.
    pub(super) next: Option<[u8; 32]>,
}

impl TxnToken {
    /// Whether it may be narrowed further.
    pub fn is_open(&self) -> bool {
        self.next.is_some()
    }
}

/// `scope` may be empty here: a call may be for somebody and allow nothing in particular.
pub(super) fn scopes(claims: &Object) -> Result<Scopes, TokenError> {
    let refuse = |why| TokenError::Claim { claim: "scope", why };
    match claims.get("scope") {
        None => Err(refuse("is missing")),
        Some(Value::String(text)) => Scopes::parse(text).map_err(|_| refuse("is no list of scopes")),
        Some(_) => Err(refuse("is no text")),
    }
}

/// The public key in [`NEXT`].
pub(super) fn next(claims: &Object) -> Result<Option<[u8; 32]>, TokenError> {
    let Some(text) = text(claims, NEXT)? else { return Ok(None) };
    let key = base64::decode_url(text).ok().and_then(|bytes| bytes.try_into().ok());
    key.map(Some).ok_or(TokenError::Claim { claim: NEXT, why: "is no Ed25519 key" })
}

fn object(claims: &Object, claim: &'static str) -> Result<Object, TokenError> {
    match claims.get(claim) {
        None => Ok(Object::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(TokenError::Claim { claim, why: "is no object" }),
    }
}
