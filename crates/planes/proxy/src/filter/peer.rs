//! Who asks: a caller with a certificate who is still trusted as when the connection began.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use crate::plaintext;

pub(super) const IT: Filter = Filter { name: "peer", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if x.conn.caller.is_none() && x.conn.side != Side::Inbound {
        return Ok(()); // the own program shows no certificate, and most outside clients show none
    }
    if x.conn.caller.is_none() && !plaintext::is_taken(x.live) {
        return Err(Answer::new(403, "mtls_required", "this service takes calls over mutual TLS alone").and_close());
    }
    match x.conn.trust.judge_again() {
        None => Ok(()),
        Some(ending) => {
            Err(Answer::new(403, ending.as_str(), "the caller is not trusted on this connection any more").and_close())
        }
    }
}
