//! DNS queries: what is read is answered with its own number and within what the client takes, and no answer is read as a query.
#![no_main]

use bartizan_proxy::egress::dns::message::{Code, QueryError, read};
use bartizan_proxy::limits::DNS_UDP_BYTES_MAX;
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

fuzz_target!(|input: (u8, &[u8])| {
    let (count, bytes) = input;
    let Ok(query) = read(bytes) else { return };
    let addresses = vec![IpAddr::from([192, 0, 2, 1]); count.into()];
    for udp in [true, false] {
        let answer = query.answer(Code::Fine, &addresses, 60, udp);
        assert_eq!(answer[..2], bytes[..2]);
        assert_eq!(read(&answer), Err(QueryError::Ignored));
        assert!(!udp || answer.len() <= usize::from(DNS_UDP_BYTES_MAX));
    }
});
