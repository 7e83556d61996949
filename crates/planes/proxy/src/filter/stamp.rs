//! Tells the next hop who the client is: at the gateway its address, inbound the caller's identity.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use http::{HeaderName, HeaderValue, header};

pub(super) const IT: Filter = Filter { name: "stamp", run };

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PEER: HeaderName = HeaderName::from_static("x-bartizan-peer");

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    match x.conn.side {
        Side::Gateway => stamp_client(x),
        Side::Inbound => {
            if let Some(caller) = &x.conn.caller {
                let id = HeaderValue::try_from(caller.peer.id().as_str()).expect("a SPIFFE ID is visible ASCII");
                x.head.headers.insert(PEER, id);
            }
        }
        Side::Outbound(_) => {}
    }
    Ok(())
}

fn stamp_client(x: &mut Exchange<'_>) {
    let address = HeaderValue::try_from(x.conn.remote.ip().to_string()).expect("an address is a header value");
    let authority = x.head.uri.authority().and_then(|a| HeaderValue::try_from(a.as_str()).ok());
    let host = authority.or_else(|| x.head.headers.get(header::HOST).cloned());
    let headers = &mut x.head.headers;
    headers.insert(FORWARDED_FOR, address);
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
}
