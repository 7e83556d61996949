//! `bartizan key`.

use super::token::enforced;
use super::{place, print, print_json, unanswered};
use crate::args::{AddKeyArgs, DataArgs, KeyCommand, RevokeKeyArgs};
use crate::failure::Failure;
use crate::render::utc;
use bartizan_core::status::{AddKey, AddedKey, Keys, RevokeKey, RevokedKey};
use bartizan_runtime::local;
use serde::Serialize;

pub(crate) async fn run(command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Add(args) => add(args).await,
        KeyCommand::List(args) => list(&args).await,
        KeyCommand::Revoke(args) => revoke(&args).await,
    }
}

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Done<T> {
    #[serde(flatten)]
    said: T,
    /// Whether the gateway goes by it already.
    enforced: bool,
}

async fn add(args: AddKeyArgs) -> Result<(), Failure> {
    let AddKeyArgs { name, scopes, tenant, expires, data: how } = args;
    let data = place(&how.place)?;
    let wanted = AddKey { name, scopes, tenant, expires_s: expires };
    let added: AddedKey = local::post(&data.control_socket(), "/v1/keys/add", &wanted)
        .await
        .map_err(|error| unanswered(&data, &error))?;
    let enforced = enforced(&data, added.epoch).await?;
    if how.json { print_json(&Done { said: added, enforced }) } else { print(&format!("{}\n", added.key)) }
}

async fn list(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let keys: Keys = local::get(&data.control_socket(), "/v1/keys").await.map_err(|error| unanswered(&data, &error))?;
    if args.json {
        return print_json(&keys);
    }
    if keys.keys.is_empty() {
        return print("no key; make one with `bartizan key add NAME`\n");
    }
    let mut text = String::new();
    for key in &keys.keys {
        let until = key.expires.map_or_else(|| "until it is revoked".to_owned(), |end| format!("until {}", utc(end)));
        let tenant = key.tenant.as_ref().map_or_else(String::new, |tenant| format!(", tenant {tenant}"));
        let scopes = if key.scopes.is_empty() { "no scopes".to_owned() } else { key.scopes.join(" ") };
        text += &format!("{}: {scopes}{tenant}, {until}\n", key.name);
    }
    print(&text)
}

async fn revoke(args: &RevokeKeyArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let wanted = RevokeKey { name: args.name.clone() };
    let revoked: RevokedKey = local::post(&data.control_socket(), "/v1/keys/revoke", &wanted)
        .await
        .map_err(|error| unanswered(&data, &error))?;
    let enforced = enforced(&data, revoked.epoch).await?;
    if args.data.json {
        return print_json(&Done { said: revoked, enforced });
    }
    let state = if enforced { "refused at the gateway" } else { "the gateway has not heard of it yet" };
    print(&format!("key {}: {state} (epoch {})\n", revoked.name, revoked.epoch.0))
}
