//! The page itself.

use super::{Here, Stop, elsewhere, here, said};
use crate::people::forms::mark;
use crate::people::gate::Visit;
use crate::people::markup::{escape, hidden, utc};
use crate::people::pages::Page;
use crate::people::paths;
use crate::people::session::Record as Session;
use axum::Extension;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;

pub(in crate::people) async fn show(Extension(visit): Extension<Visit>, request: Request) -> Response {
    let answer = page(&visit, request.headers()).await;
    said(&visit, answer)
}

async fn page(visit: &Visit, headers: &HeaderMap) -> Result<Response, Stop> {
    let Here { who, person } = here(visit, headers, paths::ACCOUNT).await?;
    let account = &who.account;
    let button = |path: &str, field: &str, text: &str, class: &str| {
        let mark = mark(visit, headers, path).field;
        format!("<form method=\"post\" action=\"{path}\">{mark}{field}<button class=\"{class}\">{text}</button></form>")
    };
    // Who gave no name to show is called by the other one.
    let by_which = match account.display_name == account.username {
        true => String::new(),
        false => format!(" ({})", escape(&account.username)),
    };
    let mut body = format!(
        "<p class=\"wide\">You are signed in as <strong>{}</strong>{by_which}.</p>\n{}",
        escape(&account.display_name),
        button(paths::SIGN_OUT, "", "Sign out", "plain"),
    );
    body += &format!(
        "\n<h2>How you sign in</h2>\n<ul><li><a href=\"{}\">Change your password</a></li>\n<li><a href=\"{}\">{}</a></li>\n<li><a href=\"{}\">Passkeys: {}</a></li></ul>",
        paths::PASSWORD,
        paths::CODE,
        if person.record.totp.is_some() { "Codes of an app: on" } else { "Codes of an app: off" },
        paths::PASSKEYS,
        person.record.passkeys.len(),
    );
    body += &elsewhere::section(visit, headers, &person);
    body += "\n<h2>Where you are signed in</h2>\n<table><thead><tr><th>Browser</th><th>Address</th><th>Since</th><th>Used</th><th></th></tr></thead><tbody>";
    for row in visit.desk.store.sessions_of(&person.id).await? {
        let Ok(session) = serde_json::from_str::<Session>(&row.record) else { continue };
        let end = match row.id == who.session {
            true => "this one".to_owned(),
            false => button(paths::END_SESSION, &hidden("session", &row.id), "Sign out", "plain small"),
        };
        body += &format!(
            "<tr><td>{}</td><td data-label=\"Address\">{}</td><td data-label=\"Since\"><time>{}</time></td>\
             <td data-label=\"Used\"><time>{}</time></td><td>{end}</td></tr>",
            escape(&browser(&session.agent)),
            escape(&session.address),
            utc(session.began),
            utc(row.seen),
        );
    }
    body += "</tbody></table>\n";
    body += &button(paths::SIGN_OUT_EVERYWHERE, "", "Sign out everywhere", "plain");
    let consents = visit.desk.store.consents_of(&person.id).await?;
    if !consents.is_empty() {
        body += "\n<h2>What you allowed</h2>\n<table><thead><tr><th>Client</th><th>Where</th><th>What</th><th>Since</th><th></th></tr></thead><tbody>";
        for it in consents {
            body += &format!(
                "<tr><td>{}</td><td data-label=\"Where\">{}</td><td data-label=\"What\">{}</td>\
                 <td data-label=\"Since\"><time>{}</time></td><td>{}</td></tr>",
                escape(&it.client),
                escape(&it.audience),
                escape(&it.scopes),
                utc(it.at),
                button(paths::END_CONSENT, &hidden("client", &it.client), "Take back", "plain small"),
            );
        }
        body += "</tbody></table>";
    }
    let page = Page::new("Your account", body);
    // Connecting leads to the provider.
    let page = if visit.rules.providers.is_empty() { page } else { page.leads_out() };
    Ok(page.answer(visit))
}

/// What calls itself `agent`, as people know it: `Firefox on Windows`. What nobody knows stands as it came.
fn browser(agent: &str) -> String {
    // The first that fits: all others claim to be those below them.
    const NAMES: &[(&str, &str)] =
        &[("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
    const SYSTEMS: &[(&str, &str)] = &[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Macintosh", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find = |all: &[(&str, &'static str)]| all.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    match (find(NAMES), find(SYSTEMS)) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        _ if agent.is_empty() => "Unknown".to_owned(),
        _ => agent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::browser;

    #[test]
    fn a_browser_is_called_what_people_call_it() {
        let (webkit, gecko) = ("AppleWebKit/537.36 (KHTML, like Gecko)", "Gecko/20100101");
        for (agent, name) in [
            (
                format!("Mozilla/5.0 (X11; Linux x86_64) {webkit} HeadlessChrome/156.0.0.0 Safari/537.36"),
                "Chrome on Linux",
            ),
            (format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/150.0 Safari/537.36 Edg/150.0"), "Edge on Windows"),
            (format!("Mozilla/5.0 (Windows NT 10.0; rv:140.0) {gecko} Firefox/140.0"), "Firefox on Windows"),
            (
                format!("Mozilla/5.0 (Linux; Android 16) {webkit} Chrome/150.0 Mobile Safari/537.36"),
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1".to_owned(),
                "Safari on iPhone",
            ),
            ("curl/8.1".to_owned(), "curl/8.1"),
            (String::new(), "Unknown"),
        ] {
            assert_eq!(browser(&agent), name);
        }
    }
}
