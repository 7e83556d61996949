//! Snapshots and vouchers: no bytes make reading panic, and edits of good ones are refused or change nothing.
#![no_main]

use bartizan_core::snapshot::{Epoch, Kind, Policies, Signed};
use bartizan_core::{Role, ServiceName, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{KeyPair, csr, random};
use bartizan_identity::{IssuingCa, RootCa, TrustBundles, envelope, voucher};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: Timestamp = Timestamp::from_secs(1_789_000_000);

struct Good {
    domain: TrustDomain,
    bundles: TrustBundles,
    signed: Signed<Policies>,
    envelope: Vec<u8>,
    vouched: voucher::Vouched,
    voucher: String,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let domain = TrustDomain::parse("bank.test").expect("a good name");
    let name = |text| ServiceName::parse(text).expect("a good name");
    let key = || KeyPair::generate().expect("keys can be made");
    let root = RootCa::create(&domain, key(), random::bytes(), NOW).expect("a root can be made");
    let issuing_key = key();
    let request = csr::check(&csr::make(&issuing_key).expect("a request can be made")).expect("it is good");
    let issuing = root.sign_issuing(&request, random::bytes(), NOW).expect("a CA can be made");
    let issuing = IssuingCa::new(issuing_key, &issuing, &domain).expect("key and certificate fit");
    let bundles = TrustBundles::of(&domain, vec![root.certificate().to_vec()]).expect("the root is good");
    let member = |role: &Role| {
        let key = key();
        let id = SpiffeId::of(&domain, role);
        let svid = issuing.issue(key.public_spki(), &id, random::bytes(), NOW).expect("a leaf can be made");
        (key, svid.chain)
    };

    let (control, chain) = member(&Role::Control);
    let payload = Policies { schema: "entity Workload;".to_owned(), ..Policies::default() };
    let trust_domain = domain.clone();
    let signed = Signed { kind: Kind::Policies, epoch: Epoch(7), issued_at: NOW, trust_domain, payload };
    let envelope = envelope::to_json(&envelope::sign(&signed, &control, &chain).expect("it can be signed"));

    let (node, chain) = member(&Role::Node(name("local")));
    let service = SpiffeId::of(&domain, &Role::Service(name("accounts")));
    let voucher = voucher::make(&node, &chain, &service, key().public_spki(), [9; 16], NOW).expect("it can be signed");
    let vouched = voucher::check(&voucher, &bundles, &domain, NOW).expect("it is good");
    Good { domain, bundles, signed, envelope, vouched, voucher }
});

/// `good` with edits: position in two bytes, then a value.
fn edited(good: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[at] = edit[2];
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    let Good { domain, bundles, signed, envelope, vouched, voucher } = &*GOOD;
    let open = |json: &[u8]| envelope::open::<Policies>(json, Kind::Policies, domain, bundles, Epoch(0));
    assert!(open(data).is_err(), "believed a snapshot from nowhere");
    if let Ok(opened) = open(&edited(envelope, data)) {
        assert_eq!(&opened, signed, "an altered snapshot was believed");
    }

    let check = |text: &str| voucher::check(text, bundles, domain, NOW);
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(check(text).is_err(), "believed a voucher from nowhere");
    }
    if let Ok(text) = String::from_utf8(edited(voucher.as_bytes(), data)) {
        if let Ok(checked) = check(&text) {
            assert_eq!(&checked, vouched, "an altered voucher was believed");
        }
    }
});
