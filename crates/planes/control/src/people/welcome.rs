//! `/welcome`: somebody with a link sets a password, and is the only one to know it.

use super::common::is_common;
use super::deeds;
use super::forms::{self, mark};
use super::gate::Visit;
use super::links;
use super::markup::{alert, escape, hidden};
use super::pages::{Page, Problem, see_other};
use super::paths;
use super::person::Person;
use super::session;
use crate::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::Secret;
use bartizan_core::event::Deed;

pub(super) async fn show(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = ask(&visit, request).await;
    visit.said(said)
}

async fn ask(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let query = forms::query(&request)?;
    let link = query.get("link").unwrap_or_default();
    let person = whose(visit, link).await?;
    Ok(page(visit, request.headers(), &person, link, None))
}

async fn whose(visit: &Visit, link: &str) -> Result<Person, Problem> {
    let person = links::whose(&visit.desk, link, visit.now).await?;
    let public = "This link was used already, or is too old. Ask for another one.";
    person.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, public, "link: used, too old, or none of ours"))
}

fn page(visit: &Visit, headers: &HeaderMap, person: &Person, link: &str, wrong: Option<&str>) -> Response {
    let mark = mark(visit, headers, paths::WELCOME);
    let body = format!(
        "<p>For <strong>{}</strong>. A password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters; a few words that do not belong together are good.</p>\n\
         {}<form method=\"post\" action=\"{}\">\n{}{}\n\
         <input type=\"hidden\" name=\"username\" value=\"{}\" autocomplete=\"username\">\n\
         <label for=\"password\">New password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"new-password\" minlength=\"{PASSWORD_CHARS_MIN}\" required autofocus>\n\
         <label for=\"again\">Once more</label>\n\
         <input id=\"again\" name=\"again\" type=\"password\" autocomplete=\"new-password\" minlength=\"{PASSWORD_CHARS_MIN}\" required>\n\
         <button>Set password</button>\n</form>",
        escape(&person.name),
        alert(wrong),
        paths::WELCOME,
        mark.field,
        hidden("link", link),
        escape(&person.name),
    );
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Page::new("Set your password", body).status(status).cookies(mark.cookie).answer(visit)
}

pub(super) async fn set_password(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let said = set(&visit, request).await;
    visit.said(said)
}

async fn set(visit: &Visit, request: Request) -> Result<Response, Problem> {
    let (headers, form) = forms::read(visit, paths::WELCOME, request).await?;
    let link = form.get("link").unwrap_or_default();
    let person = whose(visit, link).await?;
    let (password, again) = (form.get("password").unwrap_or_default(), form.get("again").unwrap_or_default());
    if let Some(wrong) = objection(&person.name, password, again) {
        return Ok(page(visit, &headers, &person, link, Some(&wrong)));
    }
    let hash = visit.desk.hasher.hash(Secret::new(password.to_owned())).await?;
    let now = visit.now;
    let changed = visit.desk.change(&person.id, |record| {
        // Looked at again: the link may have been used while the password was hashed.
        let good = !record.disabled && links::fits(record.link.as_ref(), link, now);
        good.then(|| {
            record.link = None;
            record.password = Some(hash.clone());
            record.password_set = Some(now);
        })
    });
    if changed.await?.is_none() {
        return Err(Problem::bad("link: used meanwhile"));
    }
    deeds::tell(visit, Some(&person), Deed::PasswordSet, Some("pwd"), None);
    session::end_all(&visit.app, &visit.desk, &person.id, None, now).await?;
    Ok(see_other(paths::SIGN_IN))
}

/// Why a password is not taken.
pub(super) fn objection(name: &str, password: &str, again: &str) -> Option<String> {
    let chars = password.chars().count();
    if password != again {
        Some("The two are not the same.".to_owned())
    } else if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        Some(format!("A password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters."))
    } else if password.to_lowercase().contains(&name.to_lowercase()) {
        Some("Your name is in it, which is what is tried first.".to_owned())
    } else if is_common(password) {
        Some("That is one of the passwords that are tried first.".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guessed_first_is_not_taken() {
        for (password, again) in [
            ("short", "short"),
            ("eleven char", "eleven char"),
            (&"x".repeat(129), &*"x".repeat(129)),
            ("one long password", "other long password"),
            ("my name is ANA!", "my name is ANA!"),
            ("Password2024!", "Password2024!"),
        ] {
            assert!(objection("ana", password, again).is_some(), "{password}");
        }
        for password in ["correct horse battery", "zwölf zeichen", &"xyzab cd".repeat(16)] {
            assert_eq!(objection("bob", password, password), None);
        }
    }
}
