//! Members of bodies: those that no schema names, and those for the other direction.

use crate::support::{SHOP, body, head, of_body, reply, shop, why};
use bartizan_waf::Api;
use bartizan_waf::schema::Unknown::{Allow, Refuse, Strip};

const ORDER: &str = r##"{ $ref: "#/components/schemas/Order" }"##;
const SCHEMAS: &str = r##"{ Order: { type: object, required: [amount], properties: { id: { type: integer, readOnly: true }, amount: { type: number }, pin: { type: string, writeOnly: true }, free: { type: object }, line: { $ref: "#/components/schemas/Line" } } }, Line: { type: object, properties: { sku: { type: string } } } }"##;

fn instead(outcome: Result<bartizan_waf::api::Good, bartizan_waf::api::Problem>) -> String {
    let good = outcome.unwrap();
    good.instead.map_or_else(|| "as it was".to_owned(), |bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_field_that_nobody_names_is_refused_stripped_or_let_through() {
    let api = of_body("3.1.0", ORDER, SCHEMAS);
    let text = r#"{"amount": 1.10, "isAdmin": true, "line": {"sku": "a", "price": 0}}"#;
    assert_eq!(why(body(&api, text, Refuse)), "400 body `/isAdmin`: is not a member that is known here");
    assert_eq!(instead(body(&api, text, Strip)), r#"{"amount":1.10,"line":{"sku":"a"}}"#);
    assert_eq!(body(&api, text, Strip).unwrap().gone, ["/isAdmin", "/line/price"]);
    assert_eq!(instead(body(&api, text, Allow)), "as it was");
    let free = r#"{"amount": 1, "free": {"anything": {"goes": 1}}}"#;
    assert_eq!(why(body(&api, free, Refuse)), "good", "a schema that names no members takes all");
}

#[test]
fn what_only_the_service_may_say_is_not_taken_from_clients_and_the_other_way_round() {
    let api = of_body("3.1.0", ORDER, SCHEMAS);
    let request = r#"{"id": 5, "amount": 1, "pin": "1"}"#;
    assert_eq!(why(body(&api, request, Refuse)), "400 body `/id`: is not for this direction (readOnly, writeOnly)");
    assert_eq!(instead(body(&api, request, Strip)), r#"{"amount":1,"pin":"1"}"#);
    assert_eq!(instead(body(&api, request, Allow)), "as it was");
    assert_eq!(why(reply(&api, request, Refuse)), "502 body `/pin`: is not for this direction (readOnly, writeOnly)");
    assert_eq!(instead(reply(&api, request, Strip)), r#"{"id":5,"amount":1}"#);
}

#[test]
fn what_is_required_of_one_direction_is_not_of_the_other() {
    let api = Api::compile(SHOP, "shop.yaml", None).unwrap();
    let passed = head(&api, "POST", "/v1/orders", &[("content-type", "application/json")], Refuse).unwrap();
    let order = |text: &str| why(api.check_body(&passed.body, text.as_bytes(), Refuse));
    assert_eq!(order(r#"{"amount": 1.5, "note": null}"#), "good");
    assert_eq!(order(r#"{"amount": 1.5}"#), "400 body: the member `note` is missing");
    assert_eq!(order(r#"{"amount": 1.555, "note": ""}"#), "400 body `/amount`: is not a multiple of what it has to be");
    assert_eq!(
        order(r#"{"amount": 1, "note": "", "parent": {"amount": 0, "note": ""}}"#),
        "400 body `/parent/amount`: is too small; the smallest number is excluded"
    );
    assert_eq!(
        order(r#"{"amount": 1, "amount": 2, "note": ""}"#),
        "400 body: two members of an object have the same name, at byte 24"
    );
    assert_eq!(order("{"), "400 body: the JSON text ends too early, at byte 1");
    assert_eq!(order(""), "400 body: the JSON text ends too early, at byte 0");
    assert_eq!(order("[]"), "400 body: has to be object, is an array");
}

#[test]
fn a_form_is_judged_as_json_is() {
    let api = shop();
    let passed =
        head(&api, "POST", "/v1/orders", &[("content-type", "application/x-www-form-urlencoded")], Refuse).unwrap();
    let form = |text: &str, unknown| api.check_body(&passed.body, text.as_bytes(), unknown);
    assert_eq!(why(form("state=open&min=2", Refuse)), "good");
    assert_eq!(why(form("state=closed", Refuse)), "400 body `/state`: is none of the values that may stand here");
    assert_eq!(why(form("state=open&state=paid", Refuse)), "400 body: the field `state` is there more than once");
    assert_eq!(why(form("role=admin", Refuse)), "400 body `/role`: is not a member that is known here");
    assert_eq!(instead(form("role=admin&state=open", Strip)), "state=open");
    assert_eq!(why(form("min=x", Refuse)), "400 body `/min`: has to be number, is a string");
}

#[test]
fn a_field_counts_as_known_where_any_schema_names_it() {
    let schema = "{ allOf: [{ properties: { a: { properties: { x: {} } } } }, { properties: { a: { properties: { y: {} } }, b: {} } }] }";
    let api = of_body("3.1.0", schema, "{}");
    assert_eq!(why(body(&api, r#"{"a": {"x": 1, "y": 2}, "b": 1}"#, Refuse)), "good");
    assert_eq!(
        why(body(&api, r#"{"a": {"x": 1, "z": 2}}"#, Refuse)),
        "400 body `/a/z`: is not a member that is known here"
    );
}

#[test]
fn alternatives_are_told_apart_before_anything_is_taken_out() {
    let schema = "{ oneOf: [{ properties: { a: {} }, required: [a], additionalProperties: false }, { properties: { b: {} }, additionalProperties: false }] }";
    let api = of_body("3.1.0", schema, "{}");
    assert_eq!(instead(body(&api, r#"{"a": 1}"#, Strip)), "as it was");
    assert_eq!(instead(body(&api, r#"{"b": 1}"#, Strip)), "as it was");
    assert_eq!(instead(body(&api, r#"{"b": 1, "c": 2}"#, Strip)), r#"{"b":1}"#);
    assert_eq!(why(body(&api, r#"{"b": 1, "c": 2}"#, Refuse)), "400 body `/c`: is not a member that is known here");
    assert_eq!(
        why(body(&api, r#"{"b": 1, "c": 2}"#, Allow)),
        "400 body `/c`: is not a member that is known here",
        "the document itself forbids it"
    );
}

#[test]
fn nullable_and_exclusive_bounds_of_3_0() {
    let schema = "{ type: object, properties: { n: { type: integer, nullable: true, minimum: 1, exclusiveMinimum: true }, e: { type: string, nullable: true, enum: [a, null] } } }";
    let api = of_body("3.0.3", schema, "{}");
    assert_eq!(why(body(&api, r#"{"n": null, "e": null}"#, Refuse)), "good");
    assert_eq!(why(body(&api, r#"{"n": 2, "e": "a"}"#, Refuse)), "good");
    assert_eq!(why(body(&api, r#"{"n": 1}"#, Refuse)), "400 body `/n`: is too small; the smallest number is excluded");
}

#[test]
fn what_would_take_too_many_steps_is_refused() {
    let schema =
        "{ anyOf: [{ items: { $ref: '#/components/schemas/D' } }, { items: { $ref: '#/components/schemas/D' } }] }";
    let api = of_body("3.1.0", "{ $ref: '#/components/schemas/D' }", &format!("{{ D: {schema} }}"));
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    assert!(why(body(&api, &deep, Allow)).contains("takes more steps to check than are made"));
    let twins = format!("[{}]", (0..8000).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
    let api = of_body("3.1.0", "{ uniqueItems: true }", "{}");
    assert!(why(body(&api, &twins, Allow)).contains("takes more steps"));
}
