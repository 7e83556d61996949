//! `/sign-in`: name and password.

use super::cookies;
use super::forms::{self, mark};
use super::gate::Visit;
use super::markup::{alert, escape, hidden};
use super::pages::{Page, Problem, see_other, with_cookies};
use super::paths;
use super::person::Person;
use super::session::{self, ACR_TWO_FACTORS, Factor};
use super::way::Way;
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::Secret;
use bartizan_core::people::name;
use bartizan_crypto::limits::PASSWORD_BYTES_MAX;

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

fn page(visit: &Visit, headers: &HeaderMap, way: &Way, name: &str, wrong: Option<&str>) -> Result<Response, Problem> {
    let mark = mark(visit, headers, paths::SIGN_IN);
    let sealed = way.seal(&visit.desk, visit.now).ok_or_else(|| Problem::bad("way: it leads elsewhere"))?;
    // What has to be typed next has the focus.
    let (on_name, on_password) = if name.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
    let body = format!(
        "{}<form method=\"post\" action=\"{}\">\n{}{}\n<label for=\"name\">Name</label>\n\
         <input id=\"name\" name=\"name\" value=\"{}\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" required{on_name}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required{on_password}>\n\
         <button>Sign in</button>\n</form>",
        alert(wrong),
        paths::SIGN_IN,
        mark.field,
        hidden("way", &sealed),
        escape(name),
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
    match by_password(visit, named, password).await? {
        Some(person) => {
            let session = session::begin(visit, &headers, &person, vec![Factor::Password]).await?;
            Ok(with_cookies(see_other(&way.to), [session, cookies::clear(cookies::FORM)]))
        }
        // The same for everybody: who has an account here is nobody's business.
        None => page(visit, &headers, &way, named, Some("Name or password is wrong.")),
    }
}

/// Who has that name and password. Takes as long for names that nobody has, for people without a password, and for those who
/// may not sign in.
async fn by_password(visit: &Visit, named: &str, password: Secret<String>) -> Result<Option<Person>, Problem> {
    let person = match name(named) {
        Some(name) => visit.desk.person_named(&name).await?,
        None => None,
    };
    let too_long = password.expose().len() > PASSWORD_BYTES_MAX;
    let password = if too_long { Secret::new(String::new()) } else { password };
    let hash = person.as_ref().and_then(|person| person.record.password.clone());
    let right = visit.desk.hasher.verify(password, hash).await?;
    Ok(person.filter(|person| right && !too_long && !person.record.disabled))
}
