//! Is it a request of GraphQL that is small enough? Here as far as its head says so; a query in its content is read once all filters
//! are through.

use super::{Exchange, Filter, schema};
use crate::answer::Answer;
use crate::inspect::{self, Inspection, Query};
use bartizan_waf::graphql::{self, Carried};

pub(super) const IT: Filter = Filter { name: "graphql", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let Some(limits) = x.edge_route.and_then(|route| route.said.graphql) else { return Ok(()) };
    let outcome = match x.head.method.as_str() {
        "GET" | "HEAD" => graphql::check(Carried::Url(x.head.query().unwrap_or_default()), &limits)
            .map(|_| None)
            .map_err(|refusal| (400, refusal.0)),
        "POST" => form(x).map(|is_json| Some(Query { limits, is_json })),
        _ => Err((405, "GraphQL is asked by GET or POST".to_owned())),
    };
    match outcome {
        Ok(None) => Ok(()),
        Ok(query) => {
            x.inspection.get_or_insert_with(|| Box::new(Inspection::default())).query = query;
            Ok(())
        }
        Err((status, why)) => {
            schema::deny(x, &format!("GraphQL: {why}"));
            let allow = (status == 405).then(|| "GET, HEAD, POST".to_owned());
            Err(inspect::answer_of(status, &why, allow))
        }
    }
}

/// Whether the content is JSON; where it is neither that nor a query as it is, nobody could say what is asked.
fn form(x: &Exchange<'_>) -> Result<bool, (u16, String)> {
    // Some services read it there too, and then it would be another query that was judged.
    if x.head.query().is_some_and(|query| !query.is_empty()) {
        return Err((400, "a query in the content, and parameters in the URL besides".to_owned()));
    }
    if !x.has_content {
        return Err((400, "there is no content".to_owned()));
    }
    inspect::coding(&x.head.fields).map_err(|unknown| (415, format!("the content {unknown}")))?;
    let content = x.head.fields.only("content-type").unwrap_or_default();
    match content.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(true),
        "application/graphql" => Ok(false),
        _ => Err((415, "the content is neither application/json nor application/graphql".to_owned())),
    }
}
