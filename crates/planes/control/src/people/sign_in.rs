//! `/sign-in`: name and password.

use super::cookies;
use super::deeds;
use super::forms::{self, mark};
use super::gate::Visit;
use super::known;
use super::markup::{alert, escape, hidden};
use super::pages::{Page, Problem, see_other, with_cookies};
use super::passkeys;
use super::paths;
use super::person::Person;
use super::session::{self, ACR_TWO_FACTORS, Factor, Shown};
use super::step;
use super::tries::Who;
use super::upstream;
use super::way::Way;
use crate::error::chain;
use crate::limits::{ACCOUNT_TRIES, ADDRESS_TRIES, PASSWORD_COST};
use axum::Extension;
use axum::extract::Request;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bartizan_core::Secret;
use bartizan_core::event::Deed;
use bartizan_core::people::name;
use bartizan_crypto::limits::PASSWORD_BYTES_MAX;
use bartizan_crypto::password;
use std::time::{Duration, Instant};

pub(super) async fn show(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = ask(&visit, request).await;
    visit.said(said)
}

async fn ask(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let query = forms::query(&request)?;
    let way = way_of(visit, query.get("way"))?;
    let there = session::by_cookie(&visit.desk, &visit.rules, request.headers(), visit.now).await?;
    let enough = there.is_some_and(|it| !way.fresh && (!way.second_factor || it.acr == ACR_TWO_FACTORS));
    if enough {
        return Ok(see_other(&way.to));
    }
    page(visit, request.headers(), &way, "", None)
}

fn way_of(visit: &Visit, text: Option<&str>) -> Result<Way, Problem> {
    Way::open(&visit.desk, text, visit.now).ok_or_else(|| Problem::bad("way: too old, or none of ours"))
}

pub(super) fn page(
    visit: &Visit,
    headers: &HeaderMap,
    way: &Way,
    name: &str,
    wrong: Option<&str>,
) -> Result<Response, Problem> {
    let mark = mark(visit, headers, paths::SIGN_IN);
    let sealed = way.seal(&visit.desk, visit.now).ok_or_else(|| Problem::bad("way: it leads elsewhere"))?;
    // What has to be typed next has the focus.
    let (on_name, on_password) = if name.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
    let body = format!(
        "{}<form method=\"post\" action=\"{}\">\n{}{}\n<label for=\"name\">Name</label>\n\
         <input id=\"name\" name=\"name\" value=\"{}\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" required{on_name}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required{on_password}>\n\
         <button>Sign in</button>\n</form>\n{}{}",
        alert(wrong),
        paths::SIGN_IN,
        mark.field,
        hidden("way", &sealed),
        escape(name),
        passkeys::form(visit, headers, paths::PASSKEY, &hidden("way", &sealed), &[], mark.cookie_value.as_deref()),
        upstream::buttons(visit, headers, &sealed, mark.cookie_value.as_deref()),
    );
    let status = if wrong.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    Ok(Page::new("Sign in", body).status(status).cookies(mark.cookie).leads_out().answer(visit))
}

pub(super) async fn sign_in(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = check(&visit, request).await;
    visit.said(said)
}

async fn check(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let (headers, form) = forms::read(visit, paths::SIGN_IN, request).await?;
    let way = way_of(visit, form.get("way"))?;
    let named = form.get("name").unwrap_or_default().trim();
    let password = Secret::new(form.get("password").unwrap_or_default().to_owned());
    // The same for everybody: who has an account here is nobody's business.
    match by_password(visit, &headers, named, password).await? {
        Outcome::Right(person) => {
            let shown = Shown::from(vec![Factor::Password]);
            let wanted = way.second_factor || visit.rules.wants_second_factor(&person.record.all_roles());
            if wanted || person.record.has_second_factor() {
                let step = step::cookie(visit, &person, &way, shown);
                return Ok(with_cookies(see_other(paths::SECOND_FACTOR), [step]));
            }
            finish(visit, &headers, &person, shown, &way).await
        }
        Outcome::Wrong => page(visit, &headers, &way, named, Some("Name or password is wrong.")),
        Outcome::TooEarly(wait) => {
            let text = "There were too many tries. Wait a while, then try again.";
            let mut answer = page(visit, &headers, &way, named, Some(text))?;
            *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            Ok(answer)
        }
    }
}

