//! GraphQL: any text has a verdict, and what passes is within its limits.
#![no_main]

use bartizan_core::api::GraphqlLimits;
use bartizan_waf::graphql::{Carried, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = GraphqlLimits::default();
    for carried in [Carried::Plain(bytes), Carried::Json(bytes)] {
        if let Ok(measure) = check(carried, &limits) {
            assert!(measure.depth <= u64::from(limits.depth) && measure.cost <= u64::from(limits.cost));
        }
    }
});
