//! Is it a request that the document of the API describes? Everything but its content; that is read once all filters are through.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use crate::inspect::{self, Inspection, Schema};
use bartizan_core::Decision;
use bartizan_core::api::{ApiCheck, OnRequest, OnResponse};
use bartizan_waf::Api;
use bartizan_waf::api::{Body, Found, Head, Part, Problem};
use std::sync::Arc;

pub(super) const IT: Filter = Filter { name: "schema", run };

/// What a head came to: the operation, where one was found, and what it has to be taken on with.
struct Judged {
    operation: Option<usize>,
    outcome: Result<(Option<String>, Body), Refused>,
}

/// What a request is refused with.
struct Refused {
    problem: Problem,
    allow: Option<String>,
}

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let live = x.live;
    let (check, api) = match x.conn.side {
        Side::Gateway => (
            x.edge_route.and_then(|route| route.said.api.as_ref()),
            x.edge_route.and_then(|route| route.settings.api.as_ref()),
        ),
        Side::Inbound => {
            let inbound = live.directory.as_ref().and_then(|directory| directory.own.inbound.as_ref());
            (inbound.and_then(|inbound| inbound.api.as_ref()), live.own_api.as_ref())
        }
        Side::Outbound(_) => return Ok(()),
    };
    let Some(check) = check else { return Ok(()) };
    // It was declared, so without it nothing passes.
    let api = api.ok_or_else(|| Answer::new(503, "not_ready", "the API's document is not known yet"))?;
    let Judged { operation, outcome } = judge(x, api, check);
    let (body, note) = match outcome {
        Ok((query, body)) => {
            if let Some(query) = query {
                x.head.set_query(&query);
            }
            (Some(body), None)
        }
        Err(Refused { problem, allow }) if check.requests == OnRequest::Refuse => {
            deny(x, &inspect::told(api, &problem));
            return Err(inspect::answer(&problem, allow));
        }
        Err(Refused { problem, .. }) => (None, Some(format!("would be refused: {}", inspect::told(api, &problem)))),
    };
    if check.responses != OnResponse::Off && operation.is_some() {
        // What comes back has to be whole, and readable.
        ["accept-encoding", "range", "if-range"].into_iter().for_each(|name| x.head.fields.remove(name));
    }
    let schema = Schema { api: Arc::clone(api), check: check.without_text(), operation, body };
    x.inspection = Some(Box::new(Inspection { schema: Some(schema), note, ..Inspection::default() }));
    Ok(())
}

fn judge(x: &Exchange<'_>, api: &Api, check: &ApiCheck) -> Judged {
    let none = |status, part, why: &str, allow| Judged {
        operation: None,
        outcome: Err(Refused { problem: Problem::new(status, part, why), allow }),
    };
    let found = match api.find(x.head.method.as_str(), x.path()) {
        Found::Operation(found) => found,
        Found::OtherMethods(allow) => return none(405, Part::Method, "is none of those of this path", Some(allow)),
        Found::Nothing => return none(404, Part::Path, "is none of this API", None),
    };
    let operation = Some(found.operation.number);
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let headers: Vec<(&str, &str)> =
        x.head.fields.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
    let head = Head { query: x.head.query(), headers: &headers, has_content: x.has_content };
    let passed = api.check_head(&found, head, inspect::unknown(check));
    let outcome = passed.and_then(|passed| {
        if passed.body.is_looked_into()
            && let Err(unknown) = inspect::coding(&x.head.fields)
        {
            return Err(Problem::new(415, Part::Body, unknown.to_string()));
        }
        Ok((passed.query, passed.body))
    });
    Judged { operation, outcome: outcome.map_err(|problem| Refused { problem, allow: None }) }
}

/// The operator learns where the document says so, and that no policy said no.
pub(super) fn deny(x: &mut Exchange<'_>, reason: &str) {
    let epoch = x.live.policies.as_ref().map(|policies| policies.epoch()).unwrap_or_default();
    x.decision = Some(Arc::new(Decision { epoch, ..inspect::denied(reason) }));
}
