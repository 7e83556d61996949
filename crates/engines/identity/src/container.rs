//! The container that a process runs in, by the text of its `/proc/PID/cgroup`: Docker, Podman, containerd and CRI-O, with
//! cgroups of version 1 and 2, under systemd or not.
//!
//! A name in there is a claim: who may make cgroups may call one after any container. Whoever relies on it asks the runtime
//! where that container really is, and compares [`Container::path`].

use crate::limits::CGROUP_BYTES_MAX;

/// Length of a container's id in lower-case hex digits.
const ID_CHARS: usize = 64;
/// What runtimes put before the id in the name of a systemd scope. Their monitors (`libpod-conmon-…`) run outside.
const PREFIXES: [&str; 5] = ["docker-", "libpod-", "cri-containerd-", "containerd-", "crio-"];
/// Folders in which the id stands alone.
const PARENTS: [&str; 2] = ["docker", "libpod_parent"];

/// A container, as a cgroup names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    /// Its id: 64 lower-case hex digits.
    pub id: String,
    /// The Kubernetes pod that it is part of, by its uid.
    pub pod_uid: Option<String>,
    /// Its cgroup; the process may be in one below.
    pub path: String,
}

impl Container {
    /// Whether `text` has the form of an id.
    pub fn is_id(text: &str) -> bool {
        text.len() == ID_CHARS && text.bytes().all(is_hex)
    }

    /// Whether its cgroup lies where only the kubelet puts pods: below `kubepods`, in whatever slices, seen from the root or from
    /// within a pod. A user to whom systemd left a subtree can name cgroups after any pod there, and not here.
    pub fn is_placed_by_kubelet(&self) -> bool {
        let is_kubelets = |part: &str| {
            let is_class = matches!(part, ".." | "besteffort" | "burstable" | "guaranteed");
            let named = |name: &str| {
                part.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
            };
            is_class || named("kubepods") || named("kubelet")
        };
        let mut before = self.path.split('/').skip(1).take_while(|part| pod_uid(part).is_none());
        self.pod_uid.is_some() && before.all(is_kubelets)
    }
}

/// The container in the text of `/proc/PID/cgroup`: the outermost one, since that is the one the host's runtime knows.
/// `None` where there is none, or where two hierarchies name different ones.
pub fn container_of(cgroup: &str) -> Option<Container> {
    if cgroup.len() > CGROUP_BYTES_MAX {
        return None;
    }
    // "hierarchy:controllers:path" (cgroups(7)); the path may hold colons.
    let mut found = cgroup.lines().filter_map(|line| in_path(line.splitn(3, ':').nth(2)?));
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

fn in_path(path: &str) -> Option<Container> {
    if !path.starts_with('/') {
        return None;
    }
    let parts: Vec<&str> = path.split('/').collect();
    let pod = parts.iter().enumerate().find_map(|(at, part)| Some((at, pod_uid(part)?)));
    let from = pod.as_ref().map_or(0, |(at, _)| *at);
    let (at, id) = (from..parts.len()).find_map(|at| {
        let parent = at.checked_sub(1).map(|at| parts[at]).unwrap_or_default();
        Some((at, id(parts[at], PARENTS.contains(&parent) || pod_uid(parent).is_some())?))
    })?;
    Some(Container { id: id.to_owned(), pod_uid: pod.map(|(_, uid)| uid), path: parts[..=at].join("/") })
}

fn id(part: &str, may_stand_alone: bool) -> Option<&str> {
    if may_stand_alone && Container::is_id(part) {
        return Some(part);
    }
    let name = part.strip_suffix(".scope").unwrap_or(part);
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).filter(|text| Container::is_id(text))
}

