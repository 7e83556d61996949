//! Between first and second factor: a sealed cookie for some minutes, which alone lets nobody in.

use super::cookies;
use super::gate::Visit;
use super::person::Person;
use super::session::Shown;
use super::way::{self, Way};
use crate::limits::STEP_TTL;
use axum::http::{HeaderMap, HeaderValue};
use bartizan_core::Timestamp;
use serde::{Deserialize, Serialize};

const USE: &str = "step";

#[derive(Serialize, Deserialize)]
struct Step {
    person: String,
    /// The password that was shown: with another one it counts no more.
    password_set: Option<Timestamp>,
    way: Way,
    shown: Shown,
}

/// The cookie of somebody who has `shown` one thing.
pub(super) fn cookie(visit: &Visit, person: &Person, way: &Way, shown: Shown) -> HeaderValue {
    let step = Step { person: person.id.clone(), password_set: person.record.password_set, way: way.clone(), shown };
    let sealed = way::seal_until(&visit.desk, USE, step, visit.now.plus(STEP_TTL));
    cookies::set(cookies::STEP, &sealed, Some(STEP_TTL))
}

/// Who showed one thing in this browser a moment ago, where that person goes, and what it was. `None` where that no longer counts.
pub(super) async fn read(
    visit: &Visit,
    headers: &HeaderMap,
) -> Result<Option<(Person, Way, Shown)>, super::desk::PeopleError> {
    let step = cookies::get(headers, cookies::STEP);
    let step: Option<Step> = step.and_then(|text| way::open(&visit.desk, USE, text, visit.now));
    let Some(Step { person, password_set, way, shown }) = step else { return Ok(None) };
    let person = visit.desk.person(&person).await?;
    let person = person.filter(|it| !it.record.disabled && it.record.password_set == password_set);
    Ok(person.map(|person| (person, way, shown)))
}
