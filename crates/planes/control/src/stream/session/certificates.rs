//! When a proxy is to renew, and what became of the certificates that it was sent.

use super::{End, Session, cut};
use crate::limits::REFUSED_BYTES_MAX;
use crate::registry::Issued;
use bartizan_crypto::hash;
use bartizan_identity::Svid;
use bartizan_runtime::control_v1::{Installed, RenewAt, down};
use std::sync::Arc;

impl Session {
    /// Passes on when it is to renew, where that was just decided.
    pub(super) async fn send_orders(&mut self) -> Result<(), End> {
        let orders = Arc::clone(&self.orders.borrow_and_update());
        let seen = std::mem::replace(&mut self.orders_seen, orders.last());
        for (edge, order) in orders.of(&self.member, seen) {
            let (at_ms, reason) = (order.at.as_millis(), order.reason.clone());
            self.send(down::Message::RenewAt(RenewAt { at_ms, reason, edge })).await?;
        }
        Ok(())
    }

    /// What became of a certificate that was sent.
    pub(super) fn installed(&mut self, installed: Installed) {
        let Installed { edge, refused } = installed;
        let outcome = match refused.is_empty() {
            true => Ok(self.issued[usize::from(edge)].clone()),
            false => Err(cut(refused, REFUSED_BYTES_MAX)),
        };
        if let Err(why) = &outcome {
            tracing::error!(member = %self.member, edge, why, "a proxy refused a certificate");
        }
        self.app.registry.installed(&self.member, self.stream, edge, outcome);
    }
}

/// What is remembered of a certificate that was issued.
pub(super) fn remembered(svid: &Svid) -> Option<Issued> {
    let issuer = svid.chain.get(1).map(|der| hash::hex(&hash::sha256(der)))?;
    Some(Issued { issuer, not_before: svid.not_before, not_after: svid.not_after })
}
