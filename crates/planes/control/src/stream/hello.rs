//! The first message of a stream, read whole or refused.

use crate::limits::VERSION_BYTES_MAX;
use crate::stream::refusal::Refusal;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::{Member, ServiceName};
use bartizan_crypto::csr::{self, CsrKey};
use bartizan_runtime::control_v1;
use std::collections::BTreeMap;

/// A [`control_v1::Hello`] of which every part was understood. Nothing is decided yet.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) member: Member,
    /// Not looked at; `None` where there is none.
    pub(crate) voucher: Option<String>,
    /// A key whose holder proved to have the private half.
    pub(crate) key: Option<CsrKey>,
    pub(crate) instance: u64,
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) held: BTreeMap<Kind, Epoch>,
}

impl Hello {
    pub(crate) fn read(raw: control_v1::Hello) -> Result<Self, Refusal> {
        let control_v1::Hello { service, voucher, csr, instance, pid, version, held, number } = raw;
        let service = ServiceName::parse(&service).map_err(|error| Refusal::malformed(error.to_string()))?;
        let number = u16::try_from(number).map_err(|_| Refusal::malformed(format!("an instance {number}")))?;
        let member = Member::new(service, number);
        if version.len() > VERSION_BYTES_MAX || version.chars().any(char::is_control) {
            return Err(Refusal::malformed(format!(
                "a version of {} bytes, or with control characters",
                version.len()
            )));
        }
        if held.len() > Kind::ALL.len() {
            return Err(Refusal::malformed(format!(
                "{} held snapshots, there are {} kinds",
                held.len(),
                Kind::ALL.len()
            )));
        }
        let kinds = held.iter().map(|one| Some((Kind::parse(&one.kind)?, Epoch(one.epoch))));
        let held = kinds.collect::<Option<_>>().ok_or_else(|| Refusal::malformed("a held snapshot of unknown kind"))?;
        let key = match csr.as_slice() {
            [] => None,
            der => Some(csr::check(der).map_err(|error| Refusal::malformed(error.to_string()))?),
        };
        let voucher = Some(voucher).filter(|text| !text.is_empty());
        Ok(Self { member, voucher, key, instance, pid, version, held })
    }
}
