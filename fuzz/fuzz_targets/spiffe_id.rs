//! SPIFFE IDs: what parses prints back, and is made of the parts it says.
#![no_main]

use bartizan_core::{SpiffeId, TrustDomain};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(id) = SpiffeId::parse(text) else { return };
    assert_eq!(id.as_str(), text);
    assert_eq!(format!("spiffe://{}{}", id.domain(), id.path()), text);
    assert!(!text.contains(['?', '#', '@', '%', '\\', ' ']));
    let domain = TrustDomain::parse(id.domain()).expect("its domain is one");
    if let Some(role) = id.role_in(&domain) {
        assert_eq!(SpiffeId::of(&domain, &role), id, "a role has one identity");
    }
    let foreign = TrustDomain::parse("foreign.example.that.nobody.fuzzes").expect("a good name");
    assert!(id.domain() == foreign.as_str() || id.role_in(&foreign).is_none());
});
