//! `/second-factor`: a code after the password; for somebody who needs one and has none, where it is set up.

use super::deeds;
use super::enrol;
use super::factors::{self, Taken};
use super::forms::{self, mark};
use super::gate::Visit;
use super::markup::{alert, escape};
use super::pages::{Page, Problem, see_other, with_cookies};
use super::passkeys;
use super::paths;
use super::person::Person;
use super::session::{Factor, Shown};
use super::sign_in;
use super::step;
use super::way::Way;
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::event::Deed;
use bartizan_tokens::form::Form;

pub(super) async fn show(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = match step::read(&visit, request.headers()).await {
        Ok(Some((person, ..))) => Ok(page(&visit, request.headers(), &person, None, None, StatusCode::OK)),
        Ok(None) => Ok(see_other(paths::SIGN_IN)),
        Err(error) => Err(Problem::from(error)),
    };
    visit.said(said)
}

fn page(
    visit: &Visit,
    headers: &HeaderMap,
    person: &Person,
    sealed: Option<&str>,
    wrong: Option<&str>,
    status: StatusCode,
) -> Response {
    let mark = mark(visit, headers, paths::SECOND_FACTOR);
    let (title, body) = if person.record.has_second_factor() {
        let codes = format!(
            "<form method=\"post\" action=\"{}\">\n{}\n<label for=\"code\">Code of your app, or a recovery code</label>\n\
             <input id=\"code\" name=\"code\" autocomplete=\"one-time-code\" autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"32\" required autofocus>\n\
             <button>Go on</button>\n</form>",
            paths::SECOND_FACTOR,
            mark.field,
        );
        let codes = if person.record.totp.is_some() { codes } else { String::new() };
        let ids = person.record.passkey_ids();
        let passkeys = match ids.is_empty() {
            true => String::new(),
            false => passkeys::form(visit, headers, paths::SECOND_PASSKEY, "", &ids, mark.cookie_value.as_deref()),
        };
        ("One more step", format!("{}{codes}\n{passkeys}", alert(wrong)))
    } else {
        let text = "<p>Your account needs a second step. It is set up once.</p>\n";
        let form = enrol::form(visit, person, paths::SECOND_FACTOR, &mark.field, sealed, wrong);
        ("Set up codes", format!("{text}{form}"))
    };
    Page::new(title, body).status(status).cookies(mark.cookie).leads_out().answer(visit)
}

pub(super) async fn check(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = read(&visit, request).await;
    visit.said(said)
}

async fn read(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let (headers, form) = forms::read(visit, paths::SECOND_FACTOR, request).await?;
    let Some((person, way, shown)) = step::read(visit, &headers).await? else { return Ok(see_other(paths::SIGN_IN)) };
    if !person.record.has_second_factor() {
        return set_up(visit, &headers, &person, &way, shown, &form).await;
    }
    let (wrong, deed, status) = match factors::take(visit, &person, form.get("code").unwrap_or_default()).await? {
        Taken::Good(factor) => {
            return sign_in::finish(visit, &headers, &person, shown.and(factor), &way).await;
        }
        Taken::Wrong => ("That code is wrong, or was used already.", Deed::NotSignedIn, StatusCode::FORBIDDEN),
        Taken::TooEarly => {
            let text = "There were too many tries. Wait a while, then try again.";
            (text, Deed::Locked, StatusCode::TOO_MANY_REQUESTS)
        }
    };
    deeds::tell(visit, Some(&person), deed, Some(&shown.amr().join(" ")), Some("second factor"));
    Ok(page(visit, &headers, &person, None, Some(wrong), status))
}

/// For somebody who has no second factor: whoever has one cannot set up another by the password alone.
async fn set_up(
    visit: &Visit,
    headers: &HeaderMap,
    person: &Person,
    way: &Way,
    shown: Shown,
    form: &Form,
) -> Result<Response, Problem> {
    match enrol::confirm(visit, person, form).await? {
        Err(wrong) => {
            Ok(page(visit, headers, person, form.get("secret"), Some(wrong), StatusCode::UNPROCESSABLE_ENTITY))
        }
        Ok(codes) => {
            let signed_in = sign_in::finish(visit, headers, person, shown.and(Factor::Otp), way).await?;
            let go_on = format!("<p><a href=\"{}\">Go on</a></p>", escape(&way.to));
            let page = Page::new("Recovery codes", format!("{}\n{go_on}", enrol::codes(&codes))).leads_out();
            let cookies = signed_in.headers().get_all(axum::http::header::SET_COOKIE).iter().cloned();
            Ok(with_cookies(page.answer(visit), cookies))
        }
    }
}
