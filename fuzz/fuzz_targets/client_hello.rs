//! The ClientHello: however much has come, a verdict that was given stays, and a name is one that a host can have.
#![no_main]

use bartizan_core::egress::HostName;
use bartizan_proxy::egress::client_hello::{Verdict, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let whole = read(bytes);
    match read(&bytes[..usize::from(cut).min(bytes.len())]) {
        Verdict::More => {}
        Verdict::Refused(_) => assert!(matches!(whole, Verdict::Refused(_))),
        early => assert_eq!(early, whole),
    }
    if let Verdict::Hello(name) = whole {
        assert_eq!(HostName::parse(name.as_str()), Ok(name));
    }
});
