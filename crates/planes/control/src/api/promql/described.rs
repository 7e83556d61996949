//! What goes in and comes out, for the API's description: Prometheus words it, so it is written down here.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

const LABELS: &str = "Labels, by their names.";

fn of(data: Value) -> Schema {
    json_schema!({
        "type": "object",
        "description": "An answer as that of Prometheus.",
        "required": ["status", "data"],
        "properties": { "status": { "const": "success", "description": "That it was answered." }, "data": data },
        "additionalProperties": false,
    })
}

fn labels() -> Value {
    json!({ "type": "object", "description": LABELS, "additionalProperties": { "type": "string" } })
}

fn pair(of: &str, about: &str) -> Value {
    let parts = json!([{ "type": "number", "description": "When, in seconds since 1970." }, { "type": "string", "description": of }]);
    json!({ "type": "array", "description": about, "prefixItems": parts, "minItems": 2, "maxItems": 2 })
}

fn point() -> Value {
    pair("A number, as text.", "A number at a moment.")
}

fn result(kind: &str, about: &str, result: &Value) -> Value {
    json!({
        "type": "object",
        "description": about,
        "required": ["resultType", "result"],
        "properties": { "resultType": { "const": kind, "description": "Which of them it is." }, "result": result },
        "additionalProperties": false,
    })
}

fn rows(member: &str, about: &str, of: &Value) -> Value {
    let row = json!({
        "type": "object",
        "description": "A series.",
        "required": ["metric", member],
        "properties": { "metric": labels(), member: of },
        "additionalProperties": false,
    });
    json!({ "type": "array", "description": about, "items": row })
}

/// At one moment.
pub(in crate::api) fn answer(_: &mut SchemaGenerator) -> Schema {
    let vector = rows("value", "Each series with its number.", &point());
    of(json!({
        "description": "What the query comes to.",
        "oneOf": [
            result("vector", "Series at the moment.", &vector),
            matrix(),
            result("scalar", "One number.", &point()),
            result("string", "A text.", &pair("The text.", "A text at a moment.")),
        ],
    }))
}

fn matrix() -> Value {
    let points = json!({ "type": "array", "description": "Numbers over time.", "items": point() });
    result("matrix", "Series over time.", &rows("values", "Each series with its numbers.", &points))
}

/// Over a range.
pub(in crate::api) fn answer_over(_: &mut SchemaGenerator) -> Schema {
    of(matrix())
}

/// Names of labels, or their values.
pub(in crate::api) fn words(_: &mut SchemaGenerator) -> Schema {
    of(json!({ "type": "array", "description": "In order.", "items": { "type": "string" } }))
}

/// Series without their numbers.
pub(in crate::api) fn series(_: &mut SchemaGenerator) -> Schema {
    of(json!({ "type": "array", "description": "In the order of their labels.", "items": labels() }))
}

/// Why there is no answer.
pub(in crate::api) fn refusal(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "description": "A refusal as that of Prometheus.",
        "required": ["status", "errorType", "error"],
        "properties": {
            "status": { "const": "error", "description": "That it was not answered." },
            "errorType": {
                "enum": ["bad_data", "execution", "unavailable", "internal"],
                "description": "Whether the question is wrong, or asks for too much, or came at a bad time.",
            },
            "error": { "type": "string", "description": "What is wrong, for people." },
        },
        "additionalProperties": false,
    })
}

fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

/// Of a query at one moment.
pub(in crate::api) fn at_moment(_: &mut SchemaGenerator) -> Schema {
    let time = text("At which moment: seconds since 1970, or as RFC 3339 has it; now where left out.");
    json_schema!({ "type": "object", "required": ["query"], "properties": { "query": text("In PromQL."), "time": time } })
}

/// Of a query over a range.
pub(in crate::api) fn over_range(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["query", "start", "end", "step"],
        "properties": {
            "query": text("In PromQL."),
            "start": text("The first moment, in seconds since 1970, or as RFC 3339 has it."),
            "end": text("The last."),
            "step": text("From one to the next: seconds, or a span such as `1m`."),
        },
    })
}

fn named(required: &Value) -> Schema {
    json_schema!({
        "type": "object",
        "required": required,
        "properties": {
            "match[]": text("Only series that fit this selector; it may come again."),
            "start": text("Only what was there at this moment or later."),
            "end": text("Only what was there at this moment or before."),
        },
    })
}

/// Of names of labels and of their values.
pub(in crate::api) fn of_names(_: &mut SchemaGenerator) -> Schema {
    named(&json!([]))
}

/// Of series.
pub(in crate::api) fn of_series(_: &mut SchemaGenerator) -> Schema {
    named(&json!(["match[]"]))
}
