//! Accounts of other providers that are connected with this one, and taking that back.

use super::{Here, Stop, here_lately, read, said};
use crate::people::deeds;
use crate::people::forms::mark;
use crate::people::gate::Visit;
use crate::people::markup::{escape, hidden, utc};
use crate::people::pages::{Page, see_other};
use crate::people::paths;
use crate::people::person::Person;
use crate::people::session;
use crate::people::upstream;
use crate::people::way::Way;
use axum::Extension;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bartizan_core::event::Deed;

/// The part of the account's page; nothing where the fleet file names no provider.
pub(super) fn section(visit: &Visit, headers: &HeaderMap, person: &Person) -> String {
    if visit.rules.providers.is_empty() && person.record.connected.is_empty() {
        return String::new();
    }
    let rows: String = person.record.connected.iter().map(|it| {
        let title = visit.rules.providers.values().find(|said| said.issuer == it.issuer).map_or(&it.issuer, |said| &said.title);
        format!(
            "<tr><td>{}</td><td data-label=\"Since\"><time>{}</time></td><td data-label=\"Used\"><time>{}</time></td>\
             <td><form method=\"post\" action=\"{}\">{}{}{}<button class=\"plain small\">Take back</button></form></td></tr>",
            escape(title),
            utc(it.added),
            it.used.map_or_else(|| "never".to_owned(), utc),
            paths::DISCONNECT,
            mark(visit, headers, paths::DISCONNECT).field,
            hidden("issuer", &it.issuer),
            hidden("subject", &it.subject),
        )
    }).collect();
    let table = match rows.is_empty() {
        true => String::new(),
        false => format!(
            "<table><thead><tr><th>Provider</th><th>Since</th><th>Used</th><th></th></tr></thead><tbody>{rows}</tbody></table>\n"
        ),
    };
    let one = |(name, title): (&str, &str)| {
        format!(
            "<form method=\"post\" action=\"{}\">{}{}<button class=\"plain\">Connect {}</button></form>\n",
            paths::CONNECT,
            mark(visit, headers, paths::CONNECT).field,
            hidden("provider", name),
            escape(title),
        )
    };
    let free = visit
        .rules
        .providers
        .iter()
        .filter(|(_, said)| !person.record.connected.iter().any(|it| it.issuer == said.issuer));
    let (answer, away): (Vec<_>, Vec<_>) = free.partition(|(_, said)| visit.desk.upstreams.answers(said, visit.now));
    let mut buttons: String = answer.iter().map(|(name, said)| one((name.as_str(), &said.title))).collect();
    for (_, said) in away {
        buttons += &format!("<p class=\"quiet\">{} cannot be reached now.</p>\n", escape(&said.title));
    }
    format!("\n<h2>Accounts elsewhere</h2>\n{table}{buttons}")
}

pub(in crate::people) async fn connect(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = begin(&visit, request).await;
    said(&visit, answer)
}

async fn begin(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, form) = read(visit, paths::CONNECT, request).await?;
    let Here { who, person } = here_lately(visit, &headers, paths::ACCOUNT).await?;
    let connects = Some((person.id, who.session));
    Ok(upstream::send(visit, form.get("provider").unwrap_or_default(), Way::to(paths::ACCOUNT), connects)?)
}

pub(in crate::people) async fn disconnect(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = take_back(&visit, request).await;
    said(&visit, answer)
}

async fn take_back(visit: &Visit, request: Request) -> Result<Response, Stop> {
    let (headers, form) = read(visit, paths::DISCONNECT, request).await?;
    let Here { who, person } = here_lately(visit, &headers, paths::ACCOUNT).await?;
    let field = |name: &str| form.get(name).unwrap_or_default();
    let (issuer, subject) = (field("issuer"), field("subject"));
    let record = &person.record;
    if record.password.is_none() && record.passkeys.is_empty() && record.connected.len() <= 1 {
        let text = format!(
            "It is the only way by which you sign in. Add a <a href=\"{}\">passkey</a> first.",
            paths::PASSKEYS
        );
        return Ok(Page::new("That did not work", format!("<p>{text}</p>")).status(StatusCode::CONFLICT).answer(visit));
    }
    // Of this person alone: with another's subject nothing is taken.
    if visit.desk.store.disconnect(&person.id, issuer, subject).await? {
        let forget = |record: &mut crate::people::person::Record| {
            record.connected.retain(|it| it.issuer != issuer || it.subject != subject);
            Some(())
        };
        visit.desk.change(&person.id, forget).await?;
        deeds::tell(visit, Some(&person), Deed::FactorRemoved, Some("elsewhere"), None);
        session::end_all(&visit.app, &visit.desk, &person.id, Some(&who.session), visit.now).await?;
    }
    Ok(see_other(paths::ACCOUNT))
}