/// Somebody has shown enough: begins the session and leads on.
pub(super) async fn finish(
    visit: &Visit,
    headers: &HeaderMap,
    person: &Person,
    shown: Shown,
    way: &Way,
) -> Result<Response, Problem> {
    let from = shown.theirs.as_ref().map(|theirs| format!("from {}", theirs.provider));
    deeds::tell(visit, Some(person), Deed::SignedIn, Some(&shown.amr().join(" ")), from.as_deref());
    let session = session::begin(visit, headers, person, shown).await?;
    let spent = [cookies::clear(cookies::FORM), cookies::clear(cookies::STEP)];
    Ok(with_cookies(see_other(&way.to), [session, known::cookie(visit, person)].into_iter().chain(spent)))
}

/// What came of name and password.
pub(super) enum Outcome {
    Right(Box<Person>),
    Wrong,
    /// Not looked at; how long to wait.
    TooEarly(Duration),
}

/// Who has that name and password. Takes as long for names that nobody has, for people without a password, and for those who
/// may not sign in.
pub(super) async fn by_password(
    visit: &Visit,
    headers: &HeaderMap,
    named: &str,
    password: Secret<String>,
) -> Result<Outcome, Problem> {
    let Visit { desk, .. } = visit;
    let in_form = name(named);
    let person = match &in_form {
        Some(name) => desk.person_named(name).await?,
        None => None,
    };
    let who = known::counted(visit, headers, in_form.as_deref().unwrap_or(named), person.as_ref());
    let address = Who::new("address", &visit.remote.ip().to_string());
    if let Err(wait) = take(visit, who, address) {
        deeds::tell(visit, person.as_ref(), Deed::Locked, None, Some("too many tries"));
        return Ok(Outcome::TooEarly(wait));
    }
    let too_long = password.expose().len() > PASSWORD_BYTES_MAX;
    let password = if too_long { Secret::new(String::new()) } else { password };
    let hash = person.as_ref().and_then(|person| person.record.password.clone());
    let verified = desk.hasher.verify(&password, hash.clone()).await.inspect_err(|_| {
        // It was not looked at, so it was no guess.
        desk.tries.undo(who);
        desk.tries.undo(address);
    });
    let right = verified? && !too_long;
    match person {
        Some(person) if right && !person.record.disabled => {
            desk.tries.forgive(who);
            desk.tries.undo(address);
            renew_hash(visit, &person, password, hash).await;
            Ok(Outcome::Right(Box::new(person)))
        }
        person => {
            let reason = if right { "disabled" } else { "password" };
            deeds::tell(visit, person.as_ref(), Deed::NotSignedIn, Some("pwd"), Some(reason));
            Ok(Outcome::Wrong)
        }
    }
}

/// Counts a try before it is looked at.
fn take(visit: &Visit, who: Who, address: Who) -> Result<(), Duration> {
    let (tries, now) = (&visit.desk.tries, Instant::now());
    tries.take(who, ACCOUNT_TRIES, now)?;
    tries.take(address, ADDRESS_TRIES, now).inspect_err(|_| tries.undo(who))
}

/// Hashes a password anew that was hashed when guesses were to cost something else. Where that does not work, the next sign-in does it.
async fn renew_hash(visit: &Visit, person: &Person, password: Secret<String>, held: Option<String>) {
    if held.as_deref().and_then(password::cost) == Some(PASSWORD_COST) {
        return;
    }
    let Ok(hash) = visit.desk.hasher.hash(password).await else { return };
    let changed = visit.desk.change(&person.id, |record| {
        // Another password may have been set meanwhile.
        (record.password == held).then(|| record.password = Some(hash.clone()))
    });
    if let Err(error) = changed.await {
        tracing::warn!(why = chain(&error), "a password was not hashed anew");
    }
}
