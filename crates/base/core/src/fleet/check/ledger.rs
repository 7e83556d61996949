//! Checks how much of the ledger lies in the data folder.

use super::super::raw_ledger::RawLedger;
use super::super::reader::{At, Report, Reported};
use super::events::with_unit;
use super::{os_text, required};
use crate::limits::{LEDGER_BYTES_MAX, LEDGER_BYTES_MIN};
use crate::retention::LedgerKept;

pub(super) fn check(report: &mut Report<'_>, ledger: At<RawLedger>) -> Result<LedgerKept, Reported> {
    let At { value: RawLedger { bytes, archive }, spot } = ledger;
    // Neither makes sense alone: a bound without an archive would be one that deletes, or none.
    let bytes = required(report, bytes, &spot, "bytes", "say what may stay in the data folder, such as `bytes: 1G`");
    let archive = required(
        report,
        archive,
        &spot,
        "archive",
        "name a folder for what is beyond, on another disk if can be: nothing of a ledger is deleted",
    );
    let bytes = bytes.and_then(|at| {
        let read = with_unit(&at.value, &[("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)]);
        let read = read.filter(|bytes| (LEDGER_BYTES_MIN..=LEDGER_BYTES_MAX).contains(bytes));
        let problem = || "not a size from 16M to 64T".to_owned();
        read.ok_or_else(|| report.refuse_value(&at, problem(), "write it with its unit, such as `500M` or `10G`"))
    });
    let archive = archive.and_then(|at| os_text(report, at));
    Ok(LedgerKept { bytes_max: bytes?, archive: archive? })
}
