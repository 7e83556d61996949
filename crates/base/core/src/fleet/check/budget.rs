//! Checks what guards may cost.

use super::super::raw::RawBudget;
use super::super::reader::{At, Report, Reported};
use crate::limits::{BUDGET_US_MAX, BUDGET_US_MIN};

pub(super) fn check(report: &mut Report<'_>, budget: At<RawBudget>) -> Result<Option<u32>, Reported> {
    let RawBudget { guard_p99_us } = budget.value;
    let Some(at) = guard_p99_us.optional()? else { return Ok(None) };
    let range = BUDGET_US_MIN..=BUDGET_US_MAX;
    let read = at.value.parse().ok().filter(|us| range.contains(us));
    let problem = || format!("not a whole number of microseconds from {BUDGET_US_MIN} to {BUDGET_US_MAX}");
    read.map(Some).ok_or_else(|| report.refuse_value(&at, problem(), "delete the line to have no alarm"))
}
