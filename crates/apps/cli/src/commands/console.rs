//! `bartizan console`.

use super::{place, print, print_json, unanswered};
use crate::args::{ConsoleCommand, DataArgs, LinkArgs, SignOutArgs};
use crate::failure::Failure;
use crate::render::{table, utc};
use bartizan_core::console::{
    ConsoleLink, ConsoleSession, ConsoleSessions, ConsoleStatus, EndSessions, EndedSessions, MakeLink,
};
use bartizan_core::status::Status;
use bartizan_runtime::local;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Columns of tables: names of browsers are long, and terminals wrap.
const WIDTH: u16 = u16::MAX;

/// Does what is asked with the console.
pub(crate) async fn run(command: ConsoleCommand) -> Result<(), Failure> {
    match command {
        ConsoleCommand::Status(how) => status(&how).await,
        ConsoleCommand::Link(args) => link(args).await,
        ConsoleCommand::Sessions(how) => sessions(&how).await,
        ConsoleCommand::SignOut(args) => sign_out(args).await,
    }
}

async fn get<T: DeserializeOwned>(how: &DataArgs, path: &str) -> Result<T, Failure> {
    let data = place(&how.place)?;
    local::get(&data.control_socket(), path).await.map_err(|error| unanswered(&data, &error))
}

async fn post<T: DeserializeOwned>(how: &DataArgs, path: &str, wanted: &impl Serialize) -> Result<T, Failure> {
    let data = place(&how.place)?;
    local::post(&data.control_socket(), path, wanted).await.map_err(|error| unanswered(&data, &error))
}

async fn status(how: &DataArgs) -> Result<(), Failure> {
    let status: Status = get(how, "/v1/status").await?;
    let console = status.control.console;
    if how.json { print_json(&console) } else { print(&format!("{}\n", told(&console))) }
}

/// Where it is, in a line or two.
pub(crate) fn told(console: &ConsoleStatus) -> String {
    let ConsoleStatus { url, built, first_run, sessions, problem } = console;
    let mut text = match (url, problem) {
        (Some(url), None) => format!("console at {url}"),
        (Some(url), Some(why)) => format!("console at {url}, BUT {why}"),
        (None, Some(why)) => format!("console NOT SERVED: {why}"),
        (None, None) => return "no console (`console:` of the fleet file gives it an address)".to_owned(),
    };
    text.push_str(&match (first_run, sessions) {
        (true, _) => ", nobody has signed in yet (`bartizan console link`)".to_owned(),
        (false, 1) => ", 1 session".to_owned(),
        (false, n) => format!(", {n} sessions"),
    });
    if !built {
        text.push_str(
            "; its pages are not in this build: `make console`, then build Bartizan again (the API is there)",
        );
    }
    text
}

async fn link(args: LinkArgs) -> Result<(), Failure> {
    let LinkArgs { role, name, minutes, data: how } = args;
    let name = name.unwrap_or_else(who);
    let made: ConsoleLink =
        post(&how, "/v1/links", &MakeLink { role: role.into(), name, minutes: Some(minutes) }).await?;
    if how.json {
        return print_json(&made);
    }
    print(&format!(
        "{}\nopens the console once, for `{}` as {}, until {}\n",
        made.link,
        made.name,
        made.role,
        utc(made.until)
    ))
}

/// The user who asks, as far as the environment says; it is for people to read alone.
pub(crate) fn who() -> String {
    let said = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    said.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "administrator".to_owned())
}

async fn sessions(how: &DataArgs) -> Result<(), Failure> {
    let all: ConsoleSessions = get(how, "/v1/sessions").await?;
    if how.json {
        return print_json(&all);
    }
    if all.sessions.is_empty() {
        return print("nobody is signed in\n");
    }
    let row = |it: ConsoleSession| {
        let ConsoleSession { session, name, role, way: _, began, seen, until, address, agent } = it;
        vec![session, name, role.to_string(), utc(began), utc(seen), utc(until), address, agent]
    };
    let headers = ["SESSION", "NAME", "ROLE", "SINCE", "USED", "ENDS", "FROM", "BROWSER"];
    let rows = all.sessions.into_iter().map(row).collect();
    print(&format!("{}\n", table(&headers, rows, WIDTH).trim_end()))
}

async fn sign_out(args: SignOutArgs) -> Result<(), Failure> {
    let SignOutArgs { session, name, all, data: how } = args;
    let ended: EndedSessions = post(&how, "/v1/sessions/end", &EndSessions { session, name, all }).await?;
    if how.json {
        return print_json(&ended);
    }
    match ended.ended {
        0 => Err(Failure::new("there was no such session; `bartizan console sessions` lists all")),
        1 => print("1 session ended\n"),
        n => print(&format!("{n} sessions ended\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_it_is_and_what_is_missing() {
        let here = ConsoleStatus { url: Some("http://127.0.0.1:1".into()), built: true, ..ConsoleStatus::default() };
        assert_eq!(told(&here), "console at http://127.0.0.1:1, 0 sessions");
        let first = told(&ConsoleStatus { built: false, first_run: true, ..here });
        assert!(first.contains("console link") && first.contains("make console"), "{first}");
        let problem = ConsoleStatus { problem: Some("taken".into()), ..ConsoleStatus::default() };
        assert!(told(&problem).contains("NOT SERVED: taken"), "{}", told(&problem));
        let both = ConsoleStatus { url: Some("https://c.test".into()), ..problem };
        assert!(told(&both).starts_with("console at https://c.test, BUT taken"), "{}", told(&both));
        assert!(told(&ConsoleStatus::default()).starts_with("no console"));
    }
}
