//! Second factors that somebody types: codes of an app, and recovery codes, each once.

use super::desk::Desk;
use super::gate::Visit;
use super::pages::Problem;
use super::person::{Person, Record};
use super::session::Factor;
use super::tries::Who;
use crate::limits::{ACCOUNT_TRIES, RECOVERY_BYTES, RECOVERY_CODES};
use axum::http::StatusCode;
use bartizan_core::Timestamp;
use bartizan_crypto::{hash, random};
use bartizan_tokens::{base32, totp};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// An app that shows codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totp {
    /// The shared secret, sealed for its person.
    sealed: String,
    /// The step of the last code that was taken: none up to it counts any more.
    last: u64,
    pub(super) added: Timestamp,
}

impl Totp {
    pub(super) fn new(desk: &Desk, person: &str, secret: &[u8], last: u64, now: Timestamp) -> Self {
        Self { sealed: desk.keys.seal_factor(person, secret), last, added: now }
    }
}

impl Record {
    /// Whether the person has something to show beside a password.
    pub(super) fn has_second_factor(&self) -> bool {
        self.totp.is_some() || !self.passkeys.is_empty()
    }
}

/// What came of a code.
pub(super) enum Taken {
    /// It was good, and is not any more.
    Good(Factor),
    Wrong,
    /// Not looked at: there were too many tries.
    TooEarly,
}

/// Takes what somebody typed.
pub(super) async fn take(visit: &Visit, person: &Person, typed: &str) -> Result<Taken, Problem> {
    let who = Who::new("second", &person.id);
    if visit.desk.tries.take(who, ACCOUNT_TRIES, Instant::now()).is_err() {
        return Ok(Taken::TooEarly);
    }
    let plain: String = typed.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect();
    let factor = match plain.bytes().all(|byte| byte.is_ascii_digit()) {
        true => take_code(visit, person, &plain).await?,
        false => take_recovery(visit, person, &plain.to_ascii_uppercase()).await?,
    };
    Ok(factor.map_or(Taken::Wrong, |factor| {
        visit.desk.tries.forgive(who);
        Taken::Good(factor)
    }))
}

async fn take_code(visit: &Visit, person: &Person, typed: &str) -> Result<Option<Factor>, Problem> {
    let Some(held) = &person.record.totp else { return Ok(None) };
    let Some(secret) = visit.desk.keys.open_factor(&person.id, &held.sealed) else {
        let rule = "factor: it was sealed by another `people.key`; `bartizan user reset --factors` takes it away";
        let public = "Codes cannot be checked now. Use a recovery code, or ask an operator.";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, public, rule));
    };
    let taken = visit.desk.change(&person.id, |record| {
        let now_held = record.totp.as_mut().filter(|now_held| now_held.sealed == held.sealed)?;
        now_held.last = totp::accept(secret.expose(), typed, visit.now, Some(now_held.last))?;
        Some(Factor::Otp)
    });
    Ok(taken.await?)
}

async fn take_recovery(visit: &Visit, person: &Person, typed: &str) -> Result<Option<Factor>, Problem> {
    let typed = sha256(typed);
    let taken = visit.desk.change(&person.id, |record| {
        let at = record.recovery.iter().position(|kept| hash::equal(kept.as_bytes(), typed.as_bytes()))?;
        record.recovery.remove(at);
        Some(Factor::Recovery)
    });
    Ok(taken.await?)
}

/// New recovery codes: as they are shown, once, and what is kept of them. Each has 80 random bits, so that a plain hash does.
pub(super) fn recovery_codes() -> (Vec<String>, Vec<String>) {
    let one = |_| {
        let plain = base32::encode(&random::bytes::<RECOVERY_BYTES>());
        let kept = sha256(&plain);
        let groups: Vec<&str> = (0..plain.len()).step_by(4).filter_map(|at| plain.get(at..at + 4)).collect();
        (groups.join("-"), kept)
    };
    (0..RECOVERY_CODES).map(one).unzip()
}

fn sha256(text: &str) -> String {
    hash::hex(&hash::sha256(text.as_bytes()))
}
