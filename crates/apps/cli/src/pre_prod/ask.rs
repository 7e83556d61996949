//! What is asked of a service: a path that nobody has, or what somebody said that it takes.

use bartizan_core::ServiceName;
use std::str::FromStr;

/// A path that no program has: it answers that there is nothing, which is an answer.
pub(super) const NOBODYS_PATH: &str = "/bartizan-pre-prod";

/// What to ask of one service. Written `SERVICE: METHOD PATH [BODY]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) service: ServiceName,
    pub(crate) method: String,
    pub(crate) path: String,
    /// JSON.
    pub(crate) body: Option<String>,
}

impl FromStr for Ask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || "write it as `SERVICE: METHOD PATH [BODY]`, such as `payment: GET /payments`".to_owned();
        let (service, asked) = text.split_once(':').ok_or_else(shape)?;
        let service = ServiceName::parse(service.trim()).map_err(|error| error.to_string())?;
        let (method, rest) = asked.trim().split_once(' ').ok_or_else(shape)?;
        let (path, body) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_method || !is_path {
            return Err(shape());
        }
        let body = Some(body.trim()).filter(|body| !body.is_empty()).map(str::to_owned);
        if let Some(Err(error)) = body.as_deref().map(serde_json::from_str::<serde_json::Value>) {
            return Err(format!("the body is no JSON: {error}"));
        }
        Ok(Self { service, method: method.to_owned(), path: path.to_owned(), body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_service_a_method_a_path_and_perhaps_a_body() {
        let ask: Ask = "payment: POST /payments {\"cents\": 1}".parse().unwrap();
        assert_eq!((ask.service.as_str(), &*ask.method, &*ask.path), ("payment", "POST", "/payments"));
        assert_eq!(ask.body.as_deref(), Some("{\"cents\": 1}"));
        assert_eq!("a:GET /x?y=1".parse::<Ask>().unwrap().body, None);
        for bad in ["", "payment", "payment: /x", "payment: get /x", "payment: GET x", "A B: GET /x", "a: GET /x {"] {
            assert!(bad.parse::<Ask>().is_err(), "{bad}");
        }
    }
}
