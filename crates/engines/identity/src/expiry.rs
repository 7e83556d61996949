//! What runs out, when, whether somebody renews it in time, and what breaks where nobody does.

use crate::limits::{EXPIRY_WARN_SHARE, RENEWAL_LATE_SHARE, WEB_DUE_SHARE, WEB_LATE_SHARE};
use crate::renew::renew_at;
use bartizan_core::Timestamp;
use bartizan_core::rotation::{Expiring, Forecast};

/// What kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A root that everybody trusts.
    Root,
    /// A root of another trust domain, as its bundle endpoint gave it.
    ForeignRoot,
    /// The issuing CA of control.
    Issuing,
    /// Control's own identity.
    Control,
    /// The identity that signed the snapshots in force.
    SnapshotSigner,
    /// The key that signs tokens.
    TokenKey,
    /// The identity of a proxy.
    Svid,
    /// The identity of a node.
    Node,
    /// The gateway's certificate for outside clients.
    Edge,
    /// A certificate of files that the fleet file names, such as the console's.
    Web,
    /// A join token that waits for its node.
    JoinToken,
}

impl Kind {
    /// Every kind, in the order of the manual.
    pub const ALL: [Self; 11] = [
        Self::Root,
        Self::ForeignRoot,
        Self::Issuing,
        Self::Control,
        Self::SnapshotSigner,
        Self::TokenKey,
        Self::Svid,
        Self::Node,
        Self::Edge,
        Self::Web,
        Self::JoinToken,
    ];

    /// The word used as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::ForeignRoot => "foreign_root",
            Self::Issuing => "issuing",
            Self::Control => "control",
            Self::SnapshotSigner => "snapshot_signer",
            Self::TokenKey => "token_key",
            Self::Svid => "svid",
            Self::Node => "node",
            Self::Edge => "edge",
            Self::Web => "web",
            Self::JoinToken => "join_token",
        }
    }

    /// Who renews such a thing by himself.
    const fn keeper(self) -> Option<&'static str> {
        match self {
            Self::Root | Self::JoinToken => None,
            Self::ForeignRoot => Some("its trust domain"),
            Self::Issuing | Self::Control | Self::SnapshotSigner | Self::TokenKey => Some("control"),
            Self::Svid => Some("its proxy"),
            Self::Node => Some("its node"),
            Self::Edge => Some("the gateway"),
            Self::Web => Some("whoever writes its files"),
        }
    }

    const fn breaks(self) -> &'static str {
        match self {
            Self::Root => {
                "nobody trusts anybody: every new connection is refused; replace it with `bartizan ca rotate root`"
            }
            Self::ForeignRoot => "calls to and from that trust domain are refused where it has no newer root",
            Self::Issuing => "no identity can be issued; within an hour services lose theirs",
            Self::Control => "proxies and nodes do not reach control; they go on with what they hold",
            Self::SnapshotSigner => "nothing: a snapshot is judged by the moment at which it was signed",
            Self::TokenKey => "nothing: it goes on signing until there is another",
            Self::Svid => "the service is refused by everybody and refuses everybody",
            Self::Node => "sidecars on its host cannot start with a voucher; it needs a new join token",
            Self::Edge => "clients from outside refuse the gateway",
            Self::Web => "browsers and clients from outside refuse what shows it",
            Self::JoinToken => "the node that was to join with it needs another one",
        }
    }
}

/// One thing that runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub name: String,
    /// Beginning of its validity.
    pub not_before: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
    /// When its keeper replaces it, where that is not half of its life.
    pub due: Option<Timestamp>,
    /// What keeps its keeper from renewing it, such as being away; `None` where nothing does.
    pub hindrance: Option<String>,
}

/// Everything of `things`, the earliest end first.
///
/// Something that is renewed by itself is in danger where its keeper is hindered, or later than 10 % of its life after half
/// life; something that nobody renews in the last 10 % of its life, and what others write files for in its last fifth. A join token is meant to run out, and a signature
/// outlives its signer: those two are never in danger.
pub fn forecast(things: &[Thing], now: Timestamp) -> Forecast {
    let mut items: Vec<Expiring> = things.iter().map(|thing| expiring(thing, now)).collect();
    items.sort_by(|a, b| (a.at, &a.what, &a.name).cmp(&(b.at, &b.what, &b.name)));
    Forecast { now, items }
}

