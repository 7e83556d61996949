//! Checks whether programs are to find their callees by name.

use super::super::reader::{At, Field, Report, Reported};
use super::super::{Capture, Isolate};
use crate::capture::Means;

/// What the fleet says for all its services.
pub(super) fn of_fleet(report: &mut Report<'_>, field: Field<String>) -> Result<Capture, Reported> {
    field.optional()?.map_or(Ok(Capture::WhereItCan), |at| read(report, &at))
}

/// What is in force for one service. Only in a network of its own can what a program opens be redirected.
pub(super) fn of_service(
    report: &mut Report<'_>,
    field: Field<String>,
    fleet: Capture,
    isolate: Isolate,
) -> Result<Capture, Reported> {
    let apart = isolate != Isolate::Never;
    let Some(at) = field.optional()? else { return Ok(if apart { fleet } else { Capture::Never }) };
    let capture = read(report, &at)?;
    if capture.is_required() && !apart {
        let way_out = "start it with `run` and without `isolate: false`, or delete the line";
        return Err(report.refuse_value(&at, "only a program in a network of its own can be captured", way_out));
    }
    Ok(capture)
}

fn read(report: &mut Report<'_>, at: &At<String>) -> Result<Capture, Reported> {
    match at.value.as_str() {
        "true" => Ok(Capture::Required),
        "false" => Ok(Capture::Never),
        word => Means::parse(word).map(Capture::By).ok_or_else(|| {
            let way_out = "delete the line for: where `nft` is there";
            report.refuse_value(at, "none of true, false, redirect and tproxy", way_out)
        }),
    }
}
