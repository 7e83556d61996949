//! Checks what is said of API documents and of GraphQL. What stands in a document is judged once it was read.

use super::super::raw_api::{RawApi, RawApiFull, RawGraphql};
use super::super::reader::{At, Field, Report, Reported, did_you_mean};
use super::{os_text, required};
use crate::api::{
    ApiCheck, GRAPHQL_BATCH_MAX, GRAPHQL_COUNT_MAX, GRAPHQL_DEPTH_MAX, GraphqlLimits, OnRequest, OnResponse, OnUnknown,
};

pub(super) fn check(report: &mut Report<'_>, api: Field<RawApi>) -> Result<Option<ApiCheck>, Reported> {
    let Some(At { value, spot }) = api.optional()? else { return Ok(None) };
    let raw = match value {
        RawApi::File(at) => {
            let document = os_text(report, at)?;
            return Ok(Some(of_document(document)));
        }
        RawApi::Full(raw) => *raw,
    };
    let RawApiFull { document, base, requests, responses, unknown } = raw;
    let wanted = "name the file of an OpenAPI document, such as `openapi.yaml`";
    let document = required(report, document, &spot, "document", wanted).and_then(|at| os_text(report, at));
    let base = base.optional().and_then(|at| at.map(|at| check_base(report, at)).transpose());
    let requests = word(report, requests, &[("refuse", OnRequest::Refuse), ("report", OnRequest::Report)]);
    let responses = word(
        report,
        responses,
        &[
            ("off", OnResponse::Off),
            ("report", OnResponse::Report),
            ("mask", OnResponse::Mask),
            ("stop", OnResponse::Stop),
        ],
    );
    let unknown = word(
        report,
        unknown,
        &[("refuse", OnUnknown::Refuse), ("strip", OnUnknown::Strip), ("allow", OnUnknown::Allow)],
    );
    let checked = of_document(document?);
    Ok(Some(ApiCheck { base: base?, requests: requests?, responses: responses?, unknown: unknown?, ..checked }))
}

fn of_document(document: String) -> ApiCheck {
    let (requests, responses, unknown) = (OnRequest::default(), OnResponse::default(), OnUnknown::default());
    ApiCheck { document, text: "".into(), base: None, requests, responses, unknown }
}

fn check_base(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    match crate::path::check(&at.value) {
        Ok(()) => Ok(at.value.trim_end_matches('/').to_owned()),
        Err(error) => Err(report.refuse_value(&at, format!("not a path: {error}"), "write one such as `/v1`")),
    }
}

/// One of some words; the default where the key is not there.
fn word<T: Copy + Default>(report: &mut Report<'_>, field: Field<String>, words: &[(&str, T)]) -> Result<T, Reported> {
    let Some(at) = field.optional()? else { return Ok(T::default()) };
    // YAML of old took `off` for a boolean.
    let said = if at.value == "false" { "off" } else { &at.value };
    if let Some((_, it)) = words.iter().find(|(word, _)| *word == said) {
        return Ok(*it);
    }
    let near = report.nearest(&at.value, words.iter().map(|(word, _)| *word));
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let way_out = did_you_mean(near, &format!("write one of {}", known.join(", ")));
    Err(report.refuse_value(&at, "not one of the words that may stand here", way_out))
}

pub(super) fn check_graphql(
    report: &mut Report<'_>,
    graphql: Field<RawGraphql>,
) -> Result<Option<GraphqlLimits>, Reported> {
    let Some(At { value: raw, .. }) = graphql.optional()? else { return Ok(None) };
    let RawGraphql { depth, aliases, cost, introspection, batch } = raw;
    let usual = GraphqlLimits::default();
    let depth = number(report, depth, (1, GRAPHQL_DEPTH_MAX), usual.depth);
    let aliases = number(report, aliases, (0, GRAPHQL_COUNT_MAX), usual.aliases);
    let cost = number(report, cost, (1, GRAPHQL_COUNT_MAX), usual.cost);
    let batch = number(report, batch, (1, GRAPHQL_BATCH_MAX), usual.batch);
    let introspection = word(report, introspection, &[("off", false), ("true", true)]);
    let (depth, aliases, cost) = (depth?, aliases?, cost?);
    Ok(Some(GraphqlLimits { depth, aliases, cost, introspection: introspection?, batch: batch? }))
}

fn number(
    report: &mut Report<'_>,
    field: Field<String>,
    (least, most): (u32, u32),
    usual: u32,
) -> Result<u32, Reported> {
    let Some(at) = field.optional()? else { return Ok(usual) };
    let number = at.value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| report.refuse_value(&at, format!("expected a whole number from {least} to {most}"), ""))
}
