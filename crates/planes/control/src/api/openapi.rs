//! `GET /v1/openapi.json`: the API as the console serves it, described (OpenAPI 3.1), from the tables of endpoints and nothing else.

use crate::api::shapes::{Answer, Body, Maker, Shape, shape_of};
use crate::api::table::{ENDPOINTS, Endpoint, Method, Who};
use crate::console;
use axum::Json;
use axum::routing::get;
use bartizan_core::console::Refusal;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/openapi.json",
    who: Who::Viewer,
    about: "This API, described (OpenAPI 3.1)",
    route: || get(async || Json(document())),
};

/// Where schemas stand.
const SCHEMAS: &str = "#/components/schemas/";
/// What is put behind the name of a type that is read in another form than the one it is written in.
const AS_READ: &str = "AsRead";

/// The types, as they are written and as they are read: what may be left out when it is read is always there when it is written.
struct Types {
    written: SchemaGenerator,
    read: SchemaGenerator,
}

impl Types {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.meta_schema = None;
                settings.definitions_path = "/components/schemas".into();
            })
        };
        Self {
            written: settings().for_serialize().into_generator(),
            read: settings().for_deserialize().into_generator(),
        }
    }

    /// All of them by name, after those that are read in another form got another name, in `read` as well.
    fn settle(mut self, read: &mut Value) -> Map<String, Value> {
        let mut all = self.written.take_definitions(true);
        let as_read = self.read.take_definitions(true);
        let differ = |name: &str, of: &Value| all.get(name).is_some_and(|written| written != of);
        let mut other: Vec<String> =
            as_read.iter().filter(|(name, of)| differ(name, of)).map(|(name, _)| name.clone()).collect();
        // Who holds one of them is another one, too.
        loop {
            let holds = |of: &Value| other.iter().any(|name| refers(of, name));
            let more: Vec<String> = as_read
                .iter()
                .filter(|(name, of)| all.contains_key(*name) && !other.contains(name) && holds(of))
                .map(|(name, _)| name.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            other.extend(more);
        }
        rename(read, &other);
        for (name, mut of) in as_read {
            rename(&mut of, &other);
            let name = if other.contains(&name) { name + AS_READ } else { name };
            all.insert(name, of);
        }
        all
    }
}

/// Whether a schema speaks of the type of that name.
fn refers(schema: &Value, name: &str) -> bool {
    match schema {
        Value::Object(all) => all.iter().any(|(key, value)| match value {
            Value::String(text) if key == "$ref" => text.strip_prefix(SCHEMAS) == Some(name),
            value => refers(value, name),
        }),
        Value::Array(all) => all.iter().any(|value| refers(value, name)),
        _ => false,
    }
}

/// Speaks of the types of those names as they are read.
fn rename(schema: &mut Value, names: &[String]) {
    match schema {
        Value::Object(all) => {
            for (key, value) in all {
                match value {
                    Value::String(text) if key == "$ref" => {
                        if names.iter().any(|name| text.strip_prefix(SCHEMAS) == Some(name)) {
                            text.push_str(AS_READ);
                        }
                    }
                    value => rename(value, names),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| rename(value, names)),
        _ => {}
    }
}

/// The whole document. What is for our own processes alone is not in it.
pub(super) fn document() -> Value {
    let mut types = Types::new();
    let refusal = types.written.subschema_for::<Refusal>();
    let (mut paths, mut bodies) = (json!({}), json!({}));
    let api = ENDPOINTS.iter().map(|endpoint| (format!("/api{}", endpoint.path), endpoint));
    let door = console::ENDPOINTS.iter().map(|endpoint| (endpoint.path.to_owned(), endpoint));
    for (path, endpoint) in api.chain(door).filter(|(_, endpoint)| endpoint.who != Who::Local) {
        let method = match endpoint.method {
            Method::Get => "get",
            Method::Post => "post",
        };
        paths[&path][method] = operation(endpoint, method, &refusal, &mut types);
        if let Some(Body { of, example }) = shape_of(endpoint).and_then(|shape| shape.body) {
            bodies[&path][method] = body(of, example, &mut types);
        }
    }
    let schemas = types.settle(&mut bodies);
    for (path, methods) in bodies.as_object_mut().into_iter().flatten() {
        for (method, body) in methods.as_object_mut().into_iter().flatten() {
            paths[path][method]["requestBody"] = body.take();
        }
    }
    let mut whole = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bartizan control",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the console shows and does. The same is at control's Unix socket without `/api`, for the user that control runs as and for root.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-console-FLEET",
                    "description": "What a sign-in sets, with the fleet's name; `console-FLEET` without TLS.",
                },
            },
        },
    });
    in_words_of_json(&mut whole);
    sort(&mut whole);
    whole
}

