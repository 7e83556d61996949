//! Checks which requests a route of the gateway is for, and that each request is for one route.

use super::super::reader::{At, Field, Named, Read, Report, Reported, did_you_mean};
use super::service::METHODS;
use crate::gateway::{Conditions, HeaderMatch, HeaderMatchError, HostPattern, MATCHES_MAX};
use crate::limits::ROUTE_VARIANTS_MAX;
use crate::path::PathPattern;
use std::collections::HashMap;

/// The routes that came before, by host and form of their path: the line of each, and what else it asks for.
#[derive(Default)]
pub(super) struct Seen(HashMap<Place, Vec<(u64, Conditions)>>);

/// A host and the form of a path.
type Place = (Option<HostPattern>, String);

impl Seen {
    /// Takes up a route, of which `at` is the path as it is written; refuses one that some request fits no better and no worse than
    /// one before.
    pub(super) fn add(
        &mut self,
        report: &mut Report<'_>,
        host: Option<&HostPattern>,
        at: &At<String>,
        path: &PathPattern,
        asks: Conditions,
    ) -> Result<(), Reported> {
        let before = self.0.entry((host.cloned(), path.form())).or_default();
        if before.len() >= ROUTE_VARIANTS_MAX {
            let problem = format!("more than {ROUTE_VARIANTS_MAX} routes for the same host and path");
            return Err(report.refuse_value(at, problem, "tell requests apart by their paths"));
        }
        let clash = before.iter().find_map(|(line, other)| Some((*line, other.ambiguity(&asks)?)));
        let plain = host.is_none() && asks == Conditions::default();
        before.push((at.spot.place.line, asks));
        match clash {
            None => Ok(()),
            Some((line, _)) if plain => {
                let problem = format!("the pattern is there already, in line {line}");
                Err(report.refuse_value(at, problem, "keep one of the two"))
            }
            Some((line, what)) => {
                let problem = format!("{what} fits the route in line {line} as well, and neither is more exact");
                let way_out = "give one of them another method, or a header more; or keep one of the two";
                Err(report.refuse_value(at, problem, way_out))
            }
        }
    }
}

pub(super) fn check_host(report: &mut Report<'_>, host: Field<String>) -> Result<Option<HostPattern>, Reported> {
    let Some(at) = host.optional()? else { return Ok(None) };
    HostPattern::parse(&at.value).map(Some).map_err(|why| report.refuse_value(&at, why.to_string(), ""))
}

pub(super) fn check_methods(
    report: &mut Report<'_>,
    methods: Field<Vec<Read<String>>>,
) -> Result<Vec<Box<str>>, Reported> {
    let Some(methods) = methods.optional()? else { return Ok(Vec::new()) };
    if methods.value.is_empty() {
        return Err(report.refuse(&methods.spot, "there is none", "name one, or delete the line for every method"));
    }
    let (mut checked, mut wrong) = (Vec::new(), None);
    for method in methods.value {
        match method.and_then(|at| one_method(report, &checked, at)) {
            Ok(method) => checked.push(method),
            Err(reported) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(checked), Err)
}

fn one_method(report: &mut Report<'_>, before: &[Box<str>], at: At<String>) -> Result<Box<str>, Reported> {
    if !METHODS.contains(&at.value.as_str()) {
        let near = report.nearest(&at.value, METHODS.iter().copied());
        let way_out = did_you_mean(near, &format!("known are {}", METHODS.join(", ")));
        return Err(report.refuse_value(&at, "no method of a route", way_out));
    }
    if before.iter().any(|method| **method == *at.value) {
        return Err(report.refuse_value(&at, "named twice", "delete one"));
    }
    Ok(at.value.into())
}

pub(super) fn check_headers(
    report: &mut Report<'_>,
    headers: Field<Named<Read<String>>>,
) -> Result<Vec<HeaderMatch>, Reported> {
    let Some(headers) = headers.optional()? else { return Ok(Vec::new()) };
    if headers.value.is_empty() || headers.value.len() > MATCHES_MAX {
        let problem = format!("there have to be 1 to {MATCHES_MAX} headers");
        return Err(report.refuse(&headers.spot, problem, "name one, or delete the line"));
    }
    let (mut checked, mut wrong) = (Vec::new(), None);
    for (name, value) in headers.value {
        match value.and_then(|value| one_header(report, &name, &value)) {
            Ok(header) => checked.push(header),
            Err(reported) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(checked), Err)
}

fn one_header(report: &mut Report<'_>, name: &At<String>, value: &At<String>) -> Result<HeaderMatch, Reported> {
    HeaderMatch::parse(&name.value, &value.value).map_err(|why| match why {
        HeaderMatchError::Value => report.refuse_value(value, why.to_string(), "write `\"*\"` for any value"),
        HeaderMatchError::Host => report.refuse(&name.spot, why.to_string(), "write `host:` at the route"),
        HeaderMatchError::Ours | HeaderMatchError::Framing => {
            report.refuse(&name.spot, format!("no request could be told by it: {why}"), "delete the line")
        }
        HeaderMatchError::Name => report.refuse(&name.spot, why.to_string(), ""),
    })
}
