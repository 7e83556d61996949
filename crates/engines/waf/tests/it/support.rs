//! A document, and questions to it.

use bartizan_waf::Api;
use bartizan_waf::api::{Found, Good, Head, Passed, Problem};
use bartizan_waf::schema::Unknown;

/// A shop, with everything that people use.
pub(crate) const SHOP: &str = include_str!("shop.yaml");

pub(crate) fn shop() -> Api {
    Api::compile(SHOP, "shop.yaml", None).unwrap()
}

/// A document with one operation, `POST /x`, whose body is `schema` (YAML, in one line).
pub(crate) fn of_body(version: &str, schema: &str, components: &str) -> Api {
    let text = format!(
        "openapi: {version}\ninfo: {{title: t, version: '1'}}\npaths:\n  /x:\n    post:\n      requestBody:\n        required: true\n        content:\n          application/json:\n            schema: {schema}\n      responses:\n        '200':\n          description: d\n          content:\n            application/json:\n              schema: {schema}\ncomponents:\n  schemas: {components}\n"
    );
    Api::compile(&text, "x.yaml", None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The head of a request, judged.
pub(crate) fn head(
    api: &Api,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    unknown: Unknown,
) -> Result<Passed, Problem> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let Found::Operation(found) = api.find(method, path) else { panic!("{method} {path} is no operation") };
    let has_content = headers.iter().any(|(name, _)| *name == "content-type");
    api.check_head(&found, Head { query, headers, has_content }, unknown)
}

/// A body of `POST /x`, judged.
pub(crate) fn body(api: &Api, text: &str, unknown: Unknown) -> Result<Good, Problem> {
    let passed = head(api, "POST", "/x", &[("content-type", "application/json")], unknown)?;
    assert!(passed.body.is_looked_into());
    api.check_body(&passed.body, text.as_bytes(), unknown)
}

/// What was refused, in words.
pub(crate) fn why<T>(outcome: Result<T, Problem>) -> String {
    match outcome {
        Ok(_) => "good".to_owned(),
        Err(problem) => format!("{} {problem}", problem.status),
    }
}

/// What a response to `POST /x` comes to.
pub(crate) fn reply(api: &Api, text: &str, unknown: Unknown) -> Result<Good, Problem> {
    let Found::Operation(found) = api.find("POST", "/x") else { panic!("no operation") };
    match api.reply(found.operation, (200, Some("application/json"), true))? {
        bartizan_waf::api::Reply::Json(schema) => api.check_reply(schema, text.as_bytes(), unknown),
        bartizan_waf::api::Reply::Opaque => panic!("not looked into"),
    }
}
