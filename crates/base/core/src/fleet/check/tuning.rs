//! Checks what of guards is switched off to see what it is worth.

use super::super::raw_tuning::RawTuning;
use super::super::reader::{At, Field, Report, Reported};
use crate::tuning::Tuning;

pub(super) fn check(report: &mut Report<'_>, tuning: At<RawTuning>) -> Result<Tuning, Reported> {
    let RawTuning { reuse, remember } = tuning.value;
    let (reuse, remember) = (is_on(report, reuse), is_on(report, remember));
    Ok(Tuning { reuse: reuse?, remember: remember? })
}

fn is_on(report: &mut Report<'_>, field: Field<String>) -> Result<bool, Reported> {
    match field.optional()? {
        None => Ok(true),
        Some(at) if at.value == "true" => Ok(true),
        Some(at) if at.value == "false" => Ok(false),
        Some(at) => Err(report.refuse_value(&at, "neither true nor false", "delete the line for: yes")),
    }
}
