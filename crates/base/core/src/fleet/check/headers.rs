//! Checks what is changed about headers of requests and answers.

use super::super::raw_gateway::{RawEdits, RawHeaders, WordOr};
use super::super::reader::{At, Field, Named, Read, Report, Reported, Spot};
use super::cors::each;
use super::truth;
use crate::gateway::{EditError, Edits, HEADER_RULES_MAX, HeaderRules, Of, Overrule, check_remove, check_set};

/// Names and values.
type Sets = Vec<(Box<str>, Box<str>)>;

pub(super) fn check(
    report: &mut Report<'_>,
    field: Field<WordOr<RawHeaders>>,
) -> Result<Option<Overrule<HeaderRules>>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    match at.value {
        WordOr::Word(word) => match word.value.as_str() {
            "off" => Ok(Some(Overrule::Off)),
            "secure" => Ok(Some(Overrule::These(HeaderRules { secure: true, ..HeaderRules::default() }))),
            _ => {
                let way_out = "write `secure`, `off`, or a map such as `{ secure: true, response: { remove: [via] } }`";
                Err(report.refuse_value(&word, "neither `secure` nor `off` nor a map", way_out))
            }
        },
        WordOr::Map(raw) => check_map(report, raw).map(|rules| Some(Overrule::These(rules))),
    }
}

fn check_map(report: &mut Report<'_>, raw: RawHeaders) -> Result<HeaderRules, Reported> {
    let RawHeaders { secure, request, response, spot } = raw;
    let secure = truth(report, secure);
    let request = check_edits(report, Of::Request, request);
    let response = check_edits(report, Of::Response, response);
    let rules = HeaderRules { secure: secure?.unwrap_or(false), request: request?, response: response? };
    if rules.is_none() {
        return Err(report.refuse(&spot, "it changes nothing", "write `secure`, or `off`"));
    }
    Ok(rules)
}

fn check_edits(report: &mut Report<'_>, of: Of, field: Field<RawEdits>) -> Result<Edits, Reported> {
    let Some(At { value: RawEdits { remove, set }, .. }) = field.optional()? else { return Ok(Edits::default()) };
    let remove = remove.optional().and_then(|at| {
        at.map_or(Ok(Vec::new()), |at| {
            each(report, at, HEADER_RULES_MAX, |report, at| {
                let good = check_remove(of, &at.value).map(|()| at.value.as_str().into());
                good.map_err(|why| report.refuse_value(at, why.to_string(), way_out(why)))
            })
        })
    });
    let set = set.optional().and_then(|at| at.map_or(Ok(Vec::new()), |at| check_sets(report, of, at)));
    Ok(Edits { remove: remove?, set: set? })
}

fn check_sets(report: &mut Report<'_>, of: Of, all: At<Named<Read<String>>>) -> Result<Sets, Reported> {
    if all.value.is_empty() || all.value.len() > HEADER_RULES_MAX {
        let problem = format!("there have to be 1 to {HEADER_RULES_MAX}");
        return Err(report.refuse(&all.spot, problem, "name one, or delete the line"));
    }
    let mut checked: Vec<Result<_, Reported>> = Vec::new();
    for (name, value) in all.value {
        checked.push(value.and_then(|value| match check_set(of, &name.value, &value.value) {
            Ok(()) => Ok((name.value.into(), value.value.into())),
            Err(why) => Err(refuse(report, &name.spot, why)),
        }));
    }
    checked.into_iter().collect()
}

fn refuse(report: &mut Report<'_>, spot: &Spot, why: EditError) -> Reported {
    report.refuse(spot, why.to_string(), way_out(why))
}

fn way_out(why: EditError) -> &'static str {
    match why {
        EditError::Form(_) => "",
        EditError::Ours => "delete the line",
        EditError::Cors => "write `cors:`",
        EditError::Secret => "let the service have it by its own means",
    }
}
