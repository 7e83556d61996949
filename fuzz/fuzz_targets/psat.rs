//! TokenReviews: no answer makes reading panic, nobody becomes another node than was asked for, and no token breaks
//! out of the question.
#![no_main]

use bartizan_core::ServiceName;
use bartizan_identity::psat::Rules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let rules = Rules { audience: "bartizan".to_owned(), accounts: vec!["bartizan:node".to_owned()] };
    let name = ServiceName::parse("worker-1").expect("a good name");
    if let Ok(found) = rules.check(data, &name) {
        assert_eq!(found.node, name);
        assert!(!found.node_uid.is_empty());
    }
    if let Ok(token) = std::str::from_utf8(data)
        && let Ok(question) = rules.question(token)
    {
        assert!(String::from_utf8(question).expect("JSON is text").contains(&format!("\"token\":\"{token}\"")));
    }
});
