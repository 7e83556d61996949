//! Where a request comes from, and whether anybody may come from there at all. At the gateway.
//!
//! Refuses with 403 what comes from an address that the gateway's lists keep out, also on a connection that was let in before they
//! did; with 400 what a trusted proxy says of the client and nobody can read.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use crate::forwarded_for;

pub(super) const IT: Filter = Filter { name: "client", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let Some(access) = x.live.routes.access().filter(|_| x.conn.side == Side::Gateway) else { return Ok(()) };
    let peer = x.conn.remote.ip();
    let address = match access.trusts(peer) {
        false => peer,
        true => {
            let said: Vec<&[u8]> = x.head.fields.all("x-forwarded-for").collect();
            forwarded_for::client(peer, said.into_iter(), |at| access.trusts(at))
                .map_err(|_| Answer::new(400, "forwarded_for", "X-Forwarded-For does not say who the client is"))?
        }
    };
    x.address = address;
    if access.admits(address) { Ok(()) } else { Err(kept_out()) }
}

/// The answer to whom a list keeps out.
pub(super) fn kept_out() -> Answer {
    Answer::new(403, "address_denied", "this is not for clients at your address")
}
