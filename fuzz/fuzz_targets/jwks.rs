//! Key sets: no text makes reading panic, and the set that was read reads back from what it writes.
#![no_main]

use bartizan_crypto::jose::JwkSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(set) = JwkSet::parse(data) else { return };
    for key in &set.keys {
        assert!(!key.algs().is_empty(), "a key for nothing");
        assert!(key.algs().iter().all(|alg| key.verify_key(*alg).is_ok()), "a key that cannot be used was taken");
    }
    let again = JwkSet::parse(&set.to_json()).expect("what was written reads back");
    assert!(again.passed_over.is_empty(), "a key that was taken was passed over");
    let prints =
        |set: &JwkSet| set.keys.iter().map(|key| (key.thumbprint(), key.kid().map(str::to_owned))).collect::<Vec<_>>();
    assert_eq!(prints(&again), prints(&set));
});
