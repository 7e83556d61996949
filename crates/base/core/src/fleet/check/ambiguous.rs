//! Warns of workloads of which one is always another as well.

use super::super::reader::{Report, Spot};
use crate::name::ServiceName;
use crate::workload::{Entry, Selectors};
use std::collections::BTreeMap;

/// Names the bindings of which one is always another as well: a program that fits all selectors of one entry and, with them,
/// those of an entry with another identity.
pub(super) fn warn(report: &mut Report<'_>, entries: &BTreeMap<ServiceName, (Spot, Entry)>) {
    let mut by_selectors: BTreeMap<Selectors, Vec<&Entry>> = BTreeMap::new();
    for (_, entry) in entries.values() {
        by_selectors.entry(without_labels(&entry.selectors)).or_default().push(entry);
    }
    for (spot, entry) in entries.values() {
        let wider = parts_of(&without_labels(&entry.selectors))
            .into_iter()
            .find_map(|part| by_selectors.get(&part)?.iter().find(|other| is_wider(other, entry)).copied());
        if let Some(other) = wider {
            let problem = format!("every program that is this one is `{}` as well", other.name);
            let way_out = if entry.sole || other.sole {
                "with `sole: true` such a program is refused; narrow the selectors of one of them"
            } else {
                "it is given both identities; narrow the selectors, or refuse such programs with `sole: true`"
            };
            report.warn(spot, problem, way_out);
        }
    }
}

/// Whether `other`, whose selectors without labels are some of those of `entry`, is another identity of all its programs.
fn is_wider(other: &Entry, entry: &Entry) -> bool {
    let apart = entry.node.is_some() && other.node.is_some() && entry.node != other.node;
    let label = |pair: (&String, &String)| {
        entry.selectors.kubernetes.as_ref().is_some_and(|pod| pod.labels.get(pair.0) == Some(pair.1))
    };
    let labels_fit = other.selectors.kubernetes.iter().flat_map(|pod| &pod.labels).all(label);
    // Of two that say the same, the later one is told.
    let told_here = other.selectors != entry.selectors || other.name < entry.name;
    other.id != entry.id && !apart && labels_fit && told_here
}

fn without_labels(selectors: &Selectors) -> Selectors {
    let mut without = selectors.clone();
    if let Some(pod) = &mut without.kubernetes {
        pod.labels.clear();
    }
    without
}

/// Every choice of some of the selectors: at most 127, so that the whole fleet is looked at in time.
fn parts_of(selectors: &Selectors) -> Vec<Selectors> {
    let without: [fn(&mut Selectors); 7] = [
        |it| it.uid = None,
        |it| it.gid = None,
        |it| it.path = None,
        |it| it.sha256 = None,
        |it| it.unit = None,
        |it| it.image_digest = None,
        |it| it.kubernetes = None,
    ];
    let mut parts = vec![selectors.clone()];
    for leave_out in without {
        let fewer = parts.iter().cloned().map(|mut part| {
            leave_out(&mut part);
            part
        });
        parts.extend(fewer.collect::<Vec<_>>());
        parts.sort();
        parts.dedup();
    }
    parts.retain(|part| !part.is_empty());
    parts
}