fn operation(endpoint: &Endpoint, method: &str, refusal: &schemars::Schema, types: &mut Types) -> Value {
    let shape = shape_of(endpoint);
    let name = endpoint.path.trim_start_matches("/v1/").replace(['/', '{', '}', '.', '-'], "_");
    let about = match endpoint.who {
        Who::Nobody => "For everybody who reaches the console.".to_owned(),
        who => format!("For {} and above.", role(who)),
    };
    json!({
        "operationId": format!("{method}_{}", name.trim_matches('_')),
        "summary": endpoint.about,
        "description": about,
        "x-least-role": role(endpoint.who),
        "security": if endpoint.who == Who::Nobody { json!([]) } else { json!([{ "session": [] }]) },
        "parameters": parameters(endpoint, shape),
        "responses": responses(endpoint, shape, refusal, types),
    })
}

fn body(of: Maker, example: &str, types: &mut Types) -> Value {
    let schema = of(&mut types.read);
    let mut content = json!({ "schema": schema });
    if let Ok(example) = serde_json::from_str::<Value>(example) {
        content["example"] = example;
    }
    json!({ "required": true, "content": { "application/json": content } })
}

const fn role(who: Who) -> &'static str {
    match who {
        Who::Nobody => "nobody",
        Who::Viewer => "viewer",
        Who::Operator => "operator",
        Who::Administrator | Who::Local => "administrator",
    }
}

fn parameters(endpoint: &Endpoint, shape: Option<&Shape>) -> Value {
    let mut all = Vec::new();
    if endpoint.path.contains("{request}") {
        let schema = json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" });
        all.push(json!({ "name": "request", "in": "path", "required": true, "description": "A request id.", "schema": schema }));
    }
    if endpoint.path.contains("{name}") {
        let schema = json!({ "type": "string" });
        all.push(json!({ "name": "name", "in": "path", "required": true, "description": "A name.", "schema": schema }));
    }
    if let Some(query) = shape.and_then(|shape| shape.query) {
        all.extend(of_query(query));
    }
    if endpoint.method == Method::Post && endpoint.who != Who::Nobody {
        let about = "As `me` says it: only a page of the console knows it.";
        let schema = json!({ "type": "string" });
        all.push(json!({ "name": "bartizan-csrf", "in": "header", "required": true, "description": about, "schema": schema }));
    }
    if endpoint.method == Method::Get && endpoint.who != Who::Nobody {
        let about = "Whatever it says: a page asks by itself, and nobody does anything. The session is not used by that, and ends where nobody uses it.";
        let schema = json!({ "type": "string" });
        let name = console::BY_ITSELF;
        all.push(json!({ "name": name, "in": "header", "required": false, "description": about, "schema": schema }));
    }
    Value::Array(all)
}

/// Each member of what a query is read into.
fn of_query(query: Maker) -> Vec<Value> {
    let mut settings = SchemaSettings::draft2020_12().for_deserialize();
    settings.inline_subschemas = true;
    let schema = query(&mut settings.into_generator()).to_value();
    let needed = |name: &String| {
        schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it.as_str() == Some(name.as_str())))
    };
    let parameter = |(name, of): (&String, &Value)| {
        let mut of = of.clone();
        let about = of.as_object_mut().and_then(|of| of.remove("description")).unwrap_or_default();
        // It is left out; no text says that it is null.
        if let Some([kind, Value::String(null)]) = of["type"].as_array().map(Vec::as_slice)
            && null == "null"
        {
            of["type"] = kind.clone();
        }
        if of["default"].is_null()
            && let Some(of) = of.as_object_mut()
        {
            of.remove("default");
        }
        json!({ "name": name, "in": "query", "required": needed(name), "description": about, "schema": of })
    };
    schema["properties"].as_object().into_iter().flatten().map(parameter).collect()
}

