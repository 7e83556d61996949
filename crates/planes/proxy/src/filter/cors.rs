//! Whether a script of another site may ask: answers the question that browsers ask beforehand (a preflight), and notes what the
//! answer to the request itself has to say. At the gateway, where the route says `cors`.
//!
//! A preflight never reaches a service. One that is not as the fleet file allows is refused with 403, so that it is seen.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::message::Fields;
use crate::reply::Shared;
use bartizan_core::gateway::Cors;
use http::Method;

pub(super) const IT: Filter = Filter { name: "cors", run };

const ORIGIN: &str = "origin";
const ASKED_METHOD: &str = "access-control-request-method";
const ASKED_HEADERS: &str = "access-control-request-headers";

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let Some(cors) = x.edge_route.and_then(|route| route.settings.cors.clone()) else { return Ok(()) };
    let fields = &x.head.fields;
    let origin = fields.only(ORIGIN).filter(|origin| cors.allows_origin(origin.as_bytes()));
    let shared = Shared { origin: origin.map(Into::into), cors };
    let asked = preflight(&x.head.method, fields).filter(|_| x.preflight);
    let answer = asked.map(|method| answer(&shared, method, fields));
    x.shared = Some(Box::new(shared));
    answer.map_or(Ok(()), Err)
}

/// The method that a preflight asks for; `None` where the request is none.
pub(super) fn preflight<'a>(method: &Method, fields: &'a Fields) -> Option<&'a str> {
    if *method != Method::OPTIONS || !fields.contains(ORIGIN) { None } else { fields.only(ASKED_METHOD) }
}

fn answer(shared: &Shared, method: &str, fields: &Fields) -> Answer {
    let cors: &Cors = &shared.cors;
    let headers = fields.all(ASKED_HEADERS).map(|list| std::str::from_utf8(list).unwrap_or("?"));
    let refused = |word, text| Answer::new(403, word, text);
    if shared.origin.is_none() {
        return refused("origin_refused", "scripts of this origin may not ask here");
    }
    if !cors.allows_method(method) {
        return refused("method_refused", "scripts of other sites may not use this method here");
    }
    if !{ headers }.all(|list| cors.allows_headers(list)) {
        return refused("header_refused", "scripts of other sites may not send these headers here");
    }
    let mut said: Vec<(&'static str, Box<str>)> = vec![("access-control-max-age", cors.max_age_s.to_string().into())];
    let methods: Vec<&str> = cors.methods.iter().map(|method| &**method).collect();
    if !methods.is_empty() {
        said.push(("access-control-allow-methods", methods.join(", ").into()));
    }
    if !cors.headers.is_empty() {
        said.push(("access-control-allow-headers", cors.headers.join(", ").into()));
    }
    said.push(("vary", "Access-Control-Request-Method, Access-Control-Request-Headers".into()));
    Answer::new(204, "preflight", "").saying(said)
}
