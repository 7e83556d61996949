//! `bartizan token`.

use super::{place, print, print_json, unanswered};
use crate::args::{DataArgs, RevokeTokenArgs};
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::limits::{ENFORCED_LOOK, ENFORCED_WITHIN};
use bartizan_core::ServiceName;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::status::{NodeToken, RevokeTokens, RevokedTokens, Status};
use bartizan_runtime::local;
use serde::Serialize;
use serde_json::json;
use std::time::Instant;

/// Prints a join token for one node, alone on its line so that it can be piped.
pub(crate) async fn node(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let made: NodeToken = local::post(&data.control_socket(), "/v1/node-tokens", &json!({}))
        .await
        .map_err(|error| unanswered(&data, &error))?;
    if args.json { print_json(&made) } else { print(&format!("{}\n", made.token)) }
}

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Done {
    #[serde(flatten)]
    revoked: RevokedTokens,
    /// Whether the gateway refuses them already.
    enforced: bool,
}

/// Takes tokens back, and waits a moment until the gateway refuses them.
pub(crate) async fn revoke(args: &RevokeTokenArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let RevokeTokenArgs { jti, subject, family, issuer, data: how } = args;
    let wanted =
        RevokeTokens { issuer: issuer.clone(), token: jti.clone(), subject: subject.clone(), family: family.clone() };
    let revoked: RevokedTokens = local::post(&data.control_socket(), "/v1/tokens/revoke", &wanted)
        .await
        .map_err(|error| unanswered(&data, &error))?;
    let enforced = enforced(&data, revoked.epoch).await?;
    if how.json {
        return print_json(&Done { revoked, enforced });
    }
    let RevokedTokens { issuer, what, epoch } = revoked;
    let state = if enforced { "refused at the gateway" } else { "the gateway has not heard of it yet" };
    print(&format!("{what} of {issuer}: {state} (epoch {})\n", epoch.0))
}

/// Whether the gateway holds the directory of `epoch`; waits for it, but not long.
pub(super) async fn enforced(data: &DataDir, epoch: Epoch) -> Result<bool, Failure> {
    let began = Instant::now();
    loop {
        let status: Status =
            local::get(&data.control_socket(), "/v1/status").await.map_err(|error| unanswered(data, &error))?;
        let mut gateways =
            status.proxies.iter().filter(|proxy| proxy.attached && proxy.service == ServiceName::gateway());
        if gateways.any(|it| it.held.get(&Kind::Directory).is_some_and(|held| *held >= epoch)) {
            return Ok(true);
        }
        if began.elapsed() > ENFORCED_WITHIN {
            return Ok(false);
        }
        tokio::time::sleep(ENFORCED_LOOK).await;
    }
}
