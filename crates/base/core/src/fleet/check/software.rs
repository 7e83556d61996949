//! Checks what a service says of its program.

use super::super::reader::{Field, Report, Reported};
use crate::software::{Image, Software, VERSION_BYTES_MAX, is_version};

pub(super) fn check(
    report: &mut Report<'_>,
    version: Field<String>,
    image: Field<String>,
) -> Result<Software, Reported> {
    let (version, image) = (check_version(report, version), check_image(report, image));
    Ok(Software { version: version?, image: image? })
}

fn check_version(report: &mut Report<'_>, version: Field<String>) -> Result<Option<Box<str>>, Reported> {
    let Some(at) = version.optional()? else { return Ok(None) };
    if is_version(&at.value) {
        return Ok(Some(at.value.into()));
    }
    let problem = format!(
        "not a version: expected 1 to {VERSION_BYTES_MAX} letters, digits, `.`, `-`, `_`, `+` and `~`, a letter or digit first"
    );
    Err(report.refuse_value(&at, problem, "such as `1.4.2`, or the hash of a commit"))
}

fn check_image(report: &mut Report<'_>, image: Field<String>) -> Result<Option<Image>, Reported> {
    let Some(at) = image.optional()? else { return Ok(None) };
    Image::parse(&at.value).map(Some).map_err(|why| {
        let way_out = "such as `registry.bank.example/accounts:1.4`, with `@sha256:…` behind it, or `sha256:…` alone";
        report.refuse_value(&at, format!("not the reference of an image: {why}"), way_out)
    })
}
