//! Which registration entries speak for a caller, by what the kernel says of it.

use crate::pod::Pod;
use bartizan_core::workload::{Entry, PodSelector, Selectors};

/// What is known of a process. What is not known matches no selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Path of its executable, as the kernel writes it.
    pub path: Option<String>,
    /// SHA-256 of its executable, lower-case hex.
    pub sha256: Option<String>,
    /// The systemd unit that it runs in.
    pub unit: Option<String>,
    /// Digests by which the image of its container is known.
    pub image_digests: Vec<String>,
    /// The Kubernetes pod that it runs in.
    pub pod: Option<Pod>,
}

/// The entries that speak for a process, in the order given.
pub fn matching<'e>(entries: &'e [Entry], facts: &Facts) -> impl Iterator<Item = &'e Entry> {
    entries.iter().filter(|entry| matches(&entry.selectors, facts))
}

/// The entries to refuse a process over: where one of `mine` wants to be the only identity, all of them as soon as they give
/// several identities. Empty where nothing is wrong.
pub fn ambiguous(mine: &[Entry]) -> &[Entry] {
    let several = mine.iter().any(|entry| entry.id != mine[0].id);
    if several && mine.iter().any(|entry| entry.sole) { mine } else { &[] }
}

/// Whether all selectors that are given fit. None given fits nobody, whoever wrote it.
pub fn matches(selectors: &Selectors, facts: &Facts) -> bool {
    let Selectors { uid, gid, path, sha256, unit, image_digest, kubernetes } = selectors;
    fn fits<T: PartialEq>(wanted: &Option<T>, found: Option<&T>) -> bool {
        wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
    }
    !selectors.is_empty()
        && fits(uid, Some(&facts.uid))
        && fits(gid, Some(&facts.gid))
        && fits(path, facts.path.as_ref())
        && fits(sha256, facts.sha256.as_ref())
        && fits(unit, facts.unit.as_ref())
        && image_digest.as_ref().is_none_or(|wanted| facts.image_digests.contains(wanted))
        && kubernetes.as_ref().is_none_or(|wanted| facts.pod.as_ref().is_some_and(|pod| fits_pod(wanted, pod)))
}

fn fits_pod(wanted: &PodSelector, pod: &Pod) -> bool {
    let PodSelector { namespace, service_account, labels } = wanted;
    *namespace == pod.namespace
        && *service_account == pod.service_account
        && labels.iter().all(|(name, value)| pod.labels.get(name) == Some(value))
}

/// The systemd unit in the text of `/proc/PID/cgroup`: the innermost service or scope of the unified hierarchy, or of
/// systemd's own where there is no unified one.
pub fn unit_of(cgroup: &str) -> Option<String> {
    let unified = cgroup.lines().find_map(|line| line.strip_prefix("0::")).filter(|path| *path != "/");
    let of_systemd = || cgroup.lines().find_map(|line| Some(line.split_once(":name=systemd:")?.1));
    let is_unit = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
    unified.or_else(of_systemd)?.rsplit('/').find(is_unit).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            uid: 1000,
            gid: 100,
            path: Some("/usr/bin/report".to_owned()),
            sha256: None,
            unit: Some("report.service".to_owned()),
            image_digests: vec!["sha256:aa".to_owned(), "sha256:bb".to_owned()],
            pod: Some(Pod {
                namespace: "pay".to_owned(),
                service_account: "ledger".to_owned(),
                labels: [("app".to_owned(), "ledger".to_owned()), ("v".to_owned(), "2".to_owned())].into(),
            }),
        }
    }

    #[test]
    fn everything_given_has_to_fit() {
        let text = |text: &str| Some(text.to_owned());
        let none = Selectors::default();
        for (selectors, fits, why) in [
            (none.clone(), false, "no selector lets nobody in"),
            (Selectors { uid: Some(1000), ..none.clone() }, true, ""),
            (Selectors { uid: Some(0), ..none.clone() }, false, "another user"),
            (Selectors { uid: Some(1000), gid: Some(101), ..none.clone() }, false, "another group"),
            (Selectors { path: text("/usr/bin/report"), ..none.clone() }, true, ""),
            (Selectors { path: text("/usr/bin/repor"), ..none.clone() }, false, "a part of the path"),
            (Selectors { sha256: text("00"), ..none.clone() }, false, "a hash that is not known"),
            (Selectors { unit: text("report.service"), uid: Some(1000), ..none.clone() }, true, ""),
            (Selectors { image_digest: text("sha256:bb"), uid: Some(1000), ..none.clone() }, true, "two signals"),
            (Selectors { image_digest: text("sha256:bb"), uid: Some(0), ..none.clone() }, false, "one signal of two"),
            (Selectors { image_digest: text("sha256:cc"), uid: Some(1000), ..none.clone() }, false, "the other alone"),
            (Selectors { unit: text("other.service"), uid: Some(1000), ..none.clone() }, false, "another unit"),
        ] {
            assert_eq!(matches(&selectors, &facts()), fits, "{selectors:?} {why}");
        }
    }

    #[test]
    fn a_pod_has_to_be_of_the_namespace_the_account_and_the_labels() {
        let wants = |namespace: &str, account: &str, labels: &[(&str, &str)], uid: Option<u32>| {
            let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let pod = PodSelector { namespace: namespace.to_owned(), service_account: account.to_owned(), labels };
            Selectors { uid, kubernetes: Some(pod), ..Selectors::default() }
        };
        for (selectors, fits, why) in [
            (wants("web", "ledger", &[], None), false, "another namespace"),
            (wants("pay", "default", &[], None), false, "another account"),
            (wants("pay", "ledger", &[("app", "web")], None), false, "another value"),
            (wants("pay", "ledger", &[("app", "ledger"), ("tier", "x")], None), false, "a label that it has not"),
            (wants("pay", "ledger", &[("tier", "")], None), false, "one that it has not, without a value"),
            (wants("pay", "ledger", &[], Some(0)), false, "another user in the right pod"),
            (wants("pay", "ledger", &[], None), true, "the pod alone"),
            (wants("pay", "ledger", &[("app", "ledger")], Some(1000)), true, "all of it"),
        ] {
            assert_eq!(matches(&selectors, &facts()), fits, "{why}");
            assert!(!matches(&selectors, &Facts { pod: None, ..facts() }), "in no pod: {why}");
        }
    }

    #[test]
    fn finds_the_unit_in_what_the_kernel_writes() {
        for (text, unit) in [
            ("0::/system.slice/report.service\n", Some("report.service")),
            ("0::/system.slice/system-getty.slice/getty@tty1.service\n", Some("getty@tty1.service")),
            ("0::/system.slice/report.service/payload\n", Some("report.service")),
            ("12:cpu:/x\n1:name=systemd:/system.slice/old.service\n0::/\n", Some("old.service")),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", Some("session-3.scope")),
            ("0::/\n", None),
            ("0::/user.slice\n", None),
            ("", None),
        ] {
            assert_eq!(unit_of(text).as_deref(), unit, "{text:?}");
        }
    }
}
