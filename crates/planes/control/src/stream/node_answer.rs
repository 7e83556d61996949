//! What a node gets for the workloads on its host: only what an entry of the fleet in force gives it.

use crate::app::App;
use crate::issuance::{self, Recorded};
use crate::stream::refusal::{Refusal, report_issued, report_refused};
use bartizan_core::issued::IssuedKind;
use bartizan_core::workload::Entry;
use bartizan_core::{ServiceName, SpiffeId, Timestamp};
use bartizan_crypto::csr;
use bartizan_identity::jwt_svid::check_audiences;
use bartizan_runtime::control_v1::{IssueWorkload, MintJwt};

/// An X.509-SVID for the key in the request.
pub(super) async fn issue(
    app: &App,
    node: &ServiceName,
    request: &IssueWorkload,
    now: Timestamp,
) -> Result<Recorded, Refusal> {
    let entry = entry(app, node, &request.entry, &request.spiffe_id)?;
    let issued = certify(app, node, request, &entry, now).await;
    match &issued {
        Ok(svid) => {
            app.workloads_until.note(svid);
            report_issued(app, None, entry.id, true, svid);
        }
        Err(refusal) => report_refused(app, None, entry.id, true, refusal),
    }
    issued
}

async fn certify(
    app: &App,
    node: &ServiceName,
    request: &IssueWorkload,
    entry: &Entry,
    now: Timestamp,
) -> Result<Recorded, Refusal> {
    let key = csr::check(&request.csr).map_err(|error| Refusal::malformed(error.to_string()))?;
    let issued = app.authority().issue_workload(&key.spki, entry, now);
    let svid = issued.map_err(|error| Refusal::unable(error.to_string()))?;
    issuance::record(app, IssuedKind::Workload, &entry.id, Some(node), &key.spki, svid).await
}

/// A JWT-SVID.
pub(super) fn mint(app: &App, node: &ServiceName, request: &MintJwt, now: Timestamp) -> Result<String, Refusal> {
    let entry = entry(app, node, &request.entry, &request.spiffe_id)?;
    if !entry.jwt {
        return Err(Refusal::denied(format!("workload `{}` may not have tokens", entry.name)));
    }
    check_audiences(&request.audiences).map_err(|error| Refusal::malformed(error.to_string()))?;
    let token = app.jwt.sign(&entry.id, &request.audiences, now);
    let token = token.ok_or_else(|| Refusal::unable("there is no key for tokens yet"))?;
    token.map_err(|error| Refusal::unable(error.to_string()))
}

/// The entry, where it is in force, of this node, and has the identity that the node thinks it has.
fn entry(app: &App, node: &ServiceName, name: &str, id: &str) -> Result<Entry, Refusal> {
    let in_force = app.in_force();
    let workloads = &in_force.desired.fleet.workloads;
    let entry = ServiceName::parse(name).ok().and_then(|name| workloads.get(&name)).filter(|entry| entry.is_for(node));
    let entry = entry.ok_or_else(|| Refusal::denied(format!("node `{node}` serves no workload of that name")));
    let entry = entry.inspect_err(|refusal| {
        if let Ok(id) = SpiffeId::parse(id) {
            report_refused(app, None, id, true, refusal);
        }
    })?;
    if let Some(denied) = in_force.denied.denies_id(&entry.id) {
        return Err(Refusal::on_deny_list(denied));
    }
    if entry.id.as_str() != id {
        return Err(Refusal::denied(format!("workload `{}` has another identity by now", entry.name)));
    }
    Ok(entry.clone())
}
