//! Which registration entries speak for a caller, by what the kernel says of it.

use bartizan_core::workload::{Entry, Selectors};

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
    let Selectors { uid, gid, path, sha256, unit, image_digest } = selectors;
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
