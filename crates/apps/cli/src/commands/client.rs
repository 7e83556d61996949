//! `bartizan client`.

use super::{place, print, print_json, unanswered};
use crate::args::{AddClientArgs, ClientArgs, ClientCommand, DataArgs};
use crate::failure::Failure;
use crate::render::{table, utc};
use bartizan_core::client::{AddClient, ClientWithToken, OauthClient, OauthClients, OfClient};
use bartizan_runtime::local;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Columns of tables: addresses are long, and terminals wrap.
const WIDTH: u16 = u16::MAX;

/// Does what is asked with clients.
pub(crate) async fn run(command: ClientCommand) -> Result<(), Failure> {
    match command {
        ClientCommand::List(how) => list(&how).await,
        ClientCommand::Show(args) => show(args).await,
        ClientCommand::Add(args) => add(args).await,
        ClientCommand::Remove(args) => remove(args).await,
        ClientCommand::Rotate(args) => rotate(args).await,
    }
}

async fn post<T: DeserializeOwned>(how: &DataArgs, path: &str, wanted: &impl Serialize) -> Result<T, Failure> {
    let data = place(&how.place)?;
    let path = format!("/v1/clients/{path}");
    local::post(&data.control_socket(), &path, wanted).await.map_err(|error| unanswered(&data, &error))
}

async fn all(how: &DataArgs) -> Result<OauthClients, Failure> {
    let data = place(&how.place)?;
    local::get(&data.control_socket(), "/v1/clients").await.map_err(|error| unanswered(&data, &error))
}

async fn list(how: &DataArgs) -> Result<(), Failure> {
    let all = all(how).await?;
    if how.json {
        return print_json(&all);
    }
    let row = |it: &OauthClient| {
        [it.client_id.clone(), it.kind.as_str().to_owned(), it.title.clone(), listed(&it.grants), listed(&it.scopes)]
            .to_vec()
    };
    let headers = ["CLIENT", "KIND", "SHOWN AS", "GRANTS", "SCOPES"];
    print(&format!("{}\n", table(&headers, all.clients.iter().map(row).collect(), WIDTH).trim_end()))
}

async fn show(args: ClientArgs) -> Result<(), Failure> {
    // Found here: a name may hold anything, and would have to be escaped for an address.
    let ClientArgs { client, data: how } = args;
    let found = all(&how).await?.clients.into_iter().find(|it| it.client_id == client);
    let found = found
        .ok_or_else(|| Failure::new(format!("there is no client `{client}`; `bartizan client list` lists all")))?;
    if how.json { print_json(&found) } else { print(&shown(&found)) }
}

async fn add(args: AddClientArgs) -> Result<(), Failure> {
    let AddClientArgs { title, redirect, signed_out, scopes, grants, require_pushed, backchannel_logout, data: how } =
        args;
    let wanted = AddClient { title, redirect, signed_out, scopes, grants, require_pushed, backchannel_logout };
    tell(&how, &post(&how, "add", &wanted).await?)
}

async fn rotate(args: ClientArgs) -> Result<(), Failure> {
    let ClientArgs { client: client_id, data: how } = args;
    tell(&how, &post(&how, "rotate", &OfClient { client_id }).await?)
}

fn tell(how: &DataArgs, said: &ClientWithToken) -> Result<(), Failure> {
    if how.json {
        return print_json(said);
    }
    let text = shown(&said.client);
    print(&format!(
        "{text}token       {} (shown once: it looks at, changes and removes this app)\n",
        said.registration_access_token
    ))
}

async fn remove(args: ClientArgs) -> Result<(), Failure> {
    let ClientArgs { client: client_id, data: how } = args;
    let removed: OauthClient = post(&how, "remove", &OfClient { client_id }).await?;
    if how.json {
        return print_json(&removed);
    }
    print(&format!("{} was removed; what it was given ends\n", removed.client_id))
}

fn shown(it: &OauthClient) -> String {
    let mut text =
        format!("client      {}\nkind        {}\nshown as    {}\n", it.client_id, it.kind.as_str(), it.title);
    for (what, all) in [
        ("redirect  ", &it.redirect),
        ("signed out", &it.signed_out),
        ("grants    ", &it.grants),
        ("scopes    ", &it.scopes),
        ("audiences ", &it.audiences),
    ] {
        text += &format!("{what}  {}\n", listed(all));
    }
    let bound = match (it.bearer, &it.workload) {
        (true, _) => "to nothing",
        (false, Some(_)) => "to its certificate",
        (false, None) => "to a key of the app (DPoP)",
    };
    text += &format!("bound       {bound}\n");
    if it.require_pushed {
        text += "requests    pushed alone\n";
    }
    if let Some(to) = &it.backchannel_logout {
        text += &format!("told at     {to}\n");
    }
    if let Some(workload) = &it.workload {
        text += &format!("workload    {workload}\n");
    }
    if let Some(at) = it.registered {
        text += &format!("registered  {}\n", utc(at));
    }
    text
}

fn listed(all: &[String]) -> String {
    if all.is_empty() { "none".to_owned() } else { all.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_core::client::ClientKind;

    #[test]
    fn a_client_is_shown_with_what_it_may_do() {
        let it = OauthClient {
            client_id: "reg-x".to_owned(),
            kind: ClientKind::Registered,
            title: "The Shop".to_owned(),
            redirect: vec!["https://shop.test/back".to_owned()],
            signed_out: Vec::new(),
            scopes: vec!["openid".to_owned(), "email".to_owned()],
            audiences: vec!["api".to_owned()],
            grants: vec!["authorization_code".to_owned()],
            bearer: false,
            require_pushed: true,
            backchannel_logout: Some("https://shop.test/out".to_owned()),
            workload: None,
            registered: Some(Timestamp::from_secs(1_790_000_000)),
        };
        let text = shown(&it);
        for part in [
            "reg-x",
            "The Shop",
            "https://shop.test/back",
            "openid email",
            "DPoP",
            "pushed alone",
            "signed out  none",
            "told at     https://shop.test/out",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let bearer = shown(&OauthClient { bearer: true, require_pushed: false, registered: None, ..it });
        assert!(
            bearer.contains("to nothing") && !bearer.contains("pushed") && !bearer.contains("registered  "),
            "{bearer}"
        );
    }
}