/// The uid in `pod<uid>` or `…-pod<uid>.slice`, where systemd wants `_` for `-`. Static pods have a hash instead.
fn pod_uid(part: &str) -> Option<String> {
    let uid = match part.strip_suffix(".slice") {
        Some(slice) => slice.rsplit_once("-pod")?.1.replace('_', "-"),
        None => part.strip_prefix("pod")?.to_owned(),
    };
    let is_hash = uid.len() == 32 && uid.bytes().all(is_hex);
    let groups: Vec<_> = uid.split('-').map(str::len).collect();
    let is_uuid = groups == [8, 4, 4, 4, 12] && uid.bytes().all(|b| is_hex(b) || b == b'-');
    (is_hash || is_uuid).then_some(uid)
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const UID: &str = "0f3a8b1c-52a7-4d3e-9b1a-2f6d0c9e7a11";

    #[test]
    fn refuses_what_only_looks_like_a_container() {
        for (text, why) in [
            (String::new(), "nothing"),
            ("0::/".to_owned(), "the root"),
            ("0::/system.slice/sshd.service".to_owned(), "a service"),
            (format!("0::/{A}"), "an id alone, under nobody we know"),
            (format!("0::/user.slice/{A}"), "the same"),
            (format!("0::/docker/{}", &A[1..]), "too short"),
            (format!("0::/docker/{A}0"), "too long"),
            (format!("0::/docker/{}", A.to_uppercase()), "upper case"),
            (format!("0::/machine.slice/libpod-conmon-{A}.scope"), "Podman's monitor"),
            (format!("0::/kubepods.slice/crio-conmon-{A}.scope"), "CRI-O's monitor"),
            (format!("0::/docker/pod{UID}"), "a pod and no container"),
            (format!("docker-{A}.scope"), "no line of this file"),
            (format!("0::0::/libpod-{A}"), "no path"),
            (format!("1:cpu:/docker/{A}\n2:memory:/docker/{B}\n"), "two hierarchies, two containers"),
            (format!("0::/docker/{A}{}", "\n".repeat(CGROUP_BYTES_MAX)), "too long a text"),
        ] {
            assert_eq!(container_of(&text), None, "{why}: {text}");
        }
    }

    #[test]
    fn knows_how_runtimes_name_their_cgroups() {
        let slice = UID.replace('-', "_");
        for (text, pod, path) in [
            (format!("12:memory:/docker/{A}\n1:name=systemd:/docker/{A}\n0::/\n"), None, format!("/docker/{A}")),
            (format!("0::/system.slice/docker-{A}.scope\n"), None, format!("/system.slice/docker-{A}.scope")),
            (format!("0::/system.slice/docker-{A}.scope/init\n"), None, format!("/system.slice/docker-{A}.scope")),
            (format!("0::/machine.slice/libpod-{A}.scope/container"), None, format!("/machine.slice/libpod-{A}.scope")),
            (format!("9:pids:/libpod_parent/libpod-{A}"), None, format!("/libpod_parent/libpod-{A}")),
            (
                format!("4:cpu:/kubepods/besteffort/pod{UID}/{A}"),
                Some(UID),
                format!("/kubepods/besteffort/pod{UID}/{A}"),
            ),
            (
                format!(
                    "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/cri-containerd-{A}.scope"
                ),
                Some(UID),
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice/cri-containerd-{A}.scope"
                ),
            ),
            (
                format!("0::/kubelet.slice/kubelet-kubepods-pod{slice}.slice/crio-{A}.scope/container"),
                Some(UID),
                format!("/kubelet.slice/kubelet-kubepods-pod{slice}.slice/crio-{A}.scope"),
            ),
            // The outermost without a pod, and below the pod where there is one (as in `kind`).
            (format!("0::/docker/{A}/docker/{B}"), None, format!("/docker/{A}")),
            (
                format!("0::/docker/{B}/kubelet/kubepods/pod{UID}/{A}/docker/{B}"),
                Some(UID),
                format!("/docker/{B}/kubelet/kubepods/pod{UID}/{A}"),
            ),
        ] {
            let expected = Container { id: A.to_owned(), pod_uid: pod.map(str::to_owned), path };
            assert_eq!(container_of(&text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_pod_counts_where_the_kubelet_puts_pods() {
        let slice = UID.replace('-', "_");
        for (text, by_kubelet) in [
            (format!("0::/user.slice/user-1000.slice/user@1000.service/kubepods/pod{UID}/{A}"), false),
            (format!("0::/user.slice/user-1000.slice/x-pod{slice}.slice/crio-{A}.scope"), false),
            (format!("0::/system.slice/x.service/pod{UID}/{A}"), false),
            (format!("0::/kubepodsx/pod{UID}/{A}"), false),
            (format!("0::/x/../kubepods/pod{UID}/{A}"), false),
            (format!("0::/kubepods/x/pod{UID}/{A}"), false),
            (format!("0::/docker/{B}/kubepods/pod{UID}/{A}"), false),
            (format!("0::/system.slice/docker-{A}.scope"), false),
            (format!("4:cpu:/kubepods/besteffort/pod{UID}/{A}"), true),
            (format!("0::/kubepods.slice/kubepods-pod{slice}.slice/cri-containerd-{A}.scope"), true),
            (
                format!("0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{slice}.slice/crio-{A}.scope/x"),
                true,
            ),
            (format!("0::/../../kubepods-burstable-pod{slice}.slice/cri-containerd-{A}.scope"), true),
            (format!("0::/../pod{UID}/{A}"), true),
        ] {
            assert_eq!(container_of(&text).unwrap().is_placed_by_kubelet(), by_kubelet, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_found_is_in_the_text(text in "([0-9]{1,2}:[a-z=]{0,8}:(/(docker|pod|docker-|[a-f0-9]{64}|[a-z.-]{1,9}|pod[0-9a-f]{32}|libpod-[a-f0-9]{64}(.scope)?)){0,6}\n?){0,4}") {
            if let Some(found) = container_of(&text) {
                prop_assert!(found.id.len() == ID_CHARS && found.id.bytes().all(is_hex));
                prop_assert!(found.path.starts_with('/') && text.contains(&found.path));
                prop_assert!(found.path.ends_with(&found.id) || found.path.ends_with(".scope"));
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            let _ = container_of(&text);
        }
    }
}