fn responses(endpoint: &Endpoint, shape: Option<&Shape>, refusal: &schemars::Schema, types: &mut Types) -> Value {
    let done = shape.map_or_else(|| json!({ "description": "Done." }), |shape| answer(&shape.answer, types));
    let mut all = json!({ "200": done });
    let has_body = shape.is_some_and(|shape| shape.body.is_some());
    let mut statuses = vec![403, 421, 429, 503];
    statuses.extend((endpoint.who != Who::Nobody).then_some(401));
    // What is read as JSON can be none, or none of this endpoint's.
    statuses.extend(if has_body { &[400, 413, 415, 422][..] } else { &[] });
    statuses.extend(shape.map(|shape| shape.refusals).unwrap_or_default());
    for status in statuses {
        let mut schema = refusal.clone().to_value();
        // Such as a Prometheus gives them; what comes from the door is as everywhere.
        if let Some(of) = shape.and_then(|shape| shape.refused).filter(|_| matches!(status, 400 | 422 | 503)) {
            schema = json!({ "anyOf": [schema, of(&mut types.written)] });
        }
        let content = json!({ "application/json": { "schema": schema } });
        all[status.to_string()] = json!({ "description": why(status), "content": content });
    }
    all
}

fn answer(answer: &Answer, types: &mut Types) -> Value {
    match answer {
        Answer::Json(of) => {
            json!({ "description": "Done.", "content": { "application/json": { "schema": of(&mut types.written) } } })
        }
        Answer::Text(kind, about) => {
            json!({ "description": about, "content": { *kind: { "schema": { "type": "string", "minLength": 1 } } } })
        }
        Answer::Lines(of, (header, about)) => {
            let schema = json!({ "type": "string", "description": "Lines, each of them JSON as `x-line` says." });
            json!({
                "description": "One JSON document a line.",
                "headers": { *header: { "description": about, "schema": { "type": "string" } } },
                "content": { "application/x-ndjson": { "schema": schema, "x-line": of(&mut types.written) } },
            })
        }
        Answer::Frames(frames) => {
            let schema =
                json!({ "type": "string", "description": "Server-sent events; `x-events` says what JSON each holds." });
            let events: Map<String, Value> =
                frames.iter().map(|(name, of)| ((*name).to_owned(), of(&mut types.written).to_value())).collect();
            json!({
                "description": "What happens, as long as the session lasts.",
                "content": { "text/event-stream": { "schema": schema, "x-events": events } },
            })
        }
    }
}

/// What a refusal with that status means, whichever endpoint gives it.
const fn why(status: u16) -> &'static str {
    match status {
        400 => "What was asked makes no sense, or was no JSON.",
        401 => "Nobody is signed in, or what was shown opens nothing.",
        403 => "Not that one, or not from a page of the console.",
        404 => "There is nothing of that name.",
        409 => "It does not fit what is under way, or what is there.",
        413 => "More than is read.",
        415 => "It was not sent as `application/json`.",
        421 => "The request's `Host` is no name of this console.",
        422 => "What was sent is not of this form, or something that the operator provides is missing or wrong.",
        429 => "Too often; `Retry-After` says for how long to wait.",
        500 => "What is in force cannot be read; `bartizan check` says why.",
        _ => "It cannot be done now, and may work later.",
    }
}

