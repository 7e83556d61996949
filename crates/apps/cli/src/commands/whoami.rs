//! `bartizan whoami`.

use super::{place, print, print_json, svid, unanswered};
use crate::args::WhoamiArgs;
use crate::failure::Failure;
use crate::render::utc;
use bartizan_core::status::Status;
use bartizan_core::{ServiceName, Timestamp, TrustDomain};
use bartizan_runtime::local;
use serde::Serialize;

#[derive(Debug)]
struct Shown {
    operator: Result<Operator, String>,
    /// Why there are none, where that is so.
    workloads: Result<Vec<Workload>, String>,
}

/// Whoever may use control's local socket.
#[derive(Debug, Serialize)]
struct Operator {
    uid: u32,
    fleet: ServiceName,
    trust_domain: TrustDomain,
}

#[derive(Debug, Serialize)]
struct Workload {
    spiffe_id: String,
    not_after: Timestamp,
}

/// Prints both; fails where the caller is neither.
pub(crate) async fn run(args: &WhoamiArgs) -> Result<(), Failure> {
    let operator = operator(args).await.map_err(|failure| failure.to_string());
    let workloads = svid::identities(&args.at).await.map_err(|failure| failure.to_string()).map(|found| {
        let workload = |(spiffe_id, not_after)| Workload { spiffe_id, not_after };
        found.into_iter().map(workload).collect::<Vec<_>>()
    });
    let is_nobody = operator.is_err() && workloads.is_err();
    let shown = Shown { operator, workloads };
    if args.json {
        print_json(&shown.as_json())?
    } else {
        print(&shown.for_people())?
    }
    if is_nobody { Err(Failure::Said(1)) } else { Ok(()) }
}

async fn operator(args: &WhoamiArgs) -> Result<Operator, Failure> {
    let data = place(&args.at.place)?;
    let status: Status =
        local::get(&data.control_socket(), "/v1/status").await.map_err(|error| unanswered(&data, &error))?;
    Ok(Operator { uid: rustix::process::getuid().as_raw(), fleet: status.fleet, trust_domain: status.trust_domain })
}

impl Shown {
    fn for_people(&self) -> String {
        let mut text = match &self.operator {
            Ok(Operator { uid, fleet, trust_domain }) => {
                format!("operator  uid {uid}, of fleet `{fleet}` (trust domain {trust_domain})\n")
            }
            Err(why) => format!("operator  no: {why}\n"),
        };
        match &self.workloads {
            Ok(workloads) => workloads.iter().for_each(|Workload { spiffe_id, not_after }| {
                text.push_str(&format!("workload  {spiffe_id} until {}\n", utc(*not_after)));
            }),
            Err(why) => text.push_str(&format!("workload  no: {why}\n")),
        }
        text
    }

    /// Without reasons: absent is `null`, or an empty list.
    fn as_json(&self) -> serde_json::Value {
        let workloads = self.workloads.as_deref().unwrap_or_default();
        serde_json::json!({ "operator": self.operator.as_ref().ok(), "workloads": workloads })
    }
}
