//! A header of the PROXY protocol, read step by step, ends where the whole one does and takes nothing of what follows.
#![no_main]

use bartizan_proxy::forwarded_for::client;
use bartizan_proxy::proxy_header::{Parsed, parse};
use libfuzzer_sys::fuzz_target;
use std::net::Ipv4Addr;

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    let mut read = 0;
    while let Parsed::More(bytes) = parse(&input[..read]) {
        assert!(bytes > read);
        if bytes > input.len() {
            assert!(!matches!(whole, Parsed::Done { .. }));
            break;
        }
        read = bytes;
    }
    if let Parsed::Done { bytes, .. } = parse(&input[..read]) {
        assert_eq!(bytes, read);
        assert_eq!(parse(&input[..read]), whole);
    }
    // The same bytes as lines of X-Forwarded-For.
    let _ = client(Ipv4Addr::LOCALHOST.into(), input.split(|&b| b == b'\n'), |at| at.is_loopback());
});
