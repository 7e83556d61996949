//! Browsers in which somebody signed in before. Guesses at a name from elsewhere slow down all browsers that nobody knows, and
//! not these: nobody can lock a person out of the browser that it uses.

use super::cookies;
use super::gate::Visit;
use super::person::Person;
use super::tries::Who;
use super::way;
use crate::limits::KNOWN_TTL;
use axum::http::{HeaderMap, HeaderValue};
use bartizan_crypto::random;

const USE: &str = "known";

/// By whom tries at `name` in this browser are counted together: by the browser where that person signed in in it before, by
/// the name otherwise.
pub(super) fn counted(visit: &Visit, headers: &HeaderMap, name: &str, person: Option<&Person>) -> Who {
    let cookie = cookies::get(headers, cookies::KNOWN);
    let known = cookie.filter(|cookie| {
        let whose: Option<(String, u64)> = way::open(&visit.desk, USE, cookie, visit.now);
        whose.is_some_and(|(whose, _)| person.is_some_and(|person| person.id == whose))
    });
    known.map_or_else(|| Who::new("name", name), |cookie| Who::new("browser", cookie))
}

/// The cookie of a browser in which `person` signed in. Each has a number of its own: none is counted with another.
pub(super) fn cookie(visit: &Visit, person: &Person) -> HeaderValue {
    let until = visit.now.plus(KNOWN_TTL);
    let sealed = way::seal_until(&visit.desk, USE, (&person.id, random::u64()), until);
    cookies::set(cookies::KNOWN, &sealed, Some(KNOWN_TTL))
}
