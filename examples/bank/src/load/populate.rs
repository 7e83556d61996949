//! Users and accounts, before the payments begin.

use super::dice::Dice;
use super::{Bank, LoadError, Plan};
use crate::client::{Call, Client, Reply};
use crate::limits::{LOAD_ATTEMPTS_MAX, PAUSE_MAX, PAUSE_MIN};
use crate::words::Id;
use hyper::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::sleep;

#[derive(Deserialize)]
struct Made {
    id: Id,
}

/// Makes the users and opens the accounts of a plan, dealt out to the users in turn.
pub(super) async fn populate(bank: &Bank, plan: &Plan, run: u64) -> Result<Vec<Id>, LoadError> {
    // From the far end, so that no key is also a payment's.
    let key = |number: u32| Dice::of(run, u64::MAX - u64::from(number)).key();
    let mut users = Vec::new();
    for number in 0..plan.users {
        let body = json!({ "name": format!("user {number}") });
        let call = Call::post("/users", &body).key(key(number));
        users.push(insist::<Made>(&bank.users, &call, "making a user", StatusCode::CREATED).await?.id);
    }
    let mut accounts = Vec::new();
    for number in 0..plan.accounts {
        let owner = &users[number as usize % users.len()];
        let body = json!({ "owner": owner, "opening_cents": plan.opening_cents });
        let call = Call::post("/accounts", &body).key(key(plan.users + number));
        accounts.push(insist::<Made>(&bank.accounts, &call, "opening an account", StatusCode::CREATED).await?.id);
    }
    Ok(accounts)
}

/// Calls until there is an answer that is not a server's trouble, and reads it.
pub(super) async fn insist<T: DeserializeOwned>(
    client: &Client,
    call: &Call<'_>,
    what: &str,
    wanted: StatusCode,
) -> Result<T, LoadError> {
    let mut pause = PAUSE_MIN;
    let mut attempt = 1;
    loop {
        let outcome = client.call_twice(call).await;
        let trouble = outcome.as_ref().map_or(true, |reply| reply.status.is_server_error());
        if !trouble || attempt == LOAD_ATTEMPTS_MAX {
            let reply = outcome.map_err(|source| LoadError::Call { what: what.to_owned(), source })?;
            return read(&reply, what, wanted);
        }
        attempt += 1;
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn read<T: DeserializeOwned>(reply: &Reply, what: &str, wanted: StatusCode) -> Result<T, LoadError> {
    let read = serde_json::from_slice(&reply.body).ok().filter(|_| reply.status == wanted);
    read.ok_or_else(|| LoadError::Answer {
        what: what.to_owned(),
        status: reply.status.as_u16(),
        body: String::from_utf8_lossy(&reply.body).chars().take(300).collect(),
    })
}
