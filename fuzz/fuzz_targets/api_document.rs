//! An API's document and a body: the document is read or refused with places in it; what is stripped of a body is not refused any more.
#![no_main]

use bartizan_waf::Api;
use bartizan_waf::api::{Found, Head};
use bartizan_waf::schema::Unknown;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &[u8])| {
    let (text, target, body) = input;
    let api = match Api::compile(text, "api.yaml", None) {
        Ok(api) => api,
        Err(errors) => {
            assert!(!errors.errors.is_empty());
            let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() as u64;
            assert!(errors.errors.iter().all(|error| error.line <= lines), "{errors}");
            return;
        }
    };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let Found::Operation(found) = api.find("POST", path) else { return };
    let headers = [("content-type", "application/json")];
    let head = Head { query, headers: &headers, has_content: true };
    let Ok(passed) = api.check_head(&found, head, Unknown::Strip) else { return };
    if let Ok(good) = api.check_body(&passed.body, body, Unknown::Strip) {
        let left = good.instead.unwrap_or_else(|| body.to_vec());
        assert!(api.check_body(&passed.body, &left, Unknown::Strip).is_ok_and(|good| good.instead.is_none()));
    }
});
