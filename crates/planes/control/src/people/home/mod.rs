//! `/account`: what somebody who is signed in sees and changes.

mod code; // the app for codes
mod consents;
mod elsewhere;
mod page; // start here
mod passkeys;
mod password;
mod sessions;

pub(super) use code::{add as add_code, new_recovery, remove as remove_code, show as show_code};
pub(super) use consents::end as end_consent;
pub(super) use elsewhere::{connect, disconnect};
pub(super) use page::show;
pub(super) use passkeys::{add as add_passkey, remove as remove_passkey, show as show_passkeys};
pub(super) use password::{change as change_password, show as show_password};
pub(super) use sessions::{end as end_session, sign_out, sign_out_everywhere};

use super::forms;
use super::gate::Visit;
use super::pages::Problem;
use super::person::Person;
use super::session::{self, SignedIn};
use super::way::{Way, to_sign_in};
use crate::limits::RECENT;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use bartizan_tokens::form::Form;

/// Somebody who is signed in, with what is known of that person.
struct Here {
    who: SignedIn,
    person: Person,
}

/// Why there is no page.
enum Stop {
    /// The person has to sign in first, and comes back.
    Elsewhere(Response),
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

/// What a page says, or what stands in its place.
fn said(visit: &Visit, said: Result<Response, Stop>) -> Response {
    match said {
        Ok(answer) | Err(Stop::Elsewhere(answer)) => answer,
        Err(Stop::Problem(problem)) => problem.answer(visit),
    }
}

/// Who is signed in; others are led to the sign-in and back to `path`.
async fn here(visit: &Visit, headers: &HeaderMap, path: &str) -> Result<Here, Stop> {
    let who = session::by_cookie(&visit.desk, &visit.rules, headers, visit.now).await?;
    if let Some(who) = who
        && let Some(person) = visit.desk.person(&who.account.subject).await?
    {
        return Ok(Here { who, person });
    }
    Err(Stop::Elsewhere(to_sign_in(&visit.app, &Way::to(path)).await))
}

/// The same, for what a thief of a session must not do: the person has shown everything a moment ago, or does so now.
async fn here_lately(visit: &Visit, headers: &HeaderMap, path: &str) -> Result<Here, Stop> {
    let here = here(visit, headers, path).await?;
    if visit.now.since(here.who.auth_time) < RECENT {
        return Ok(here);
    }
    Err(Stop::Elsewhere(to_sign_in(&visit.app, &Way { fresh: true, ..Way::to(path) }).await))
}

/// What the form at `path` sent.
async fn read(visit: &Visit, path: &str, request: Request) -> Result<(HeaderMap, Form), Stop> {
    Ok(forms::read(visit, path, request).await?)
}
