//! What became of records, door by door. One lock, so that the sums are equal whenever they are read.

use bartizan_core::balance::Arrow;
use bartizan_runtime::datagrams;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// Where records come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    OtlpHttp,
    OtlpGrpc,
    Posted,
    Kubernetes,
    SyslogUdp,
    SyslogTcp,
    SyslogTls,
    Lines,
}

impl Door {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OtlpHttp => "otlp_http",
            Self::OtlpGrpc => "otlp_grpc",
            Self::Posted => "ndjson_http",
            Self::Kubernetes => "kubernetes",
            Self::SyslogUdp => "syslog_udp",
            Self::SyslogTcp => "syslog_tcp",
            Self::SyslogTls => "syslog_tls",
            Self::Lines => "ndjson",
        }
    }

    /// The word in events.
    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::OtlpHttp | Self::OtlpGrpc => "otlp",
            Self::Posted | Self::Lines => "ndjson",
            Self::Kubernetes => "kubernetes",
            Self::SyslogUdp | Self::SyslogTcp | Self::SyslogTls => "syslog",
        }
    }
}

/// Why a record was not taken. Whoever sent it was told, where there is somebody to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Nothing can be made of it; a message that is none counts as one.
    Malformed,
    /// More records than a message may have.
    TooMany,
    /// More than a client may bring.
    Rate,
    /// It speaks in the name of another service than the one whose certificate was shown.
    ForeignService,
    /// Nobody who may hand in; a message counts as one.
    Stranger,
    /// Too long.
    TooLong,
}

impl Refused {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooMany => "too_many",
            Self::Rate => "rate",
            Self::ForeignService => "foreign_service",
            Self::Stranger => "stranger",
            Self::TooLong => "too_long",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    doors: Mutex<BTreeMap<Door, Arrow>>,
    /// The port of syslog over UDP, while it is open: the kernel counts what it threw away there.
    udp_port: Mutex<Option<u16>>,
}

impl Counts {
    /// Records that were not taken.
    pub(crate) fn refused(&self, door: Door, why: Refused, count: u64) {
        if count > 0 {
            self.with(door, |arrow| {
                arrow.received += count;
                *arrow.refused.entry(why.as_str().to_owned()).or_default() += count;
            });
        }
    }

    /// Records that found no room before the store.
    pub(crate) fn no_room(&self, door: Door, count: u64) {
        self.with(door, |arrow| {
            arrow.received += count;
            *arrow.dropped.entry("queue_full".to_owned()).or_default() += count;
        });
    }

    /// Records that are on their way to the store.
    pub(crate) fn under_way(&self, door: Door, count: u64) {
        self.with(door, |arrow| {
            arrow.received += count;
            arrow.waiting += count;
        });
    }

    /// Where they ended.
    pub(crate) fn arrived(&self, door: Door, count: u64, stored: bool) {
        self.with(door, |arrow| {
            arrow.waiting -= count;
            match stored {
                true => arrow.stored += count,
                false => *arrow.dropped.entry("store".to_owned()).or_default() += count,
            }
        });
    }

    pub(crate) fn set_udp_port(&self, port: Option<u16>) {
        *self.udp_port.lock().expect("nothing panics while it holds a number") = port;
    }

    /// All of them.
    pub(crate) fn arrows(&self) -> Vec<Arrow> {
        let port = *self.udp_port.lock().expect("nothing panics while it holds a number");
        let thrown_away = port.map_or(0, datagrams::thrown_away);
        let mut arrows = self.lock().clone();
        if thrown_away > 0 {
            let arrow = arrows.entry(Door::SyslogUdp).or_default();
            arrow.received += thrown_away;
            *arrow.dropped.entry("kernel".to_owned()).or_default() += thrown_away;
        }
        let named = |(door, arrow): (Door, Arrow)| Arrow { arrow: format!("intake.{}", door.as_str()), ..arrow };
        arrows.into_iter().map(named).collect()
    }

    fn with(&self, door: Door, change: impl FnOnce(&mut Arrow)) {
        change(self.lock().entry(door).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Door, Arrow>> {
        self.doors.lock().expect("nothing panics while it holds the counts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_leaves_the_sums_equal() {
        let counts = Counts::default();
        counts.refused(Door::OtlpHttp, Refused::Rate, 3);
        counts.refused(Door::OtlpHttp, Refused::Malformed, 0);
        counts.no_room(Door::OtlpHttp, 2);
        counts.under_way(Door::OtlpHttp, 7);
        counts.under_way(Door::Lines, 1);
        counts.arrived(Door::OtlpHttp, 4, true);
        counts.arrived(Door::OtlpHttp, 2, false);
        let arrows = counts.arrows();
        assert!(arrows.iter().all(Arrow::is_equal), "{arrows:?}");
        assert_eq!(
            arrows.iter().map(|it| it.arrow.as_str()).collect::<Vec<_>>(),
            ["intake.otlp_http", "intake.ndjson"]
        );
        let it = &arrows[0];
        assert_eq!((it.received, it.stored, it.waiting), (12, 4, 1));
        assert_eq!(it.dropped, BTreeMap::from([("queue_full".to_owned(), 2), ("store".to_owned(), 2)]));
        assert_eq!(it.refused.len(), 1, "what did not happen is not named");
    }
}
