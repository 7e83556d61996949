//! Which host a request is for: the one that its connection was opened to, where the client said so in its handshake.
//!
//! Refuses, with 421, a request for another host than that (RFC 9110 section 7.4): whatever was decided by the name in the handshake
//! on the way here, by a certificate or a balancer in front, was decided for that name.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use bartizan_core::gateway::{is_host, normal_host};

pub(super) const IT: Filter = Filter { name: "host", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if x.conn.side != Side::Gateway {
        return Ok(());
    }
    let given = x.head.authority().or_else(|| x.head.fields.get("host")).unwrap_or_default();
    if let Some(name) = &x.conn.server_name
        && !is_host(given, name)
    {
        return Err(Answer::new(421, "misdirected", "this connection was opened to another host"));
    }
    if x.live.routes.asks_host() {
        x.host = normal_host(given).map(|host| host.into_owned().into());
    }
    Ok(())
}
