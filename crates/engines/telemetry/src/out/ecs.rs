//! The Elastic Common Schema, by which Elasticsearch and OpenSearch find things.
//!
//! Source: ECS 8.11, field reference.

use super::Outgoing;
use crate::moment::to_rfc3339;
use bartizan_core::event::{Class, Upshot, What};
use bartizan_core::software::Image;
use serde_json::{Map, Value, json};

const VERSION: &str = "8.11.0";

/// The document of an event. All of the OCSF record that ECS has no place for stands under `bartizan`.
pub fn document(it: &Outgoing) -> Value {
    let Outgoing { event, ocsf } = it;
    let (category, kind) = category(event.class());
    let outcome = match event.upshot() {
        Upshot::Ok => "success",
        Upshot::Denied | Upshot::Failed => "failure",
    };
    let mut about = json!({
        "id": event.id.to_string(),
        "kind": "event",
        "category": [category],
        "type": [if event.upshot() == Upshot::Denied { "denied" } else { kind }],
        "outcome": outcome,
        "module": "bartizan",
        "dataset": format!("bartizan.{}", event.class()),
        "severity": it.severity(),
        "action": ocsf["activity_name"],
    });
    if let Some(reason) = it.own("reason").as_str() {
        about["reason"] = reason.into();
    }
    let mut document = Map::new();
    let mut put = |key: &str, value: Value| document.insert(key.to_owned(), value);
    put("@timestamp", to_rfc3339(event.at).into());
    put("ecs", json!({ "version": VERSION }));
    put("message", it.message().into());
    put(
        "observer",
        json!({ "vendor": "Bartizan", "product": "Bartizan", "version": ocsf["metadata"]["product"]["version"] }),
    );
    if let Some(service) = &event.service {
        let mut of = json!({ "name": service.as_str() });
        if let Some(version) = it.own("version").as_str() {
            of["version"] = version.into();
        }
        put("service", of);
    }
    if let Some(image) = it.own("image").as_str() {
        put("container", json!({ "image": of_image(image) }));
    }
    if let Some(request) = event.request {
        put("trace", json!({ "id": request.to_string() }));
    }
    if let Some(user) = event.user() {
        put("user", json!({ "id": user }));
    }
    match &event.what {
        What::Request(request) => {
            about["duration"] = (u64::from(request.took_us) * 1_000).into();
            put(
                "http",
                json!({ "request": { "method": &*request.method }, "response": { "status_code": request.status } }),
            );
            put("url", json!({ "path": &*request.path }));
            put("span", json!({ "id": format!("{:016x}", request.span) }));
            put("destination", json!({ "address": request.to.as_str() }));
            if let Some(client) = request.client {
                put("source", json!({ "ip": client.ip().to_string(), "port": client.port() }));
            }
        }
        What::Telemetry(told) => {
            put("log", json!({ "level": level(told.severity) }));
            if told.span != 0 {
                put("span", json!({ "id": format!("{:016x}", told.span) }));
            }
        }
        What::Egress(out) => {
            put("destination", json!({ "address": out.destination() }));
        }
        _ => {}
    }
    document.insert("event".to_owned(), about);
    document.insert("bartizan".to_owned(), ocsf["unmapped"]["bartizan"].clone());
    Value::Object(document)
}

/// `container.image`.
fn of_image(text: &str) -> Value {
    let Ok(image) = Image::parse(text) else { return json!({ "name": text }) };
    let mut it = Map::new();
    if let Some(name) = image.name() {
        it.insert("name".to_owned(), name.into());
    }
    if let Some(tag) = image.tag() {
        it.insert("tag".to_owned(), vec![tag].into());
    }
    if let Some(digest) = image.digest() {
        it.insert("hash".to_owned(), json!({ "all": [digest] }));
    }
    Value::Object(it)
}

/// `event.category` and `event.type`, of the words that ECS allows.
const fn category(class: Class) -> (&'static str, &'static str) {
    match class {
        Class::Request => ("web", "access"),
        Class::Connection | Class::Ended | Class::Egress => ("network", "connection"),
        Class::Handshake => ("network", "protocol"),
        Class::Refused => ("intrusion_detection", "denied"),
        Class::Config | Class::Rotation => ("configuration", "change"),
        Class::Process => ("process", "info"),
        Class::Identity => ("authentication", "info"),
        Class::Person => ("iam", "user"),
        Class::Loss | Class::Clock | Class::Budget => ("host", "info"),
        Class::Telemetry => ("web", "info"),
        Class::Alert | Class::Predicted => ("intrusion_detection", "info"),
    }
}

const fn level(severity: u8) -> &'static str {
    match severity {
        0..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warn",
        17..=20 => "error",
        _ => "fatal",
    }
}
