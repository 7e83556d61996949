//! Name and password, and a code where one is wanted, for the console: the same people, the same pauses.

use super::deeds;
use super::desk::rules;
use super::factors::{self, Taken};
use super::gate::Visit;
use super::person::Person;
use super::session::{Factor, Shown};
use super::sign_in::{Outcome, by_password};
use crate::app::App;
use crate::limits::ACCOUNT_TRIES;
use axum::http::HeaderMap;
use bartizan_core::event::Deed;
use bartizan_core::{Secret, Timestamp};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What came of it.
pub(crate) enum Proof {
    /// Somebody of that name, with these roles. `shown` is what for (RFC 8176).
    Known { subject: String, name: String, roles: Vec<String>, shown: String },
    /// Name or password.
    Wrong,
    /// The password is right; a code is wanted beside it.
    WantsCode,
    /// The code is not, or is used.
    WrongCode,
    /// A second factor is wanted, and the person has none that could be typed.
    NoCode,
    /// Not looked at; how long to wait.
    TooEarly(Duration),
    /// The fleet file has no people.
    NotServed,
    /// It cannot be said.
    Unable,
}

/// Who has that name and password, and that code where one is wanted.
pub(crate) async fn prove(
    app: &Arc<App>,
    headers: &HeaderMap,
    remote: SocketAddr,
    now: Timestamp,
    named: &str,
    password: Secret<String>,
    code: Option<&str>,
) -> Proof {
    if rules(app).is_none() {
        return Proof::NotServed;
    }
    let Ok(visit) = Visit::of(app, remote, now).await else { return Proof::Unable };
    match by_password(&visit, headers, named.trim(), password).await {
        Ok(Outcome::Right(person)) => second(&visit, &person, code).await,
        Ok(Outcome::Wrong) => Proof::Wrong,
        Ok(Outcome::TooEarly(wait)) => Proof::TooEarly(wait),
        // It was said where it happened, or too many passwords are being looked at.
        Err(_) => Proof::Unable,
    }
}

async fn second(visit: &Visit, person: &Person, code: Option<&str>) -> Proof {
    let roles = person.record.all_roles();
    let known = |shown: Shown| Proof::Known {
        subject: person.id.clone(),
        name: person.name.clone(),
        roles: roles.clone(),
        shown: shown.amr().join(" "),
    };
    let shown = Shown::from(vec![Factor::Password]);
    if !visit.rules.wants_second_factor(&roles) && !person.record.has_second_factor() {
        return known(shown);
    }
    if person.record.totp.is_none() && person.record.recovery.is_empty() {
        return Proof::NoCode;
    }
    let Some(code) = code.map(str::trim).filter(|code| !code.is_empty()) else { return Proof::WantsCode };
    let (answer, deed) = match factors::take(visit, person, code).await {
        Ok(Taken::Good(factor)) => return known(shown.and(factor)),
        Ok(Taken::Wrong) => (Proof::WrongCode, Deed::NotSignedIn),
        Ok(Taken::TooEarly) => (Proof::TooEarly(ACCOUNT_TRIES.first), Deed::Locked),
        Err(_) => return Proof::Unable,
    };
    deeds::tell(visit, Some(person), deed, Some(&shown.amr().join(" ")), Some("second factor, at the console"));
    answer
}
