//! What a client may do for somebody: asked once, remembered, taken back whenever the person likes.

use super::desk::{Desk, PeopleError};
use super::forms::{self, mark};
use super::gate::Visit;
use super::markup::{escape, hidden};
use super::pages::{Page, Problem, see_other};
use super::paths;
use super::session::{self, SignedIn};
use super::way::{self, Way};
use crate::app::App;
use axum::Extension;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use bartizan_core::Timestamp;
use bartizan_store::Consent;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const USE: &str = "consent";

/// What a client wants to do for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// `client_id`.
    pub(crate) client: String,
    /// Its name for people.
    pub(crate) client_name: String,
    /// Where it wants to do that; at least one.
    pub(crate) audiences: Vec<String>,
    /// What: each scope, with a sentence for people where there is one.
    pub(crate) scopes: Vec<(String, Option<String>)>,
    /// Where somebody who allows it goes: a path of this server with its query.
    pub(crate) allowed: String,
    /// And somebody who does not.
    pub(crate) denied: String,
}

/// What the form brings back.
#[derive(Serialize, Deserialize)]
struct Asked {
    person: String,
    wanted: Wanted,
}

/// Whether somebody allowed a client all of `scopes` at `audience`.
///
/// # Errors
/// [`PeopleError`], where nobody can say. Ask then, or refuse.
pub(crate) async fn has_consent(
    app: &App,
    subject: &str,
    client: &str,
    audience: &str,
    scopes: &[String],
) -> Result<bool, PeopleError> {
    let Some(desk) = app.people.desk(app).await? else { return Ok(false) };
    let given = given(&desk, subject, client, audience).await?;
    Ok(given.is_some_and(|given| scopes.iter().all(|scope| given.contains(scope))))
}

async fn given(
    desk: &Desk,
    subject: &str,
    client: &str,
    audience: &str,
) -> Result<Option<BTreeSet<String>>, PeopleError> {
    let all = desk.store.consents_of(subject).await?;
    let found = all.into_iter().find(|it| it.client == client && it.audience == audience);
    Ok(found.map(|it| it.scopes.split(' ').map(str::to_owned).collect()))
}

/// The page that asks. `headers` are those of the request that it answers, `visitor` its address.
pub(crate) async fn ask_consent(
    app: &std::sync::Arc<App>,
    headers: &HeaderMap,
    visitor: std::net::SocketAddr,
    who: &SignedIn,
    wanted: Wanted,
    now: Timestamp,
) -> Response {
    match Visit::of(app, visitor, now).await {
        Ok(visit) => {
            let said = page(&visit, headers, who, wanted);
            visit.said(said)
        }
        Err(answer) => *answer,
    }
}

fn page(visit: &Visit, headers: &HeaderMap, who: &SignedIn, wanted: Wanted) -> Result<Response, Problem> {
    for to in [&wanted.allowed, &wanted.denied] {
        Way::to(to.as_str()).seal(&visit.desk, visit.now).ok_or_else(|| Problem::bad("way: it leads elsewhere"))?;
    }
    let mark = mark(visit, headers, paths::CONSENT);
    let one = |(scope, about): &(String, Option<String>)| match about {
        Some(about) => format!("<li>{} <span class=\"quiet\">({})</span></li>", escape(about), escape(scope)),
        None => format!("<li><code>{}</code></li>", escape(scope)),
    };
    let list: String = wanted.scopes.iter().map(one).collect();
    let list = if list.is_empty() { "<li>know who you are</li>".to_owned() } else { list };
    let asked = Asked { person: who.account.subject.clone(), wanted };
    let Asked { wanted, .. } = &asked;
    let body = format!(
        "<p><strong>{}</strong> asks for this at <strong>{}</strong>, for your account <strong>{}</strong>:</p>\n<ul>{list}</ul>\n\
         <form method=\"post\" action=\"{}\">\n{}{}\n<button name=\"answer\" value=\"allow\">Allow</button>\n\
         <button class=\"plain\" name=\"answer\" value=\"deny\">Do not allow</button>\n</form>\n\
         <p class=\"quiet\">You can take it back in your account.</p>",
        escape(&wanted.client_name),
        escape(&wanted.audiences.join(", ")),
        escape(&who.account.username),
        paths::CONSENT,
        mark.field,
        hidden("asked", &way::seal(&visit.desk, USE, &asked, visit.now)),
    );
    Ok(Page::new("Allow access?", body).cookies(mark.cookie).leads_out().answer(visit))
}

pub(super) async fn answer(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = take(&visit, request).await;
    visit.said(said)
}

async fn take(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let Visit { desk, rules, now, .. } = visit;
    let (headers, form) = forms::read(visit, paths::CONSENT, request).await?;
    let asked: Option<Asked> = form.get("asked").and_then(|text| way::open(desk, USE, text, *now));
    let Asked { person, wanted } = asked.ok_or_else(|| Problem::bad("consent: too old, or none of ours"))?;
    let who = session::by_cookie(desk, rules, &headers, *now).await?;
    let who = who.filter(|who| who.account.subject == person);
    let who = who.ok_or_else(|| Problem::bad("consent: somebody else was asked"))?;
    if form.get("answer") != Some("allow") {
        return Ok(see_other(&wanted.denied));
    }
    remember(desk, &who.account.subject, &wanted, *now).await?;
    Ok(see_other(&wanted.allowed))
}

/// What was allowed before stays so.
async fn remember(desk: &Desk, subject: &str, wanted: &Wanted, now: Timestamp) -> Result<(), PeopleError> {
    for audience in &wanted.audiences {
        let before = given(desk, subject, &wanted.client, audience).await?;
        let mut scopes = before.unwrap_or_default();
        scopes.extend(wanted.scopes.iter().map(|(scope, _)| scope.clone()));
        let scopes = scopes.into_iter().filter(|scope| !scope.is_empty()).collect::<Vec<_>>().join(" ");
        let (person, client, audience) = (subject.to_owned(), wanted.client.clone(), audience.clone());
        desk.store.give_consent(&Consent { person, client, audience, scopes, at: now }).await?;
    }
    Ok(())
}
