//! Checks what a workload's pod has to be.

use super::super::raw_workload::RawPod;
use super::super::reader::{At, Field, Named, Read, Report, Reported};
use super::required;
use crate::workload::{POD_LABELS_MAX, PodSelector};
use std::collections::BTreeMap;

/// Longest DNS label, and longest name and value of a label, in bytes (Kubernetes, "Object Names" and "Labels").
const LABEL_BYTES_MAX: usize = 63;
/// Longest DNS name of Kubernetes in bytes, as service accounts and prefixes of labels have it.
const DNS_BYTES_MAX: usize = 253;

pub(super) fn check(report: &mut Report<'_>, at: At<RawPod>) -> Result<PodSelector, Reported> {
    let RawPod { namespace, service_account, labels } = at.value;
    // Both are asked for: names of accounts, and labels, are for anybody to choose in a namespace of their own.
    let namespace = required(report, namespace, &at.spot, "namespace", "say in which namespace the pod is")
        .and_then(|at| fits(report, at, is_dns_label, "not the name of a namespace"));
    let way_out = "say which account the pod runs under; `default` where it names none";
    let service_account = required(report, service_account, &at.spot, "service_account", way_out)
        .and_then(|at| fits(report, at, is_dns_name, "not the name of a service account"));
    let labels = check_labels(report, labels);
    Ok(PodSelector { namespace: namespace?, service_account: service_account?, labels: labels? })
}

fn check_labels(
    report: &mut Report<'_>,
    labels: Field<Named<Read<String>>>,
) -> Result<BTreeMap<String, String>, Reported> {
    let Some(labels) = labels.optional()? else { return Ok(BTreeMap::new()) };
    if labels.value.len() > POD_LABELS_MAX {
        let problem = format!("{} labels, more than {POD_LABELS_MAX}", labels.value.len());
        return Err(report.refuse(&labels.spot, problem, ""));
    }
    let pairs = labels.value.into_iter().map(|(name, value)| {
        let value = fits(report, value?, |text| text.is_empty() || is_label(text), "not the value of a label");
        if !is_label_key(&name.value) {
            return Err(report.refuse(&name.spot, "not the name of a label", "such as `app` or `example.org/app`"));
        }
        Ok((name.value, value?))
    });
    // All of them, so that every mistake is told.
    pairs.collect::<Vec<_>>().into_iter().collect()
}

fn fits(
    report: &mut Report<'_>,
    at: At<String>,
    is_one: impl Fn(&str) -> bool,
    problem: &str,
) -> Result<String, Reported> {
    if is_one(&at.value) {
        Ok(at.value)
    } else {
        Err(report.refuse_value(&at, problem, "write it as `kubectl` prints it"))
    }
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_dns_name(prefix) && is_label(name),
        None => is_label(text),
    }
}

fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    text.len() <= LABEL_BYTES_MAX && bytes.iter().copied().all(allowed) && ends(bytes.first()) && ends(bytes.last())
}

fn is_dns_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    is_label(text) && text.bytes().all(allowed)
}

/// Labels of such a name may be as long as the name (RFC 1123 subdomain, as Kubernetes reads it).
fn is_dns_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |it: &str| !it.is_empty() && it.bytes().all(allowed) && !it.starts_with('-') && !it.ends_with('-');
    text.len() <= DNS_BYTES_MAX && text.split('.').all(label)
}
