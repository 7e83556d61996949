//! Roots, issuing CA and rotation as `bartizan ca status` shows them.

use crate::app::App;
use crate::ca::ROOT_SEALED;
use crate::rotation::book::Look;
use bartizan_core::rotation::{Authority, CaStatus, RotationStatus};
use bartizan_crypto::{cert, hash};
use bartizan_identity::rotation::{MemberKind, Rotation};
use bartizan_runtime::clock;

impl App {
    /// The CAs as they are now.
    pub(crate) async fn ca_status(&self) -> CaStatus {
        let kept = self.rotation.kept().await.clone();
        let authority = self.authority();
        let roots = authority.bundles().roots_of(authority.domain().as_str()).unwrap_or_default();
        let is_here = self.options.data.join(ROOT_SEALED).exists();
        CaStatus {
            now: clock::now(),
            roots: roots.iter().filter_map(|der| shown(der)).collect(),
            issuing: Authority {
                sha256: authority.sha256(),
                not_before: authority.validity().0,
                not_after: authority.validity().1,
            },
            root_key: if is_here { "here" } else { "offline" }.to_owned(),
            rotation: kept.rotation.map(|rotation| of(rotation, self.rotation.look())),
        }
    }
}

/// A root's dates and fingerprint.
pub(crate) fn shown(der: &[u8]) -> Option<Authority> {
    let read = cert::read(der).ok()?;
    let (not_before, not_after) = (read.not_before(), read.not_after());
    Some(Authority { sha256: hash::hex(&hash::sha256(der)), not_before, not_after })
}

fn of(rotation: Rotation, look: Look) -> RotationStatus {
    let Look { waiting_for, handshakes, facts } = look;
    let members = facts.map(|facts| facts.members).unwrap_or_default();
    let fleet = members.iter().filter(|member| member.kind != MemberKind::Edge);
    let renewed = fleet.clone().filter(|it| it.issuer.as_deref().is_some_and(|by| rotation.counts_as_new(by))).count();
    let is_over = rotation.phase.is_over();
    RotationStatus {
        number: rotation.number,
        what: rotation.what,
        urgent: rotation.urgent,
        phase: rotation.phase,
        phase_since: rotation.phase_since,
        started_at: rotation.started_at,
        old: rotation.old.sha256,
        new: rotation.new.map(|new| new.sha256),
        canary: rotation.canary,
        waves_begun: rotation.waves_begun,
        wave_percent: rotation.pace.wave_percent,
        renewed: u32::try_from(renewed).unwrap_or(u32::MAX),
        members: u32::try_from(fleet.count()).unwrap_or(u32::MAX),
        halted: rotation.halted,
        waiting_for: if is_over { Vec::new() } else { waiting_for },
        handshakes,
        forced: rotation.forced,
        history: rotation.history,
    }
}
