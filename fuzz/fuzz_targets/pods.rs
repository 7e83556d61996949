//! Lists of pods: no answer makes reading panic, a container is part of no pod whose uid or whose containers the answer does not
//! name, and no node's name breaks out of the question.
#![no_main]

use bartizan_identity::container::container_of;
use bartizan_identity::pod::{self, Pods};
use libfuzzer_sys::fuzz_target;

const UID: &str = "0f3a8b1c-52a7-4d3e-9b1a-2f6d0c9e7a11";

fuzz_target!(|data: &[u8]| {
    let id = "a".repeat(64);
    let container = container_of(&format!("0::/kubepods/pod{UID}/{id}")).expect("a container of a pod");
    if let Ok(pods) = Pods::read(data, "worker-1")
        && let Some(pod) = pods.of(&container)
    {
        assert!(!pod.namespace.is_empty() && !pod.service_account.is_empty());
        // Escapes aside, both stand in the answer.
        let holds = |text: &str| data.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(data.contains(&b'\\') || (holds(UID) && holds(&id)));
    }
    if let Ok(name) = std::str::from_utf8(data)
        && let Ok(path) = pod::path(name)
    {
        assert!(path.matches(['?', '&', ' ']).count() == 1 && path.contains(&format!("%3D{name}%2C")));
    }
});
