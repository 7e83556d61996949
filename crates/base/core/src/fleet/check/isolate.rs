//! Checks whether programs are to be kept apart from the network.

use super::super::Isolate;
use super::super::reader::{At, Field, Report, Reported};

/// What the fleet says for all its services.
pub(super) fn of_fleet(report: &mut Report<'_>, field: Field<String>) -> Result<Isolate, Reported> {
    field.optional()?.map_or(Ok(Isolate::WhereItCan), |at| read(report, &at))
}

/// What is in force for one service; `runs` where it is started by us. Only such a one can be kept apart.
pub(super) fn of_service(
    report: &mut Report<'_>,
    field: Field<String>,
    fleet: Isolate,
    runs: bool,
) -> Result<Isolate, Reported> {
    let Some(at) = field.optional()? else { return Ok(if runs { fleet } else { Isolate::Never }) };
    let isolate = read(report, &at)?;
    if isolate == Isolate::Required && !runs {
        let way_out = "give it a `run`, so that it is started in a namespace of its own, or delete the line";
        return Err(report.refuse_value(&at, "a program that runs already cannot be kept apart", way_out));
    }
    Ok(isolate)
}

fn read(report: &mut Report<'_>, at: &At<String>) -> Result<Isolate, Reported> {
    match at.value.as_str() {
        "true" => Ok(Isolate::Required),
        "false" => Ok(Isolate::Never),
        _ => Err(report.refuse_value(at, "neither true nor false", "delete the line for: where the kernel can")),
    }
}
