//! Responses: which there are, and what stands in them.

use crate::support::{shop, why};
use bartizan_waf::api::{Found, Reply};
use bartizan_waf::schema::Unknown::{Refuse, Strip};

#[test]
fn refuses_responses_that_the_document_does_not_name() {
    let api = shop();
    let Found::Operation(found) = api.find("GET", "/v1/orders") else { panic!() };
    let reply = |status: u16, content: Option<&str>, has: bool| why(api.reply(found.operation, (status, content, has)));
    assert_eq!(reply(200, Some("application/json"), true), "good");
    assert_eq!(reply(500, Some("text/html"), true), "502 status: 500 is none of those that the document names");
    assert_eq!(reply(500, None, false), "good", "nothing leaks where nothing comes");
    assert_eq!(
        reply(200, Some("text/html"), true),
        "502 content type: text/html is none of those that the document names for status 200"
    );
    assert_eq!(reply(200, None, true), "502 content type: is missing, or none");
    assert_eq!(reply(404, Some("application/problem+json"), true), "good");
    let Found::Operation(found) = api.find("POST", "/v1/orders") else { panic!() };
    assert_eq!(
        why(api.reply(found.operation, (201, Some("application/json"), true))),
        "502 body: the document names no content for status 201"
    );
    assert_eq!(why(api.reply(found.operation, (500, Some("application/json"), true))), "good");
    let Found::Operation(found) = api.find("GET", "/v1/orders/newest") else { panic!() };
    assert_eq!(api.reply(found.operation, (200, Some("text/plain"), true)), Ok(Reply::Opaque));
}

#[test]
fn a_planted_field_is_stopped_or_masked() {
    let api = shop();
    let Found::Operation(found) = api.find("GET", "/v1/orders") else { panic!() };
    let Reply::Json(schema) = api.reply(found.operation, (200, Some("application/json"), true)).unwrap() else {
        panic!()
    };
    let text = r#"[{"id": 1, "amount": 2, "note": null, "cost": 1, "lines": [{"sku": "a", "supplier": "s", "meta": {"x": 1}}]}]"#;
    let stopped = api.check_reply(schema, text.as_bytes(), Refuse);
    assert_eq!(why(stopped), "502 body `/0/cost`: is not a member that is known here");
    let masked = api.check_reply(schema, text.as_bytes(), Strip).unwrap();
    let rest = String::from_utf8(masked.instead.unwrap()).unwrap();
    assert_eq!(
        rest,
        r#"[{"id":1,"amount":2,"note":null,"lines":[{"sku":"a","meta": {"x": 1}}]}]"#
            .replace("\"meta\": ", "\"meta\":")
    );
    assert_eq!(masked.gone, ["/0/cost", "/0/lines/0/supplier"]);
    assert_eq!(
        why(api.check_reply(schema, br#"[{"id": 1, "amount": 2}]"#, Strip)),
        "502 body `/0`: the member `note` is missing"
    );
}
