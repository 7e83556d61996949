//! `GET /v1/openapi.json`: the API as the console serves it, described (OpenAPI 3.1), from the tables of endpoints and nothing else.

use crate::api::shapes::{Answer, Shape, shape_of};
use crate::api::table::{ENDPOINTS, Endpoint, Method, Who};
use crate::console;
use axum::Json;
use axum::routing::get;
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

/// The whole document. What is for our own processes alone is not in it.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.definitions_path = "/components/schemas".into();
    });
    let mut schemas = SchemaGenerator::new(settings);
    let mut paths: Map<String, Value> = Map::new();
    let api = ENDPOINTS.iter().map(|endpoint| (format!("/api{}", endpoint.path), endpoint));
    let door = console::ENDPOINTS.iter().map(|endpoint| (endpoint.path.to_owned(), endpoint));
    for (path, endpoint) in api.chain(door).filter(|(_, endpoint)| endpoint.who != Who::Local) {
        let method = match endpoint.method {
            Method::Get => "get",
            Method::Post => "post",
        };
        let told = operation(endpoint, method, &mut schemas);
        if let Some(item) = paths.entry(path).or_insert_with(|| json!({})).as_object_mut() {
            item.insert(method.to_owned(), told);
        }
    }
    let mut schemas = Value::Object(schemas.take_definitions(true));
    schemas["Refusal"] = json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": { "type": "string", "description": "What is wrong, for people." } },
    });
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
    sort(&mut whole);
    whole
}

fn operation(endpoint: &Endpoint, method: &str, schemas: &mut SchemaGenerator) -> Value {
    let shape = shape_of(endpoint);
    let name = endpoint.path.trim_start_matches("/v1/").replace(['/', '{', '}', '.', '-'], "_");
    let mut told = json!({
        "operationId": format!("{method}_{}", name.trim_matches('_')),
        "summary": endpoint.about,
        "description": format!("For {} and above.", role(endpoint.who)),
        "x-least-role": role(endpoint.who),
        "security": if endpoint.who == Who::Nobody { json!([]) } else { json!([{ "session": [] }]) },
        "parameters": parameters(endpoint, shape),
        "responses": responses(endpoint, shape, schemas),
    });
    if endpoint.who == Who::Nobody {
        told["description"] = json!("For everybody who reaches the console.");
    }
    if let Some(body) = shape.and_then(|shape| shape.body) {
        let schema = body(schemas);
        told["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    told
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
    for query in shape.map(|shape| shape.query).unwrap_or_default() {
        let schema = json!({ "type": query.kind });
        let (name, about, needed) = (query.name, query.about, query.is_needed);
        all.push(json!({ "name": name, "in": "query", "required": needed, "description": about, "schema": schema }));
    }
    if endpoint.method == Method::Post && endpoint.who != Who::Nobody {
        let about = "As `me` says it: only a page of the console knows it.";
        let schema = json!({ "type": "string" });
        all.push(json!({ "name": "bartizan-csrf", "in": "header", "required": true, "description": about, "schema": schema }));
    }
    Value::Array(all)
}

fn responses(endpoint: &Endpoint, shape: Option<&Shape>, schemas: &mut SchemaGenerator) -> Value {
    let content = match shape.map(|shape| &shape.answer) {
        Some(Answer::Json(of)) => json!({ "application/json": { "schema": of(schemas) } }),
        Some(Answer::Text(kind)) => json!({ *kind: { "schema": { "type": "string" } } }),
        Some(Answer::Printed(command)) => {
            let about = format!("As `{command} --json` prints it.");
            json!({ "application/json": { "schema": { "description": about } } })
        }
        None => json!({ "application/json": { "schema": {} } }),
    };
    let refusal = |about: &str| {
        let schema = json!({ "$ref": "#/components/schemas/Refusal" });
        json!({ "description": about, "content": { "application/json": { "schema": schema } } })
    };
    let mut all = json!({
        "200": { "description": "Done.", "content": content },
        "429": refusal("Too often; `Retry-After` says for how long to wait."),
        "default": refusal("Anything else."),
    });
    if endpoint.who != Who::Nobody || endpoint.method == Method::Post {
        all["401"] = refusal("Nobody is signed in, or what was shown opens nothing.");
        all["403"] = refusal("Not that one, or not from a page of the console.");
    }
    all
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
        let ids: Vec<&str> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|item| item.as_object().unwrap().values())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "no two are called the same");
        assert_eq!(ids.len(), described + console::ENDPOINTS.len());
    }
}
