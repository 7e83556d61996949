//! Who asks: inbound, a caller whose certificate is still in date. A connection may outlive it.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;

pub(super) const IT: Filter = Filter { name: "peer", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if x.conn.side != Side::Inbound {
        return Ok(()); // outside clients and the own program show no certificate
    }
    match &x.conn.caller {
        Some(caller) if caller.is_valid_at(x.now) => Ok(()),
        _ => Err(Answer::new(403, "peer_expired", "the caller's certificate has run out, connect again").and_close()),
    }
}
