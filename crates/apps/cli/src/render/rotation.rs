//! CAs and their rotation, for people.

use super::{left, utc};
use bartizan_core::rotation::{Authority, CaStatus, RotationStatus, Straggler, Transition};
use std::fmt::Write as _;

/// Characters of a fingerprint that people compare.
const SHORT: usize = 16;
/// Who is waited for is listed up to here; a fleet that is away as a whole needs no more.
const STRAGGLERS_SHOWN: usize = 20;

/// The whole status.
pub(crate) fn text(status: &CaStatus) -> String {
    let mut text = String::new();
    for root in &status.roots {
        let _ = writeln!(text, "root     {}", authority(root, status));
    }
    let _ = writeln!(text, "issuing  {}", authority(&status.issuing, status));
    let _ = writeln!(text, "root key {}", status.root_key);
    match &status.rotation {
        None => text.push_str("no rotation yet; `bartizan ca rotate root` begins one\n"),
        Some(it) => text.push_str(&rotation(it)),
    }
    text
}

fn authority(it: &Authority, status: &CaStatus) -> String {
    format!("{}  until {} ({} left)", short(&it.sha256), utc(it.not_after), left(it.not_after.since(status.now)))
}

fn rotation(it: &RotationStatus) -> String {
    let mut text = String::new();
    let urgent = if it.urgent { ", distrusted" } else { "" };
    let since = utc(it.phase_since);
    let _ = writeln!(
        text,
        "\nrotation {} of the {}{urgent}: {} since {since}",
        it.number,
        it.what.as_str(),
        it.phase.as_str()
    );
    let new = it.new.as_deref().map_or("in the making", short);
    let _ = writeln!(text, "  from {} to {new}", short(&it.old));
    let canary = it.canary.as_deref().unwrap_or("not chosen yet");
    let _ = writeln!(text, "  canary {canary}, {} waves of {} %", it.waves_begun, it.wave_percent);
    let _ = writeln!(text, "  {} of {} members show the new one", it.renewed, it.members);
    let all = it.handshakes.completed + it.handshakes.failed;
    let _ = writeln!(text, "  {} of {all} handshakes since the last step were good", it.handshakes.completed);
    if let Some(why) = &it.halted {
        let _ = writeln!(text, "  HALTED: {why}");
    }
    for forced in &it.forced {
        let _ = writeln!(text, "  FORCED: {forced}");
    }
    text + &waiting(it)
}

/// Who is waited for, and why.
pub(crate) fn waiting(it: &RotationStatus) -> String {
    let mut text = String::new();
    for Straggler { name, why, .. } in it.waiting_for.iter().take(STRAGGLERS_SHOWN) {
        let _ = writeln!(text, "  waiting for {name}: {why}");
    }
    let more = it.waiting_for.len().saturating_sub(STRAGGLERS_SHOWN);
    if more > 0 {
        let _ = writeln!(text, "  and for {more} more");
    }
    text
}

/// One step, as it is taken.
pub(crate) fn step(it: &Transition) -> String {
    format!("{}  {:<12}  {}\n", utc(it.at), it.to.as_str(), it.note)
}

/// What `ca retire --force` would do.
pub(crate) fn what_breaks(status: &CaStatus) -> String {
    let Some(it) = status.rotation.as_ref().filter(|it| !it.waiting_for.is_empty()) else {
        return "nobody is waited for, so there is nothing to force\n".to_owned();
    };
    let mut text = format!(
        "rotation {} waits for {}; `bartizan ca retire --force` goes on without them:\n",
        it.number,
        it.waiting_for.len()
    );
    for Straggler { name, why, breaks } in &it.waiting_for {
        let _ = writeln!(text, "  {name}: {why}\n    then {breaks}");
    }
    text
}

fn short(sha256: &str) -> &str {
    sha256.get(..SHORT).unwrap_or(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_core::rotation::{Phase, Rotated, Watched};

    fn status() -> CaStatus {
        let at = Timestamp::from_secs;
        let ca = |name: &str| Authority { sha256: name.repeat(64), not_before: at(0), not_after: at(1_000_000) };
        let straggler = Straggler {
            name: "ledger".to_owned(),
            why: "it is not attached".to_owned(),
            breaks: "it refuses everybody".to_owned(),
        };
        let rotation = RotationStatus {
            number: 2,
            what: Rotated::Root,
            urgent: false,
            phase: Phase::Published,
            phase_since: at(900),
            started_at: at(890),
            old: "a".repeat(64),
            new: Some("b".repeat(64)),
            canary: Some("payment".to_owned()),
            waves_begun: 0,
            wave_percent: 20,
            renewed: 0,
            members: 6,
            halted: None,
            waiting_for: vec![straggler],
            handshakes: Watched { completed: 9, failed: 1 },
            forced: Vec::new(),
            history: Vec::new(),
        };
        let (roots, issuing) = (vec![ca("a"), ca("b")], ca("c"));
        CaStatus { now: at(1_000), roots, issuing, root_key: "here".to_owned(), rotation: Some(rotation) }
    }

    #[test]
    fn says_how_far_it_is_and_who_is_waited_for() {
        let text = text(&status());
        for piece in [
            "rotation 2 of the root: published since",
            "from aaaaaaaaaaaaaaaa to bbbbbbbbbbbbbbbb",
            "0 of 6 members",
            "9 of 10 handshakes",
            "waiting for ledger: it is not attached",
        ] {
            assert!(text.contains(piece), "no `{piece}` in\n{text}");
        }
    }

    #[test]
    fn forcing_names_what_breaks() {
        let text = what_breaks(&status());
        assert!(text.contains("ledger: it is not attached\n    then it refuses everybody"), "{text}");
    }
}
