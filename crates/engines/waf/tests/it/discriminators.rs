//! `discriminator`: the member that says which schema counts.

use crate::support::{body, of_body, why};
use bartizan_waf::schema::Unknown::Refuse;

const PETS: &str = r##"{ Pet: { oneOf: [{ $ref: "#/components/schemas/Cat" }, { $ref: "#/components/schemas/Dog" }], discriminator: { propertyName: kind, mapping: { feline: "#/components/schemas/Cat" } } }, Cat: { type: object, required: [kind], properties: { kind: { type: string }, lives: { type: integer } } }, Dog: { type: object, properties: { kind: { type: string }, tricks: { type: array, items: { type: string } } } } }"##;
const BASE: &str = r##"{ Base: { type: object, required: [kind], properties: { kind: { type: string } }, discriminator: { propertyName: kind } }, Car: { allOf: [{ $ref: "#/components/schemas/Base" }, { type: object, properties: { doors: { type: integer } } }] } }"##;

#[test]
fn chooses_and_says_what_is_wrong_with_the_chosen_one() {
    let api = of_body("3.0.3", r##"{ $ref: "#/components/schemas/Pet" }"##, PETS);
    assert_eq!(why(body(&api, r#"{"kind": "Cat", "lives": 9}"#, Refuse)), "good");
    assert_eq!(why(body(&api, r#"{"kind": "feline", "lives": 9}"#, Refuse)), "good");
    assert_eq!(why(body(&api, r#"{"kind": "Dog", "tricks": []}"#, Refuse)), "good");
    assert_eq!(
        why(body(&api, r#"{"kind": "Cat", "lives": "nine"}"#, Refuse)),
        "400 body `/lives`: has to be integer, is a string"
    );
    assert_eq!(
        why(body(&api, r#"{"kind": "Cat", "tricks": []}"#, Refuse)),
        "400 body `/tricks`: is not a member that is known here"
    );
    assert_eq!(
        why(body(&api, r#"{"kind": "Fish"}"#, Refuse)),
        "400 body: `kind` does not say which kind of object it is"
    );
    assert_eq!(why(body(&api, r#"{"lives": 9}"#, Refuse)), "400 body: `kind` does not say which kind of object it is");
    assert_eq!(why(body(&api, r#"{"kind": 5}"#, Refuse)), "400 body: `kind` does not say which kind of object it is");
}

#[test]
fn finds_those_that_are_made_of_it() {
    let api = of_body("3.0.3", r##"{ $ref: "#/components/schemas/Base" }"##, BASE);
    assert_eq!(why(body(&api, r#"{"kind": "Base"}"#, Refuse)), "good");
    assert_eq!(why(body(&api, r#"{"kind": "Car", "doors": 5}"#, Refuse)), "good");
    assert_eq!(
        why(body(&api, r#"{"kind": "Base", "doors": 5}"#, Refuse)),
        "400 body `/doors`: is not a member that is known here"
    );
    assert_eq!(
        why(body(&api, r#"{"kind": "Car", "doors": "x"}"#, Refuse)),
        "400 body `/doors`: has to be integer, is a string"
    );
}
