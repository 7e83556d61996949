//! Reads claims: each has its type, and what is missing or of another type refuses the token.

use crate::error::TokenError;
use crate::limits::{AUDIENCES_MAX, TEXT_BYTES_MAX};
use bartizan_crypto::jose::json::Object;
use serde_json::Value;

/// The text of a claim, of 1 to [`TEXT_BYTES_MAX`] bytes; `None` where it is not there.
pub(crate) fn text<'a>(claims: &'a Object, claim: &'static str) -> Result<Option<&'a str>, TokenError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Err(TokenError::Claim { claim, why: "is empty" }),
        Some(Value::String(text)) if text.len() > TEXT_BYTES_MAX => {
            Err(TokenError::Claim { claim, why: "is too long" })
        }
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenError::Claim { claim, why: "is no text" }),
    }
}

/// As [`text`], of a claim that has to be there.
pub(crate) fn needed_text<'a>(claims: &'a Object, claim: &'static str) -> Result<&'a str, TokenError> {
    text(claims, claim)?.ok_or(TokenError::Claim { claim, why: "is missing" })
}

/// As [`needed_text`], for what names one token: bounded more tightly, since it is remembered.
pub(crate) fn needed_id<'a>(claims: &'a Object, claim: &'static str) -> Result<&'a str, TokenError> {
    let id = needed_text(claims, claim)?;
    if id.len() > crate::limits::ID_BYTES_MAX { Err(TokenError::Claim { claim, why: "is too long" }) } else { Ok(id) }
}

/// Seconds since 1970; `None` where it is not there. Whole seconds alone: fractions are allowed and nobody needs them.
pub(crate) fn date(claims: &Object, claim: &'static str) -> Result<Option<u64>, TokenError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(date) => Ok(Some(date)),
            None => Err(TokenError::Claim { claim, why: "is no whole number of seconds since 1970" }),
        },
    }
}

/// As [`date`], of a claim that has to be there.
pub(crate) fn needed_date(claims: &Object, claim: &'static str) -> Result<u64, TokenError> {
    date(claims, claim)?.ok_or(TokenError::Claim { claim, why: "is missing" })
}

/// `aud`: one text, or a list of 1 to [`AUDIENCES_MAX`].
pub(crate) fn audiences(claims: &Object) -> Result<Vec<String>, TokenError> {
    const CLAIM: &str = "aud";
    let refuse = |why| Err(TokenError::Claim { claim: CLAIM, why });
    match claims.get(CLAIM) {
        None => refuse("is missing"),
        Some(Value::String(_)) => Ok(vec![needed_text(claims, CLAIM)?.to_owned()]),
        Some(Value::Array(list)) if list.is_empty() => refuse("is empty"),
        Some(Value::Array(list)) if list.len() > AUDIENCES_MAX => refuse("names too many"),
        Some(Value::Array(list)) => {
            let one = |value: &Value| {
                value.as_str().filter(|text| (1..=TEXT_BYTES_MAX).contains(&text.len())).map(str::to_owned)
            };
            list.iter()
                .map(one)
                .collect::<Option<Vec<_>>>()
                .map_or_else(|| refuse("holds something else than texts"), Ok)
        }
        Some(_) => refuse("is neither text nor list"),
    }
}
