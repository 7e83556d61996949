//! Checks which scripts of other sites may read answers.

use super::super::raw_gateway::{RawCors, WordOr};
use super::super::reader::{At, Field, Read, Report, Reported, did_you_mean};
use super::service::METHODS;
use super::{required, truth};
use crate::gateway::{CORS_NAMES_MAX, Cors, MAX_AGE_S, MAX_AGE_S_MAX, ORIGINS_MAX, Origin, Overrule, check_name};

pub(super) fn check(
    report: &mut Report<'_>,
    field: Field<WordOr<RawCors>>,
) -> Result<Option<Overrule<Cors>>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    match at.value {
        WordOr::Word(word) if word.value == "off" => Ok(Some(Overrule::Off)),
        WordOr::Word(word) => {
            let way_out = "write `off`, or a map such as `{ origins: [https://app.bank.example] }`";
            Err(report.refuse_value(&word, "neither `off` nor a map", way_out))
        }
        WordOr::Map(raw) => check_map(report, raw).map(|cors| Some(Overrule::These(cors))),
    }
}

fn check_map(report: &mut Report<'_>, raw: RawCors) -> Result<Cors, Reported> {
    let RawCors { origins, methods, headers, expose, credentials, max_age, spot } = raw;
    let way_out = "name the origins, such as `[https://app.bank.example]`";
    let for_all = origins.get().filter(|at| is_all(&at.value)).map(|at| at.spot.clone());
    let origins = required(report, origins, &spot, "origins", way_out).and_then(|at| match for_all {
        Some(_) => Ok(Vec::new()),
        None => each(report, at, ORIGINS_MAX, |report, at| {
            Origin::parse(&at.value).map_err(|why| report.refuse_value(at, why.to_string(), ""))
        }),
    });
    let methods = names(report, methods, |report, at| {
        if METHODS.contains(&at.value.as_str()) {
            return Ok(at.value.as_str().into());
        }
        let near = report.nearest(&at.value, METHODS.iter().copied());
        let way_out = did_you_mean(near, &format!("known are {}", METHODS.join(", ")));
        Err(report.refuse_value(at, "no method of a request", way_out))
    });
    let headers = names(report, headers, header);
    let expose = names(report, expose, header);
    let credentials = truth(report, credentials).and_then(|credentials| match (&for_all, credentials) {
        (Some(spot), Some(true)) => {
            let problem = "with credentials, any site could read what is for the user alone";
            Err(report.refuse(spot, problem, "name the origins, or delete `credentials`"))
        }
        (_, credentials) => Ok(credentials.unwrap_or(false)),
    });
    let max_age_s = max_age.optional().and_then(|at| at.map(|at| seconds(report, &at)).transpose());
    Ok(Cors {
        origins: origins?,
        methods: methods?,
        headers: headers?,
        expose: expose?,
        credentials: credentials?,
        max_age_s: max_age_s?.unwrap_or(MAX_AGE_S),
    })
}

/// `["*"]`.
fn is_all(origins: &[Read<String>]) -> bool {
    matches!(origins, [Ok(at)] if at.value == "*")
}

fn header(report: &mut Report<'_>, at: &At<String>) -> Result<Box<str>, Reported> {
    match check_name(&at.value) {
        Ok(()) => Ok(at.value.as_str().into()),
        // `*` means something only without credentials, and then more than anybody wants.
        Err(why) => Err(report.refuse_value(at, why.to_string(), "name each")),
    }
}

fn names(
    report: &mut Report<'_>,
    field: Field<Vec<Read<String>>>,
    check: impl Fn(&mut Report<'_>, &At<String>) -> Result<Box<str>, Reported>,
) -> Result<Vec<Box<str>>, Reported> {
    field.optional()?.map_or(Ok(Vec::new()), |at| each(report, at, CORS_NAMES_MAX, check))
}

/// Every item of a list that is not empty, has at most so many, and none twice.
pub(super) fn each<T: PartialEq>(
    report: &mut Report<'_>,
    list: At<Vec<Read<String>>>,
    most: usize,
    check: impl Fn(&mut Report<'_>, &At<String>) -> Result<T, Reported>,
) -> Result<Vec<T>, Reported> {
    if list.value.is_empty() || list.value.len() > most {
        let problem = format!("there have to be 1 to {most}");
        return Err(report.refuse(&list.spot, problem, "name one, or delete the line"));
    }
    let (mut checked, mut wrong) = (Vec::new(), None);
    for item in list.value {
        let one = item.and_then(|at| {
            let one = check(report, &at)?;
            if checked.contains(&one) {
                return Err(report.refuse_value(&at, "named twice", "delete one"));
            }
            Ok(one)
        });
        match one {
            Ok(one) => checked.push(one),
            Err(reported) => wrong = Some(reported),
        }
    }
    wrong.map_or(Ok(checked), Err)
}

fn seconds(report: &mut Report<'_>, at: &At<String>) -> Result<u32, Reported> {
    let units = [("min", 60), ("h", 3600), ("s", 1)];
    let parts = units.iter().find_map(|(unit, s)| Some((at.value.strip_suffix(unit)?, *s)));
    let whole = parts.filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()));
    let found = whole.and_then(|(digits, s)| digits.parse::<u32>().ok()?.checked_mul(s));
    found.filter(|s| *s <= MAX_AGE_S_MAX).ok_or_else(|| {
        report.refuse_value(at, "not a time from 0s to 24h", "write it as `10min`; delete the line for the default")
    })
}
