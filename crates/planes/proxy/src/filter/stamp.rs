//! Tells the next hop who the client is: at the gateway its address, inbound the caller's identity.

use super::{Exchange, Filter, user};
use crate::answer::Answer;
use crate::conn::Side;

pub(super) const IT: Filter = Filter { name: "stamp", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    user::hand_on(x)?;
    match x.conn.side {
        Side::Gateway => stamp_client(x),
        Side::Inbound => {
            if let Some(caller) = &x.conn.caller {
                x.head.fields.set("x-bartizan-peer", caller.peer.id().as_str().as_bytes());
            }
        }
        Side::Outbound(_) => {}
    }
    Ok(())
}

fn stamp_client(x: &mut Exchange<'_>) {
    let host = x.head.authority().or_else(|| x.head.fields.get("host")).map(<[u8]>::to_vec);
    let fields = &mut x.head.fields;
    fields.set("x-forwarded-for", x.address.to_string().as_bytes());
    fields.set("x-forwarded-proto", b"https");
    if let Some(host) = host {
        fields.set("x-forwarded-host", &host);
    }
}
