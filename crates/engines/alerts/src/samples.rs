//! One event of every class and word that a rule can ask for.

use crate::rehearse::denied;
use bartizan_core::egress::Refusal;
use bartizan_core::event::{
    Budget, Change, Clock, Config, Connection, Deed, Egress, Ended, Ending, Handshake, HandshakeFailure, Identity,
    Loss, Outcome, Person, Predicted, Process, Refused, Rotation, What,
};
use bartizan_core::rotation::{Phase, Rotated};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::{Action, ServiceName, SpiffeId, Verdict};

pub(crate) fn all() -> Vec<What> {
    let service = ServiceName::parse("rehearsal").expect("a name");
    let mut all = vec![What::Request(denied("rehearsal"))];
    let request = bartizan_core::event::Request { decision: None, ..denied("rehearsal") };
    for (status, error) in [(200, None), (401, Some("no token")), (503, Some("no instance"))] {
        all.push(What::Request(bartizan_core::event::Request {
            status,
            error: error.map(Into::into),
            ..request.clone()
        }));
    }
    for error in [None, Some("cut off")] {
        all.push(What::Connection(Connection {
            peer: None,
            to: service.clone(),
            decision: None,
            bytes_up: 0,
            bytes_down: 0,
            took_us: 0,
            error: error.map(Into::into),
        }));
    }
    for failure in HandshakeFailure::ALL.into_iter().map(Some).chain([None]) {
        all.push(What::Handshake(Handshake {
            peer: None,
            remote: None,
            failure,
            detail: None,
            group: None,
            suite: None,
            took_us: 0,
        }));
    }
    all.push(What::Refused(Refused { peer: None, remote: None, rule: "rehearsal".into(), status: 400 }));
    for change in [
        Change::Published,
        Change::Applied,
        Change::AppliedFromDisk,
        Change::Refused,
        Change::Drifted,
        Change::Locked,
        Change::Unlocked,
        Change::HeldBack,
        Change::Overridden,
    ] {
        all.push(What::Config(Config { kind: Kind::Policies, epoch: Epoch(1), change, detail: None }));
    }
    for (started, exit) in [(true, None), (false, Some("exit 0")), (false, Some("signal 9"))] {
        all.push(What::Process(Process {
            kind: "program".into(),
            executable: "it".into(),
            pid: 1,
            started,
            exit: exit.map(Into::into),
        }));
    }
    let id = SpiffeId::parse("spiffe://rehearsal.test/svc/rehearsal").expect("an identity");
    for (renewal, refused) in [(false, None), (true, None), (false, Some("no"))] {
        all.push(What::Identity(Identity {
            id: id.clone(),
            serial: None,
            not_after: None,
            renewal,
            refused: refused.map(Into::into),
        }));
    }
    for (arrow, dropped) in [("control.store", 1), ("control.ledger", 1), ("control.store", 0)] {
        all.push(What::Loss(Loss { arrow: arrow.into(), offered: 1, delivered: 1 - dropped, dropped }));
    }
    for ending in Ending::ALL {
        all.push(What::Ended(Ended { peer: None, ending, detail: None, open_us: 0, cut: 0 }));
    }
    for halted in [None, Some("no canary")] {
        all.push(What::Rotation(Rotation {
            number: 1,
            what: Rotated::Root,
            phase: Phase::Reverting,
            halted: halted.map(Into::into),
            detail: "".into(),
        }));
    }
    for wrong in [true, false] {
        all.push(What::Clock(Clock { of: "guard rehearsal".into(), ahead_s: 90, wrong }));
        all.push(What::Predicted(Predicted {
            policy: "rehearsal".into(),
            from: service.clone(),
            to: service.clone(),
            action: Action::Read,
            verdict: if wrong { Verdict::Deny } else { Verdict::Allow },
            calls: 1,
        }));
        all.push(What::Budget(Budget { added_p99_us: 2, budget_us: 1, over: wrong }));
    }
    for (outcome, first) in [
        (Outcome::Opened, true),
        (Outcome::Opened, false),
        (Outcome::Closed, false),
        (Outcome::Failed, false),
        (Outcome::Refused(Refusal::Undeclared), false),
    ] {
        all.push(What::Egress(Egress {
            host: Some("rehearsal.test".into()),
            address: None,
            port: 443,
            protocol: "https".into(),
            outcome,
            first,
            learned: false,
            bytes_up: 0,
            bytes_down: 0,
            took_us: 0,
            error: None,
        }));
    }
    for deed in [
        Deed::SignedIn,
        Deed::NotSignedIn,
        Deed::Locked,
        Deed::SignedOut,
        Deed::Added,
        Deed::Removed,
        Deed::Disabled,
        Deed::Enabled,
        Deed::Invited,
        Deed::PasswordSet,
        Deed::FactorAdded,
        Deed::FactorRemoved,
        Deed::RolesSet,
        Deed::ManyRefused,
        Deed::NotTold,
        Deed::KeyLost,
        Deed::Acted,
        Deed::Forbidden,
        Deed::EventsHeld,
        Deed::EventsReleased,
    ] {
        all.push(What::Person(Person {
            subject: None,
            name: None,
            deed,
            factors: None,
            reason: None,
            remote: None,
            by: None,
        }));
    }
    all
}