fn expiring(thing: &Thing, now: Timestamp) -> Expiring {
    let Thing { kind, name, not_before, not_after, due, hindrance } = thing;
    let life = not_after.since(*not_before);
    let half_life = renew_at(*not_before, *not_after, 0.5);
    let last = |share: f64| not_after.minus(life.mul_f64(share));
    let due = match kind {
        // Others choose when, or nobody replaces it.
        Kind::ForeignRoot | Kind::JoinToken | Kind::SnapshotSigner => None,
        Kind::Root => Some(last(EXPIRY_WARN_SHARE)),
        Kind::Web => Some(last(WEB_DUE_SHARE)),
        _ => Some(due.unwrap_or(half_life)),
    };
    let renewed_by = kind.keeper().map(|keeper| match hindrance {
        None if matches!(kind, Kind::ForeignRoot | Kind::TokenKey | Kind::Web) => keeper.to_owned(),
        None => format!("{keeper}, at half life"),
        Some(why) => format!("{keeper}, but {why}"),
    });
    let in_danger = match (kind, kind.keeper()) {
        (Kind::JoinToken | Kind::SnapshotSigner, _) => false,
        // The next one is made two hours before the end, not at half life.
        (Kind::TokenKey, _) => now >= *not_after,
        // How early the other side renews is its own affair; what it publishes is taken up by itself.
        (Kind::ForeignRoot, _) | (_, None) => now >= last(EXPIRY_WARN_SHARE),
        (Kind::Web, _) => hindrance.is_some() || now >= last(WEB_LATE_SHARE),
        (_, Some(_)) => hindrance.is_some() || now >= half_life.plus(life.mul_f64(RENEWAL_LATE_SHARE)),
    };
    let (what, breaks) = (kind.as_str().to_owned(), kind.breaks().to_owned());
    Expiring { what, name: name.clone(), since: *not_before, due, at: *not_after, renewed_by, in_danger, breaks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::limits::LEAF_TTL;
    use std::time::Duration;

    fn thing(kind: Kind, from: Timestamp, life: Duration) -> Thing {
        Thing { kind, name: "x".to_owned(), not_before: from, not_after: from.plus(life), due: None, hindrance: None }
    }

    /// A year on a simulated clock: a proxy that renews is never in danger; from the hour at which it stops, the danger is
    /// told before the end, and the end is the one that was foretold.
    #[test]
    fn a_clock_that_runs_for_a_year_brings_no_surprise() {
        let (start, minute) = (Timestamp::from_secs(1_000_000), Duration::from_secs(60));
        let stops_at = start.plus(Duration::from_secs(360 * 24 * 3600));
        let root = thing(Kind::Root, start, Duration::from_secs(370 * 24 * 3600));
        let mut svid = thing(Kind::Svid, start, LEAF_TTL);
        let (mut now, mut told, mut foretold) = (start, None, svid.not_after);
        while now < svid.not_after {
            let renews = now < stops_at;
            if renews && now >= renew_at(svid.not_before, svid.not_after, 1.0) {
                svid = thing(Kind::Svid, now, LEAF_TTL);
            }
            let forecast = forecast(&[root.clone(), svid.clone()], now);
            let of = |what: &str| forecast.items.iter().find(|it| it.what == what).unwrap();
            if of("svid").in_danger {
                told.get_or_insert(now);
                foretold = of("svid").at;
            }
            assert!(!(renews && told.is_some()), "a false alarm at {now:?}");
            let last_tenth = now >= root.not_after.minus(Duration::from_secs(37 * 24 * 3600));
            assert_eq!(of("root").in_danger, last_tenth);
            now = now.plus(minute);
        }
        let told = told.expect("the danger was told");
        assert!(svid.not_after.since(told) >= Duration::from_secs(20 * 60), "in time to do something");
        assert!(now.since(foretold) <= minute, "it ran out when it was to");
    }

    #[test]
    fn the_earliest_end_stands_first_and_every_kind_has_its_words() {
        let now = Timestamp::from_secs(5_000);
        let things: Vec<Thing> =
            (1u32..).zip(Kind::ALL).map(|(n, kind)| thing(kind, now, Duration::from_secs(3600) * (12 - n))).collect();
        let items = forecast(&things, now).items;
        assert!(items.windows(2).all(|pair| pair[0].at <= pair[1].at) && items.len() == Kind::ALL.len());
        assert!(items.iter().all(|it| !it.breaks.is_empty() && !it.in_danger), "{items:?}");
    }

    #[test]
    fn a_keeper_who_is_away_is_a_danger_at_once() {
        let now = Timestamp::from_secs(5_000);
        let mut svid = thing(Kind::Svid, now, LEAF_TTL);
        svid.hindrance = Some("it is not attached".to_owned());
        let it = &forecast(&[svid], now).items[0];
        assert!(it.in_danger && it.renewed_by.as_ref().unwrap().contains("not attached"));
    }

    #[test]
    fn each_kind_is_due_before_it_is_late_and_late_before_its_end() {
        let (start, day) = (Timestamp::from_secs(1_000_000), Duration::from_secs(86_400));
        for kind in Kind::ALL {
            let it = thing(kind, start, day * 90);
            let at = |n: u32| forecast(std::slice::from_ref(&it), start.plus(day * n)).items[0].clone();
            let Some(due) = at(0).due else {
                assert!(matches!(kind, Kind::ForeignRoot | Kind::JoinToken | Kind::SnapshotSigner), "{kind:?}");
                continue;
            };
            assert!(due > start && due < it.not_after, "{kind:?}");
            let late = (0..90).find(|n| at(*n).in_danger);
            assert!(late.is_none_or(|n| start.plus(day * n) >= due), "{kind:?}: a danger before it is due");
            assert!(at(90).in_danger, "{kind:?} at its end");
            assert_eq!(at(0).since, start);
        }
        let mut web = thing(Kind::Web, start, day * 90);
        let late = (0..90).find(|n| forecast(std::slice::from_ref(&web), start.plus(day * *n)).items[0].in_danger);
        assert_eq!(late, Some(72), "a fifth of what an ACME server gives is left");
        web.hindrance = Some("its files cannot be used".to_owned());
        assert!(forecast(&[web], start).items[0].in_danger);
    }
}
