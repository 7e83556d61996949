//! Bundle documents of other trust domains: no text makes reading panic, and what is read is good enough for a snapshot.
#![no_main]

use bartizan_core::TrustDomain;
use bartizan_core::snapshot::Bundles;
use bartizan_identity::TrustBundles;
use bartizan_identity::federation::{Document, write};
use bartizan_identity::jwt_svid::JwtKeys;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let domain = TrustDomain::parse("partner.test").expect("a good name");
    let Ok(read) = Document::read(&domain, data) else { return };
    let mut bundles = Bundles::default();
    read.add_to(&mut bundles, &domain);
    TrustBundles::read(&bundles).expect("what was read can be published");
    JwtKeys::read(&bundles).expect("what was read can be published");
    // Roots with other keys than ours are good and are not ours to write.
    if let Ok(text) = write(&bundles, &domain, 1, 60) {
        let again = Document::read(&domain, text.as_bytes()).expect("what was written can be read");
        assert_eq!((again.roots, again.jwt_keys), (read.roots, read.jwt_keys));
    }
});
