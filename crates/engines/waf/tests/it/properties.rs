//! What holds for all inputs.

use crate::support::{body, of_body};
use bartizan_waf::json::{Bounds, read};
use bartizan_waf::schema::Unknown::{Allow, Refuse, Strip};
use bartizan_waf::{Api, source};
use proptest::prelude::*;
use serde_json::{Value, json};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-5_i64..5).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}

const SCHEMA: &str = "{ $ref: '#/components/schemas/T' }";
const T: &str = "{ T: { anyOf: [{ type: [integer, string, 'null'] }, { type: array, items: { $ref: '#/components/schemas/T' } }, { type: object, properties: { a: { $ref: '#/components/schemas/T' }, b: { type: integer } }, patternProperties: { '^c': {} } }] } }";

proptest! {
    /// What is left after stripping is what would not have been refused, and stripping it again takes nothing out.
    #[test]
    fn what_is_stripped_passes(value in value()) {
        let api = of_body("3.1.0", SCHEMA, T);
        let text = value.to_string();
        let strict = body(&api, &text, Refuse);
        match body(&api, &text, Strip) {
            Ok(good) => {
                let left = good.instead.map_or(text.clone(), |bytes| String::from_utf8(bytes).unwrap());
                prop_assert!(body(&api, &left, Refuse).is_ok(), "{left}");
                prop_assert_eq!(strict.is_ok(), left == text);
                prop_assert!(body(&api, &text, Allow).is_ok());
                let read: Value = serde_json::from_str(&left).unwrap();
                prop_assert!(read.to_string().len() <= text.len());
            }
            Err(_) => prop_assert!(strict.is_err()),
        }
    }

    /// A document is read or refused, and never the end of the reader.
    #[test]
    fn documents_are_read_or_refused(text in "(openapi: 3.1.0\npaths:\n)?[a-z/{}:$#'\\[\\] \n-]{0,60}") {
        let _ = Api::compile(&text, "a.yaml", None);
        let _ = source::read(&text);
    }

    /// The same value in two forms has one verdict.
    #[test]
    fn the_order_of_members_says_nothing(value in value()) {
        let api = of_body("3.1.0", SCHEMA, T);
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(body(&api, &pretty, Refuse).is_ok(), body(&api, &value.to_string(), Refuse).is_ok());
        prop_assert_eq!(read(pretty.as_bytes(), &Bounds::BODY).unwrap().len(), read(value.to_string().as_bytes(), &Bounds::BODY).unwrap().len());
    }
}
