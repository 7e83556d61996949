//! A month of a bank: which events there are, each made from its number alone, so that whoever asks knows what has to be found.

use bartizan_core::event::{Event, EventId, Judged, Request, SeenBy, What};
use bartizan_core::fleet::{self, Fleet};
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, RequestId, ServiceName, SpiffeId, Timestamp, Verdict};
use std::fmt::Write as _;
use std::time::Duration;

/// Services of the fleet, a count. Who is called more often than others: a few of them get most.
const SERVICES: u64 = 400;
/// People on whose behalf, a count, in the same way.
const USERS: u64 = 200_000;
/// Events of one request: gateway, three hops in and out.
pub(crate) const HOPS: u64 = 6;
/// One request in so many is denied.
const DENIED_ONE_IN: u64 = 200;
/// How much busier noon is than the mean, and midnight quieter: one and a half and less than half.
const SWING: f64 = 0.6;
/// Events come so much out of order at most, in milliseconds.
const LATE_MS: u64 = 2_000;
const DAY_MS: f64 = 86_400_000.0;
/// When the month begins, in seconds since 1970.
const BEGIN_S: u64 = 1_800_000_000;

pub(crate) struct World {
    pub(crate) fleet: Fleet,
    names: Vec<ServiceName>,
    ids: Vec<SpiffeId>,
    count: u64,
    days: u64,
}

impl World {
    /// Of `count` events within `days`.
    pub(crate) fn new(count: u64, days: u64) -> Self {
        let names: Vec<String> = (0..SERVICES).map(|n| format!("service-{n}")).collect();
        let mut file = "fleet: bench\ntrust_domain: bench.example\nservices:\n".to_owned();
        for (n, name) in names.iter().enumerate() {
            let (port, team) = (7_000 + n, n % 23);
            let _ = writeln!(
                file,
                "  {name}: {{ listen: \"127.0.0.1:{port}\", protocol: http, owner: team-{team}, data: [pii] }}"
            );
        }
        let fleet = fleet::parse(&file, "fleet.yaml").unwrap();
        let ids = names.iter().map(|name| SpiffeId::parse(&format!("spiffe://bench.example/svc/{name}")).unwrap());
        Self {
            fleet,
            ids: ids.collect(),
            names: names.iter().map(|name| ServiceName::parse(name).unwrap()).collect(),
            count,
            days,
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// When event `n` happens: more of them by day than by night, and a little out of order.
    pub(crate) fn at(&self, n: u64) -> Timestamp {
        let days = n as f64 * self.days as f64 / self.count as f64;
        let turn = days.fract() * std::f64::consts::TAU;
        let ms = (days + SWING * turn.sin() / std::f64::consts::TAU) * DAY_MS;
        let late = mix(n) % LATE_MS;
        Timestamp::from_secs(BEGIN_S).plus(Duration::from_millis(ms as u64)).minus(Duration::from_millis(late))
    }

    pub(crate) fn request(&self, n: u64) -> RequestId {
        let number = n / HOPS;
        let whole = u128::from(mix(number ^ 1 << 60)) << 64 | u128::from(mix(number ^ 1 << 61) | 1);
        RequestId::from_bytes(whole.to_be_bytes()).unwrap()
    }

    /// The identity in an inbound event of the request of event `n`.
    pub(crate) fn identity(&self, n: u64) -> &str {
        let inbound = n / HOPS * HOPS + 1;
        self.ids[self.ends(inbound).0].as_str()
    }

    pub(crate) fn user(&self, n: u64) -> String {
        format!("customer-{}", self.user_number(n / HOPS))
    }

    /// The part of a path that is of the user's account alone.
    pub(crate) fn account(&self, n: u64) -> String {
        format!("/accounts/{}/", 1_000_000 + self.user_number(n / HOPS))
    }

    fn user_number(&self, number: u64) -> u64 {
        few(number ^ 1 << 62, USERS)
    }

    /// Who calls and who is called, in event `n`.
    fn ends(&self, n: u64) -> (usize, usize) {
        let (number, hop) = (n / HOPS, n % HOPS);
        let service = |depth: u64| few(number.wrapping_mul(8) + depth, SERVICES) as usize;
        (service(hop / 2), service(hop / 2 + 1))
    }

    pub(crate) fn event(&self, n: u64) -> Event {
        let (number, hop) = (n / HOPS, n % HOPS);
        let (from, to) = self.ends(n);
        let inbound = hop % 2 == 1;
        let service = if inbound { to } else { from };
        let denied = number.is_multiple_of(DENIED_ONE_IN) && hop == HOPS - 1;
        let verdict = if denied { Verdict::Deny } else { Verdict::Allow };
        let decision = inbound.then(|| Judged {
            verdict,
            policies: vec![format!("fleet:calls/{}->{}", self.names[from], self.names[to]).into()],
            reason: None,
            epoch: Epoch(7),
        });
        let what = What::Request(Request {
            peer: inbound.then(|| self.ids[from].clone()),
            to: self.names[to].clone(),
            method: if number % 5 == 0 { "POST" } else { "GET" }.into(),
            path: format!("{}entries/{number}", self.account(n)).into(),
            route: Some("one-account".into()),
            action: Action::Read,
            decision,
            status: if denied { 403 } else { 200 },
            error: None,
            took_us: (700 + mix(number) % 90_000) as u32,
            added_us: 70,
            client: None,
            user: Some(self.user(n).into()),
            span: mix(n),
            parent_span: mix(n - 1.min(hop)),
        });
        Event {
            id: EventId(mix(service as u64 + 1), n),
            at: self.at(n),
            service: Some(self.names[service].clone()),
            seen_by: if inbound { SeenBy::Inbound } else { SeenBy::Outbound },
            request: Some(self.request(n)),
            what,
        }
    }
}

/// A number below `count`, small ones far more often than large ones.
fn few(seed: u64, count: u64) -> u64 {
    let share = mix(seed) as f64 / u64::MAX as f64;
    ((share * share * share * count as f64) as u64).min(count - 1)
}

/// The finalizer of SplitMix64.
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
