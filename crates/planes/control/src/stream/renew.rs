//! The next identity for a proxy that is there already, and the gateway's certificate for outside clients.

use crate::app::App;
use crate::issuance::{self, Recorded};
use crate::limits::{RENEWALS_MAX, RENEWALS_PER};
use crate::stream::refusal::Refusal;
use bartizan_core::issued::IssuedKind;
use bartizan_core::{Member, ServiceName, SpiffeId, Timestamp};
use bartizan_crypto::csr;
use bartizan_runtime::control_v1::Renew;

/// How often a stream has asked lately.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    since: Timestamp,
    count: u32,
}

impl Allowance {
    /// False where it has asked more than `most` times within [`RENEWALS_PER`].
    pub(crate) fn take(&mut self, now: Timestamp, most: u32) -> bool {
        if now.since(self.since) >= RENEWALS_PER {
            *self = Self { since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count <= most
    }

    /// Whether the last one was the first beyond `most`.
    pub(crate) fn is_first_beyond(&self, most: u32) -> bool {
        self.count == most.saturating_add(1)
    }
}

/// Issues what `request` asks for to the proxy of `member`, and to nobody else: the stream says who it is. Also returns
/// the key that was certified.
#[expect(clippy::too_many_arguments, reason = "what a stream knows of itself")]
pub(crate) async fn renew(
    app: &App,
    request: &Renew,
    member: &Member,
    id: &SpiffeId,
    node: Option<&ServiceName>,
    key_before: &[u8],
    allowance: &mut Allowance,
    now: Timestamp,
) -> Result<(Recorded, Vec<u8>), Refusal> {
    if !allowance.take(now, RENEWALS_MAX) {
        return Err(Refusal::exhausted(format!(
            "more than {RENEWALS_MAX} identities within {} s",
            RENEWALS_PER.as_secs()
        )));
    }
    let key = csr::check(&request.csr).map_err(|error| Refusal::malformed(error.to_string()))?;
    if key.spki == key_before {
        return Err(Refusal::malformed("a renewal needs a fresh key"));
    }
    let authority = app.authority();
    let issued = if request.edge {
        if *member.service() != ServiceName::gateway() {
            return Err(Refusal::denied("only the gateway gets a certificate for outside clients"));
        }
        authority.issue_edge(&key.spki, &app.in_force().desired.fleet, &app.options.edge_names, now)
    } else {
        app.authority_for(&member.to_string()).issue(&key.spki, id, now)
    };
    let svid = issued.map_err(|error| Refusal::unable(error.to_string()))?;
    let kind = if request.edge { IssuedKind::Edge } else { IssuedKind::Service };
    Ok((issuance::record(app, kind, id, node, &key.spki, svid).await?, key.spki))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_too_often_waits_a_minute() {
        let mut allowance = Allowance::default();
        let at = |s: u64| Timestamp::from_secs(5000 + s);
        assert!((0..RENEWALS_MAX).all(|_| allowance.take(at(0), RENEWALS_MAX)));
        assert!(!allowance.take(at(59), RENEWALS_MAX));
        assert!(allowance.take(at(60), RENEWALS_MAX));
    }
}
