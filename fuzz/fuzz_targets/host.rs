//! Hosts, as requests name them: each of the readers takes what it takes in one form, and they do not contradict each other.
#![no_main]

use bartizan_core::egress::HostName;
use bartizan_core::gateway::{is_host, normal_host};
use bartizan_core::host::{AUTHORITY_BYTES_MAX, Authority, Host, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some((host, port)) = split(text) {
        assert_eq!(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")), text);
    }
    if let Some(host) = normal_host(text.as_bytes()) {
        assert!(is_host(text.as_bytes(), &host));
        assert!(!host.is_empty() && !host.ends_with('.') && *host == host.to_ascii_lowercase());
    }
    let name = HostName::parse(text).ok();
    if let Some(name) = &name {
        assert_eq!(HostName::parse(name.as_str()).as_ref(), Ok(name));
    }
    let Some(read) = Authority::parse(text) else { return };
    let printed = read.to_string();
    assert!(text.len() <= AUTHORITY_BYTES_MAX && printed.len() <= AUTHORITY_BYTES_MAX);
    assert_eq!(Authority::parse(&printed).as_ref(), Some(&read));
    match &read.host {
        Host::Name(host) => {
            // The strictest of them: whoever is named here is named to the others by the same name.
            assert_eq!(normal_host(text.as_bytes()).as_deref(), Some(&**host));
            assert_eq!(HostName::parse(host).map(|it| it.as_str().to_owned()).as_deref(), Ok(&**host));
        }
        Host::Ip(_) => assert!(name.is_none(), "an address is no name"),
    }
});
