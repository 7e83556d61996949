//! What [`super::to_ocsf`] makes, as a JSON Schema: the part that is the same in every record, and that the rest is as OCSF has it.

use super::OCSF_VERSION;
use crate::event::Class;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};
use std::borrow::Cow;

/// A record of the Open Cybersecurity Schema Framework; nothing but its schema.
#[derive(Clone, Copy, Debug)]
pub struct OcsfRecord;

impl JsonSchema for OcsfRecord {
    fn schema_name() -> Cow<'static, str> {
        "OcsfRecord".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = generator.subschema_for::<Class>();
        let number = |about: &str| json!({ "type": "integer", "minimum": 0, "description": about });
        let word = |about: &str| json!({ "type": "string", "description": about });
        json_schema!({
            "type": "object",
            "description": format!("An event, as OCSF {OCSF_VERSION} has it. What its class has besides stands there as that schema says."),
            "required": [
                "category_uid", "class_uid", "class_name", "activity_id", "activity_name", "type_uid", "severity_id", "severity",
                "status_id", "status", "time", "message", "metadata", "unmapped",
            ],
            "properties": {
                "category_uid": number("Its category."),
                "class_uid": number("Its class, such as 4002."),
                "class_name": word("The same in words, such as `HTTP Activity`."),
                "activity_id": number("What of its class happened."),
                "activity_name": word("The same in a word."),
                "type_uid": number("Class and activity in one: `class_uid * 100 + activity_id`."),
                "severity_id": json!({ "type": "integer", "minimum": 1, "maximum": 5, "description": "How bad it is; 1 is mere information." }),
                "severity": word("The same in a word."),
                "status_id": json!({ "enum": [1, 2], "description": "1: what was tried came about; 2: it did not." }),
                "status": json!({ "enum": ["Success", "Failure"], "description": "The same in a word." }),
                "status_code": word("The word for the failure."),
                "status_detail": word("More about it."),
                "time": number("When, milliseconds since 1970."),
                "message": word("In a sentence, for people."),
                "metadata": metadata(),
                "unmapped": {
                    "type": "object",
                    "description": "What OCSF has no place for.",
                    "required": ["bartizan"],
                    "properties": { "bartizan": own(kind.to_value()) },
                },
            },
            "additionalProperties": true,
        })
    }
}

fn metadata() -> Value {
    json!({
        "type": "object",
        "description": "About the record itself.",
        "required": ["version", "product", "uid", "tenant_uid", "log_name"],
        "properties": {
            "version": { "const": OCSF_VERSION, "description": "Of OCSF." },
            "product": {
                "type": "object",
                "description": "Who wrote it.",
                "required": ["name", "vendor_name", "version"],
                "properties": {
                    "name": { "const": "Bartizan", "description": "The product." },
                    "vendor_name": { "const": "Bartizan", "description": "Who makes it." },
                    "version": { "type": "string", "description": "Its version." },
                },
                "additionalProperties": false,
            },
            "uid": { "type": "string", "description": "The name of the event." },
            "tenant_uid": { "type": "string", "description": "The fleet's trust domain." },
            "log_name": { "const": "bartizan", "description": "The log." },
            "correlation_uid": { "type": "string", "description": "The request that it belongs to." },
            "profiles": { "type": "array", "items": { "type": "string" }, "description": "Profiles of OCSF that it follows." },
        },
        "additionalProperties": false,
    })
}

/// The keys that every record has.
fn own(kind: Value) -> Value {
    let maybe = |of: &str, about: &str| json!({ "type": [of, "null"], "description": about });
    let words = |about: &str| json!({ "type": "array", "items": { "type": "string" }, "description": about });
    json!({
        "type": "object",
        "description": "Our own words, the same keys in every record, null where they do not apply. Some classes have more.",
        "required": [
            "kind", "service", "seen_by", "request", "peer", "to", "decision", "policies", "epoch", "reason", "denial", "fleet", "owner", "data",
            "version", "image",
        ],
        "properties": {
            "kind": kind,
            "service": maybe("string", "The service whose guard saw it."),
            "seen_by": { "type": "string", "description": "Which side of a guard, or which process, saw it." },
            "request": maybe("string", "The request that it belongs to, 32 hex digits."),
            "peer": maybe("string", "Who was at the other end, a SPIFFE ID."),
            "to": maybe("string", "The service that was asked, or the destination outside."),
            "decision": { "enum": ["allow", "deny", null], "description": "What policy said." },
            "policies": words("The policies that decided."),
            "epoch": maybe("integer", "The epoch that was in force, or that it is about."),
            "reason": maybe("string", "Why it failed or was denied."),
            "denial": { "type": "boolean", "description": "Whether something was denied." },
            "fleet": { "type": "string", "description": "The fleet." },
            "owner": maybe("string", "Who answers for the service."),
            "data": words("Classes of data that the service handles."),
            "version": maybe("string", "Version of the service's program, as the fleet file says."),
            "image": maybe("string", "Image that its program comes from, as the fleet file says."),
        },
        "additionalProperties": true,
    })
}
