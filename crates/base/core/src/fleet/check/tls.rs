//! Checks which key exchanges guards may use.

use super::super::raw::RawTls;
use super::super::reader::{At, Report, Reported};
use crate::tls::{TlsGroup, TlsGroups};

pub(super) fn check(report: &mut Report<'_>, tls: At<RawTls>) -> Result<TlsGroups, Reported> {
    let At { value: RawTls { groups, require_post_quantum }, spot } = tls;
    let required = match require_post_quantum.optional()? {
        None => false,
        Some(at) => match at.value.as_str() {
            "true" => true,
            "false" => false,
            _ => {
                return Err(report.refuse_value(
                    &at,
                    "neither true nor false",
                    "delete the line to leave it to `groups`",
                ));
            }
        },
    };
    let Some(groups) = groups.optional()? else {
        let hybrid = TlsGroup::ALL.into_iter().filter(|group| group.is_post_quantum() || !required);
        return Ok(TlsGroups::of(hybrid).unwrap_or_default());
    };
    let mut read = Vec::new();
    for group in groups.value {
        let at = group?;
        let known = TlsGroup::ALL.map(TlsGroup::as_str);
        let Some(group) = TlsGroup::parse(&at.value) else {
            return Err(report.refuse_value(
                &at,
                "no key exchange of ours",
                format!("choose among {}", known.join(", ")),
            ));
        };
        if required && !group.is_post_quantum() {
            let way_out = "take it out, or `require_post_quantum`";
            return Err(report.refuse_value(&at, "not post-quantum, which `require_post_quantum` asks for", way_out));
        }
        read.push(group);
    }
    TlsGroups::of(read).ok_or_else(|| {
        report.refuse(&spot, "`tls.groups` is empty, so guards could not talk", "delete the line for all of them")
    })
}
