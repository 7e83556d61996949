//! Messages that hold messages: Envoy's resources, and the claims of a token.

use crate::sds_v3::Secret;
use prost::Message as _;
use prost_types::{Any, ListValue, Struct, Value, value::Kind};

/// Envoy's name for the type of [`Secret`].
pub const SECRET_TYPE: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// A secret as a resource.
pub fn pack(secret: &Secret) -> Any {
    Any { type_url: SECRET_TYPE.to_owned(), value: secret.encode_to_vec() }
}

/// The inverse of [`pack`]; `None` where it is something else.
pub fn unpack(any: &Any) -> Option<Secret> {
    (any.type_url == SECRET_TYPE).then(|| Secret::decode(any.value.as_slice()).ok()).flatten()
}

/// A JSON map as protobuf has it; numbers become doubles there.
pub fn to_struct(map: serde_json::Map<String, serde_json::Value>) -> Struct {
    Struct { fields: map.into_iter().map(|(key, value)| (key, to_value(value))).collect() }
}

fn to_value(value: serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(it) => Kind::BoolValue(it),
        serde_json::Value::Number(it) => Kind::NumberValue(it.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(it) => Kind::StringValue(it),
        serde_json::Value::Array(all) => Kind::ListValue(ListValue { values: all.into_iter().map(to_value).collect() }),
        serde_json::Value::Object(map) => Kind::StructValue(to_struct(map)),
    };
    Value { kind: Some(kind) }
}
