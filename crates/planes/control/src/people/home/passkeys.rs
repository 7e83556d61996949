//! Passkeys of somebody: adding, taking away.

use super::{Here, Stop, here_lately, read, said};
use crate::limits::{LABEL_BYTES_MAX, PASSKEYS_EACH_MAX};
use crate::people::deeds;
use crate::people::forms::mark;
use crate::people::gate::Visit;
use crate::people::markup::{alert, escape, hidden, utc};
use crate::people::pages::{Page, see_other};
use crate::people::passkeys::{Passkey, answered, challenge, part, rp_id, script};
use crate::people::paths;
use crate::people::person::Person;
use crate::people::session;
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::event::Deed;
use bartizan_core::people::is_shown;
use bartizan_crypto::base64;
use bartizan_tokens::form::Form;
use bartizan_tokens::webauthn::{Expected, Registered, Registration, register};

pub(in crate::people) async fn show(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let here = here_lately(&visit, request.headers(), paths::PASSKEYS).await;
    said(&visit, here.map(|here| page(&visit, request.headers(), &here.person, None)))
}

fn page(visit: &Visit, headers: &HeaderMap, person: &Person, wrong: Option<&str>) -> Response {
    let remove = |passkey: &Passkey| {
        let mark = mark(visit, headers, paths::REMOVE_PASSKEY).field;
        format!(
            "<tr><td>{}</td><td data-label=\"Since\"><time>{}</time></td><td data-label=\"Used\"><time>{}</time></td><td><form method=\"post\" action=\"{}\">{mark}{}<button class=\"plain small\">Remove</button></form></td></tr>",
            escape(&passkey.label),
            utc(passkey.added),
            passkey.used.map_or_else(|| "never".to_owned(), utc),
            paths::REMOVE_PASSKEY,
            hidden("id", &passkey.id),
        )
    };
    let rows: String = person.record.passkeys.iter().map(remove).collect();
    let table = match rows.is_empty() {
        true => "<p>You have none.</p>".to_owned(),
        false => format!(
            "<table><thead><tr><th>Name</th><th>Since</th><th>Used</th><th></th></tr></thead><tbody>{rows}</tbody></table>"
        ),
    };
    let body = format!(
        "<p class=\"wide\">With a passkey you sign in by your phone, your computer or a security key, without a password.</p>\n{}{table}\n{}\n\
         <noscript><p class=\"quiet\">Adding one needs a browser that runs scripts.</p></noscript>\n<p><a href=\"{}\">Back</a></p>",
        alert(wrong),
        adding(visit, headers, person),
        paths::ACCOUNT,
    );
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Page::new("Passkeys", body).status(status).answer(visit)
}

/// The form that a script fills.
fn adding(visit: &Visit, headers: &HeaderMap, person: &Person) -> String {
    let (mark, challenge) = (mark(visit, headers, paths::PASSKEYS).field, challenge(visit, paths::PASSKEYS));
    let fleet = visit.app.in_force().desired.fleet.name.to_string();
    format!(
        "<form id=\"passkey\" method=\"post\" action=\"{}\" hidden data-do=\"create\" data-challenge=\"{}\" data-rp=\"{}\" data-name=\"{}\" \
         data-user=\"{}\" data-account=\"{}\" data-display=\"{}\" data-ids=\"{}\">\n{mark}{}{}{}\n\
         <label for=\"label\">Name of this passkey</label>\n<input id=\"label\" name=\"label\" value=\"My passkey\" maxlength=\"{LABEL_BYTES_MAX}\" required>\n\
         <button type=\"button\">Add a passkey</button>\n<p class=\"quiet\" role=\"status\"></p>\n</form>\n{}",
        paths::PASSKEYS,
        challenge.plain,
        escape(&rp_id(visit)),
        escape(&fleet),
        base64::encode_url(person.id.as_bytes()),
        escape(&person.name),
        escape(&person.record.display_name),
        escape(&person.record.passkey_ids().join(" ")),
        challenge.field,
        hidden("client_data", ""),
        hidden("attestation", ""),
        script(),
    )
}

pub(in crate::people) async fn add(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = take_in(&visit, request).await;
    said(&visit, answer)
}

async fn take_in(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, form) = read(visit, paths::PASSKEYS, request).await?;
    let Here { who, person } = here_lately(visit, &headers, paths::PASSKEYS).await?;
    let challenge = answered(visit, paths::PASSKEYS, &form)?;
    let label = form.get("label").unwrap_or_default().trim().to_owned();
    if !is_shown(&label, LABEL_BYTES_MAX) {
        return Ok(page(visit, &headers, &person, Some("Give it a name.")));
    }
    let made = match made(visit, &form, &challenge) {
        Ok(made) => made,
        Err(why) => {
            deeds::tell(visit, Some(&person), Deed::NotSignedIn, Some("passkey"), Some(&why));
            return Ok(page(visit, &headers, &person, Some("That passkey cannot be used here.")));
        }
    };
    let passkey = Passkey::new(made, label, visit.now);
    let fresh = visit.desk.answered.take(&challenge, visit.now);
    let added = visit.desk.change(&person.id, |record| {
        let room = record.passkeys.len() < PASSKEYS_EACH_MAX && record.passkeys.iter().all(|it| it.id != passkey.id);
        (room && fresh).then(|| record.passkeys.push(passkey.clone()))
    });
    if added.await?.is_none() {
        return Ok(page(visit, &headers, &person, Some("It is there already, or there are too many.")));
    }
    deeds::tell(visit, Some(&person), Deed::FactorAdded, Some("passkey"), None);
    // Those who came in by the password alone have to show it as well.
    session::end_all(&visit.app, &visit.desk, &person.id, Some(&who.session), visit.now).await?;
    Ok(see_other(paths::PASSKEYS))
}

fn made(visit: &Visit, form: &Form, challenge: &[u8]) -> Result<Registered, String> {
    let (client_data, attestation) = (part(form, "client_data"), part(form, "attestation"));
    let sent = Registration { client_data: &client_data, attestation: &attestation };
    let rp_id = rp_id(visit);
    let expected = Expected { challenge, origin: &visit.origin, rp_id: &rp_id, verified: false };
    // Without knowing its person it can follow a password, and is no way in by itself.
    register(&sent, &expected).map_err(|error| error.to_string())
}

pub(in crate::people) async fn remove(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = take_away(&visit, request).await;
    said(&visit, answer)
}

async fn take_away(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, form) = read(visit, paths::REMOVE_PASSKEY, request).await?;
    let Here { person, .. } = here_lately(visit, &headers, paths::PASSKEYS).await?;
    let id = form.get("id").unwrap_or_default();
    let removed = visit.desk.change(&person.id, |record| {
        let before = record.passkeys.len();
        record.passkeys.retain(|it| it.id != id);
        (record.passkeys.len() < before).then_some(())
    });
    if removed.await?.is_some() {
        deeds::tell(visit, Some(&person), Deed::FactorRemoved, Some("passkey"), None);
    }
    Ok(see_other(paths::PASSKEYS))
}
