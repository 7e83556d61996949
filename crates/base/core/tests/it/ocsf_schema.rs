//! Holds records against the published schema of OCSF, as `corpus/ocsf` has it: classes, attributes, types, enums with their captions,
//! what is required, constraints, profiles. Of the patterns of types only that of addresses is looked at.
//!
//! Shared with the tests of whole fleets, which have events that no sample has.

use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The compiled schema.
#[derive(Debug)]
pub(crate) struct Schema(Value);

/// What is wrong with one record.
struct Faults<'a> {
    schema: &'a Value,
    profiles: BTreeSet<&'a str>,
    found: Vec<String>,
}

impl Schema {
    pub(crate) fn published() -> Self {
        Self(serde_json::from_str(include_str!("../../../../../corpus/ocsf/schema.json")).unwrap())
    }

    pub(crate) fn version(&self) -> &str {
        self.0["version"].as_str().unwrap()
    }

    /// Everything that is wrong with `record`; nothing where it is a good one.
    pub(crate) fn faults(&self, record: &Value) -> Vec<String> {
        let number = |key: &str| record[key].as_u64().unwrap_or(u64::MAX);
        let Some(class) = self.0["classes"].get(number("class_uid").to_string()) else {
            return vec![format!("class_uid: {} is no class that we know", record["class_uid"])];
        };
        let profiles = record["metadata"]["profiles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut it = Faults { schema: &self.0, profiles: profiles.collect(), found: Vec::new() };
        it.same("category_uid", &record["category_uid"], &class["category"]);
        it.same("class_name", &record["class_name"], &class["name"]);
        let type_uid = number("class_uid").saturating_mul(100).saturating_add(number("activity_id"));
        it.same("type_uid", &record["type_uid"], &type_uid.into());
        it.same("metadata.version", &record["metadata"]["version"], &self.0["version"]);
        it.object("", class, record);
        it.found
    }
}

impl Faults<'_> {
    fn fault(&mut self, at: &str, what: impl std::fmt::Display) {
        self.found.push(format!("{at}: {what}"));
    }

    fn same(&mut self, at: &str, is: &Value, should: &Value) {
        if is != should {
            self.fault(at, format!("{is} where it has to be {should}"));
        }
    }

    fn object(&mut self, at: &str, definition: &Value, value: &Value) {
        let Some(fields) = value.as_object() else { return self.fault(at, format!("{value} is no object")) };
        let attributes = definition["attributes"].as_object().unwrap();
        if attributes.is_empty() {
            return; // free in form
        }
        let path = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
        for (key, attribute) in attributes {
            let counts = attribute["profile"].as_str().is_none_or(|profile| self.profiles.contains(profile));
            if counts && attribute["required"] == true && !fields.contains_key(key) {
                self.fault(&path(key), "is required, and is not there");
            }
        }
        for (key, value) in fields {
            let Some(attribute) = attributes.get(key) else {
                self.fault(&path(key), "is no attribute");
                continue;
            };
            if let Some(profile) = attribute["profile"].as_str().filter(|profile| !self.profiles.contains(profile)) {
                self.fault(&path(key), format!("is of the profile `{profile}`, which the record does not name"));
            }
            self.attribute(&path(key), attribute, value);
            if let (Some(sibling), Some(captions)) = (attribute["sibling"].as_str(), attribute["enum"].as_object()) {
                let caption = captions.get(&value.to_string());
                // 99 is what the schema has no word for: its sibling says what.
                if let Some(said) = fields.get(sibling).filter(|said| value != 99 && Some(*said) != caption) {
                    let caption = caption.unwrap_or(&Value::Null);
                    self.fault(&path(sibling), format!("{said} where {value} is {caption}"));
                }
            }
        }
        self.constraints(at, definition, fields);
    }

    fn constraints(&mut self, at: &str, definition: &Value, fields: &serde_json::Map<String, Value>) {
        for (kind, keys) in definition["constraints"].as_object().into_iter().flatten() {
            let keys: Vec<&str> = keys.as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
            let there = keys.iter().filter(|key| fields.contains_key(**key)).count();
            let holds = match kind.as_str() {
                "at_least_one" => there >= 1,
                "just_one" => there == 1,
                other => panic!("a constraint that nobody knows here: {other}"),
            };
            if !holds {
                self.fault(
                    if at.is_empty() { "record" } else { at },
                    format!("{kind} of {keys:?}, and {there} are there"),
                );
            }
        }
    }

    fn attribute(&mut self, at: &str, attribute: &Value, value: &Value) {
        match value.as_array() {
            Some(all) if attribute["array"] == true => {
                for (n, one) in all.iter().enumerate() {
                    self.one(&format!("{at}[{n}]"), attribute, one);
                }
            }
            None if attribute["array"] == true => self.fault(at, format!("{value} is no list")),
            _ => self.one(at, attribute, value),
        }
    }

    fn one(&mut self, at: &str, attribute: &Value, value: &Value) {
        if let Some(name) = attribute["object"].as_str() {
            let definition = &self.schema["objects"][name];
            assert!(
                definition.is_object(),
                "{at}: `{name}` is deeper than corpus/ocsf/compile.py goes; raise its DEPTH"
            );
            return self.object(at, definition, value);
        }
        if let Some(known) = attribute["enum"].as_object() {
            let key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !known.contains_key(&key) {
                self.fault(at, format!("{value} is none of {:?}", known.keys().collect::<Vec<_>>()));
            }
        }
        let name = attribute["type"].as_str().unwrap();
        let definition = &self.schema["types"][name];
        let base = definition["type"].as_str().unwrap_or(name);
        let fits = match base {
            "string_t" => value.is_string(),
            "integer_t" => value.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
            "long_t" => value.is_i64(),
            "float_t" => value.is_number(),
            "boolean_t" => value.is_boolean(),
            "json_t" => true,
            other => panic!("a type that nobody knows here: {other}"),
        };
        if !fits {
            self.fault(at, format!("{value} is no {name}"));
        }
        let text = value.as_str().unwrap_or_default();
        if definition["max_len"].as_u64().is_some_and(|most| text.len() as u64 > most) {
            self.fault(at, format!("{} bytes, more than a {name} may have", text.len()));
        }
        if name == "ip_t" && text.parse::<IpAddr>().is_err() {
            self.fault(at, format!("{value} is no address"));
        }
        if let (Some([low, high]), Some(it)) = (definition["range"].as_array().map(Vec::as_slice), value.as_i64())
            && !(low.as_i64().unwrap()..=high.as_i64().unwrap()).contains(&it)
        {
            self.fault(at, format!("{it} is beyond {low} to {high}"));
        }
    }
}
