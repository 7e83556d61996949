//! `GET /sign-in/with/NAME/back`: somebody comes back. Whatever comes, what the browser carried is spent.

use super::super::cookies;
use super::super::deeds;
use super::super::forms;
use super::super::gate::Visit;
use super::super::markup::alert;
use super::super::pages::{Page, Problem, with_cookies};
use super::super::paths;
use super::super::sign_in;
use super::Failure;
use super::arrive::arrive;
use super::begin::{found, provider};
use super::carried::Carried;
use super::redeem::{Known, redeem};
use axum::Extension;
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::event::Deed;
use bartizan_core::upstream::Upstream;
use bartizan_crypto::hash;
use bartizan_tokens::form::Form;

pub(in crate::people) async fn come_back(
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let answer = forms::query(&request);
    let headers = request.headers().clone();
    let said = take(&visit, &name, &headers, answer).await;
    with_cookies(visit.said(said), [cookies::clear(cookies::ELSEWHERE)])
}

async fn take(
    visit: &Visit,
    name: &str,
    headers: &HeaderMap,
    answer: Result<Form, Problem>,
) -> Result<Response, Problem> {
    let answer = answer?;
    let said = provider(visit, name)?;
    let carried = Carried::read(visit, headers);
    let carried =
        carried.ok_or_else(|| Problem::bad("upstream: nothing was begun in this browser, or too long ago"))?;
    // Somebody else's answer, or an answer that somebody else began: nobody is told more.
    let state = answer.get("state").unwrap_or_default();
    if !hash::equal(state.as_bytes(), carried.state().as_bytes()) {
        return Err(Problem::bad("upstream: `state` is not that of this browser"));
    }
    if carried.provider != name || carried.issuer != said.issuer {
        return Err(Problem::bad("upstream: the browser was sent to another provider"));
    }
    let arrived = async {
        let known = ask(visit, said, &carried, &answer).await?;
        arrive(visit, headers, said, &carried, known).await
    };
    match arrived.await {
        Ok(arrived) => Ok(arrived),
        Err(failure) => refuse(visit, headers, said, &carried, failure),
    }
}

/// Who it is, by what the browser brought.
async fn ask(visit: &Visit, said: &Upstream, carried: &Carried, answer: &Form) -> Result<Known, Failure> {
    let refuse = |why: String| Failure::refused(said, why);
    let found = found(visit, said).map_err(|_| Failure::Unable("it was not reached yet".to_owned()))?;
    match answer.get("iss") {
        Some(issuer) if issuer == said.issuer => {}
        Some(_) => return Err(refuse("`iss` of the answer is another provider's".to_owned())),
        None if found.document.names_itself => return Err(refuse("the answer has no `iss`".to_owned())),
        None => {}
    }
    if let Some(error) = answer.get("error") {
        let word: String = error.chars().filter(char::is_ascii_graphic).take(60).collect();
        return Err(refuse(format!("it answered `{word}`")));
    }
    let code = answer.get("code").ok_or_else(|| refuse("there is neither code nor error".to_owned()))?;
    let known = redeem(visit, said, &found, carried, code).await?;
    // After the provider said that it is good, so that strangers fill nothing.
    if !visit.desk.answered.take(carried.state().as_bytes(), visit.now) {
        return Err(refuse("the same answer came before".to_owned()));
    }
    Ok(known)
}

/// Tells the operators why, the person that it did not work, and offers the other ways.
fn refuse(
    visit: &Visit,
    headers: &HeaderMap,
    said: &Upstream,
    carried: &Carried,
    failure: Failure,
) -> Result<Response, Problem> {
    let (told, why) = match failure {
        Failure::Refused(told, why) => (told, why),
        Failure::Unable(why) => {
            // Whether it is away, the next page is to know.
            visit.desk.upstreams.ask(&said.issuer, visit.now);
            (format!("{} cannot be asked now. Sign in another way, or try again in a moment.", said.title), why)
        }
        Failure::Problem(problem) => return Err(problem),
    };
    let name = &carried.provider;
    deeds::tell(visit, None, Deed::NotSignedIn, Some("elsewhere"), Some(&format!("{name}: {why}")));
    visit.desk.spikes.failed(&visit.app, name, visit.now);
    match &carried.connects {
        Some(_) => {
            let body = format!("{}<p><a href=\"{}\">Back</a></p>", alert(Some(&told)), paths::ACCOUNT);
            Ok(Page::new("Accounts elsewhere", body).status(StatusCode::FORBIDDEN).answer(visit))
        }
        None => sign_in::page(visit, headers, &carried.way, "", Some(&told)),
    }
}
