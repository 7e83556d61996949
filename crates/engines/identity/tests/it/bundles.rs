//! Trust bundles: one bad root refuses them all.

use crate::{Fleet, NOW};
use bartizan_core::TrustDomain;
use bartizan_core::snapshot::Bundles;
use bartizan_crypto::forge::Recipe;
use bartizan_crypto::{base64, cert};
use bartizan_identity::limits::{DOMAINS_MAX, ROOTS_MAX};
use bartizan_identity::{BundleError, TrustBundles};

fn read(roots: &[String]) -> Result<TrustBundles, BundleError> {
    let domain = TrustDomain::parse("bank.test").unwrap();
    TrustBundles::read(&Bundles { roots: [(domain, roots.to_vec())].into(), ..Bundles::default() })
}

#[test]
fn refuses_bundles_with_a_single_bad_root() {
    let good = base64::encode(&Recipe::ca("root", NOW).self_signed().der);
    let leaf = base64::encode(&Recipe::leaf("spiffe://bank.test/svc/a", NOW).self_signed().der);
    for (bad, why) in
        [("", "empty"), ("no base64!", "no base64"), ("AAAA", "no certificate"), (&leaf, "no CA"), (&good[4..], "cut")]
    {
        let result = read(&[good.clone(), bad.to_owned()]);
        assert!(matches!(result, Err(BundleError::Root { at: 2, .. })), "accepted, though {why}: {result:?}");
    }
    read(&[good]).unwrap();
}

#[test]
fn refuses_more_than_its_limits() {
    let root = base64::encode(&Recipe::ca("root", NOW).self_signed().der);
    read(&vec![root.clone(); ROOTS_MAX]).unwrap();
    assert!(matches!(read(&vec![root; ROOTS_MAX + 1]), Err(BundleError::TooManyRoots { roots: 17, .. })));
    let many = (0..=DOMAINS_MAX).map(|n| (TrustDomain::parse(&format!("d{n}.test")).unwrap(), vec![])).collect();
    assert!(matches!(
        TrustBundles::read(&Bundles { roots: many, ..Bundles::default() }),
        Err(BundleError::TooManyDomains { .. })
    ));
}

#[test]
fn refuses_pem_without_roots() {
    let domain = TrustDomain::parse("bank.test").unwrap();
    assert!(matches!(TrustBundles::from_pem(&domain, ""), Err(BundleError::Pem { .. })));
    let leaf = cert::pem(&Recipe::leaf("spiffe://bank.test/svc/a", NOW).self_signed().der);
    assert!(matches!(TrustBundles::from_pem(&domain, &leaf), Err(BundleError::Root { at: 1, .. })));
}

#[test]
fn goes_through_a_snapshot_and_pem_unchanged() {
    let fleet = Fleet::new("bank.test");
    assert_eq!(TrustBundles::read(&fleet.bundles.snapshot()).unwrap(), fleet.bundles);
    let pem = cert::pem(fleet.root.certificate());
    assert_eq!(TrustBundles::from_pem(&fleet.domain, &pem).unwrap(), fleet.bundles);
    assert_eq!(fleet.bundles.roots_of("bank.test").unwrap(), [fleet.root.certificate().to_vec()]);
    assert_eq!(fleet.bundles.roots_of("bank.tes"), None);
    assert_eq!(fleet.bundles.roots_of("BANK.TEST"), None);
}