/// Descriptions come from the documentation of types, in words of their language: put into those of JSON, without links.
fn in_words_of_json(value: &mut Value) {
    match value {
        Value::Object(all) => {
            for (key, value) in all {
                match value {
                    Value::String(text) if key == "description" => *text = plain(text),
                    value => in_words_of_json(value),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(in_words_of_json),
        _ => {}
    }
}

fn plain(text: &str) -> String {
    let text = text.replace("`None`", "null").replace("[`", "`").replace("`]", "`").replace("crate::", "");
    // A line feed is where the source is folded.
    text.replace('\n', " ")
}

/// By name everywhere, since another crate of the build may switch serde_json to the order of insertion.
fn sort(value: &mut Value) {
    match value {
        Value::Object(all) => {
            let mut entries: Vec<_> = std::mem::take(all).into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.iter_mut().for_each(|(_, value)| sort(value));
            all.extend(entries);
        }
        Value::Array(all) => all.iter_mut().for_each(sort),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `BARTIZAN_BLESS=1 cargo nextest run -p bartizan-control` writes the file anew.
    #[test]
    fn the_golden_file_is_what_the_tables_generate() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("BARTIZAN_BLESS").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(golden == text, "run with BARTIZAN_BLESS=1 and look at the difference of `{}`", file.display());
    }

    #[test]
    fn every_endpoint_that_the_console_serves_is_described_with_its_role() {
        let document = document();
        let mut described = 0;
        for endpoint in ENDPOINTS {
            let method = if endpoint.method == Method::Get { "get" } else { "post" };
            let operation = &document["paths"][format!("/api{}", endpoint.path)][method];
            assert_eq!(operation.is_null(), endpoint.who == Who::Local, "{method} {}", endpoint.path);
            if !operation.is_null() {
                assert_eq!(operation["x-least-role"], role(endpoint.who), "{}", endpoint.path);
                described += 1;
            }
        }
        let ids: Vec<&str> = operations(&document).map(|(_, it)| it["operationId"].as_str().unwrap()).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "no two are called the same");
        assert_eq!(ids.len(), described + console::ENDPOINTS.len());
    }

    fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
        let paths = document["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, it)| (format!("{method} {path}"), it))
        })
    }

    /// What a schema leaves open, where it does.
    fn open(schema: &Value, at: &str, found: &mut Vec<String>) {
        let Some(all) = schema.as_object() else {
            if *schema != Value::Bool(false) {
                found.push(format!("{at}: {schema}"));
            }
            return;
        };
        let says =
            ["$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf"].iter().any(|key| all.contains_key(*key));
        let is_bare_object = schema["type"] == "object"
            && !["properties", "additionalProperties", "patternProperties"].iter().any(|key| all.contains_key(*key));
        let is_bare_list =
            schema["type"] == "array" && !["items", "prefixItems"].iter().any(|key| all.contains_key(*key));
        if !says || is_bare_object || is_bare_list {
            found.push(at.to_owned());
        }
        for key in ["properties", "patternProperties"] {
            for (name, of) in schema[key].as_object().into_iter().flatten() {
                open(of, &format!("{at}.{name}"), found);
            }
        }
        for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
            for (n, of) in schema[key].as_array().into_iter().flatten().enumerate() {
                open(of, &format!("{at}.{key}[{n}]"), found);
            }
        }
        for key in ["items", "additionalProperties"] {
            if schema[key].is_object() {
                open(&schema[key], &format!("{at}[]"), found);
            }
        }
    }

    #[test]
    fn what_leaves_everything_open_is_found() {
        for empty in [
            json!({}),
            json!(true),
            json!({ "description": "anything" }),
            json!({ "type": "object" }),
            json!({ "type": "array" }),
        ] {
            let mut found = Vec::new();
            open(&json!({ "type": "object", "properties": { "it": empty } }), "x", &mut found);
            assert_eq!(found.len(), 1, "{empty}: {found:?}");
        }
    }

    /// OpenAPI itself is described elsewhere, and the rest of an OCSF record by its class.
    #[test]
    fn nothing_is_left_open_and_every_member_is_described() {
        let document = document();
        let mut found = Vec::new();
        for (name, operation) in operations(&document) {
            let content = operation["responses"]["200"]["content"].as_object();
            let content = content.unwrap_or_else(|| panic!("{name} says nothing of what it answers"));
            assert_eq!(content.len(), 1, "{name}");
            for (kind, of) in content {
                open(&of["schema"], &format!("{name} {kind}"), &mut found);
                let parts = of["x-events"].as_object().into_iter().flatten().map(|(_, of)| of);
                parts.chain(of.get("x-line")).for_each(|of| open(of, &format!("{name} part"), &mut found));
            }
            if let Some(body) = operation.get("requestBody") {
                open(&body["content"]["application/json"]["schema"], &format!("{name} body"), &mut found);
                assert!(body["content"]["application/json"]["example"].is_object(), "{name} has no example");
            }
            for parameter in operation["parameters"].as_array().unwrap() {
                assert!(parameter["description"].as_str().is_some_and(|it| !it.is_empty()), "{name}: {parameter}");
            }
        }
        for (name, of) in document["components"]["schemas"].as_object().unwrap() {
            open(of, name, &mut found);
            for (member, said) in of["properties"].as_object().into_iter().flatten() {
                let is_described = said["description"].as_str().is_some_and(|it| !it.is_empty());
                assert!(is_described || of["oneOf"].is_array(), "{name}.{member} is not described: {said}");
            }
        }
        found.retain(|it| !it.starts_with("get /api/v1/openapi.json"));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn descriptions_are_in_the_words_of_json() {
        let text = serde_json::to_string(&document()).unwrap();
        for word in ["`None`", "[`", "`(", "crate::", "Some("] {
            let at = text.find(word);
            assert_eq!(at, None, "{word}: {:?}", at.map(|at| &text[at.saturating_sub(80)..at + 80]));
        }
    }

    #[test]
    fn what_is_read_in_another_form_has_another_name() {
        let document = document();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys().filter_map(|name| name.strip_suffix(AS_READ)) {
            assert!(schemas.contains_key(name), "{name} is read alone");
        }
        let mut told = Vec::new();
        for (_, of) in operations(&document) {
            told.extend(of["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str());
        }
        assert!(told.iter().all(|it| schemas.contains_key(it.strip_prefix(SCHEMAS).unwrap())), "{told:?}");
    }
}
