//! Makes certificates that are wrong on purpose, and right ones at any time, for tests of those who have to judge them.
//!
//! Only with the feature `forge`, which nobody but tests asks for. Everything panics where it cannot do as asked.

use crate::issue::{Signer, Validity, bare, uri};
use crate::jose::{Alg, Jwk};
use crate::key::KeyPair;
use bartizan_core::Timestamp;
use rcgen::{BasicConstraints, CustomExtension, DnType, IsCa, SanType};
pub use rcgen::{ExtendedKeyUsagePurpose as ExtKeyUsage, KeyUsagePurpose as KeyUsage};
use rustls_pki_types::CertificateDer;
use std::time::Duration;

/// What goes into a certificate; every field may be made wrong.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Common name; none where empty.
    pub subject: String,
    /// First second of validity.
    pub not_before: Timestamp,
    /// Last second of validity.
    pub not_after: Timestamp,
    /// URI names.
    pub uris: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Whether it is a CA.
    pub ca: Ca,
    /// Key usage; no extension where empty.
    pub key_usage: Vec<KeyUsage>,
    /// Extended key usage; no extension where empty.
    pub ext_key_usage: Vec<ExtKeyUsage>,
    /// Serial number.
    pub serial: [u8; 16],
    /// Bytes of an extension without meaning, to make it large.
    pub padding_bytes: usize,
    /// Further extensions, after those that the fields above make.
    pub extensions: Vec<Extension>,
}

/// An extension as bytes.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its object identifier.
    pub oid: Vec<u64>,
    /// Whether those who do not know it have to refuse the certificate.
    pub critical: bool,
    /// Its value, DER.
    pub value: Vec<u8>,
}

/// Basic constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ca {
    /// No CA, and it says so.
    No,
    /// No CA, since the extension is missing.
    Unsaid,
    /// A CA with any number of CAs below.
    Unlimited,
    /// A CA with at most so many CAs below.
    Below(u8),
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Forged {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// Its private key.
    pub key: KeyPair,
}

impl Recipe {
    /// A good X.509-SVID, valid from a minute before `now` for an hour.
    pub fn leaf(uri: &str, now: Timestamp) -> Self {
        Self {
            subject: String::new(),
            not_before: now.minus(Duration::from_secs(60)),
            not_after: now.plus(Duration::from_secs(3600)),
            uris: vec![uri.to_owned()],
            dns_names: Vec::new(),
            ca: Ca::No,
            key_usage: vec![KeyUsage::DigitalSignature],
            ext_key_usage: vec![ExtKeyUsage::ServerAuth, ExtKeyUsage::ClientAuth],
            serial: crate::random::bytes(),
            padding_bytes: 0,
            extensions: Vec::new(),
        }
    }

    /// A good CA, valid from a day before `now` for a month.
    pub fn ca(subject: &str, now: Timestamp) -> Self {
        Self {
            subject: subject.to_owned(),
            not_before: now.minus(Duration::from_secs(24 * 3600)),
            not_after: now.plus(Duration::from_secs(30 * 24 * 3600)),
            uris: Vec::new(),
            ca: Ca::Unlimited,
            key_usage: vec![KeyUsage::KeyCertSign, KeyUsage::CrlSign],
            ext_key_usage: Vec::new(),
            ..Self::leaf("", now)
        }
    }

    /// The same with something changed.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Signed by itself, with a fresh key.
    pub fn self_signed(&self) -> Forged {
        let key = fresh_key();
        let made = self.params().self_signed(&Signer(&key)).expect("rcgen can make it");
        Forged { der: made.der().to_vec(), key }
    }

    /// Signed by `issuer`, whether it may sign or not, with a fresh key.
    pub fn signed_by(&self, issuer: &Forged) -> Forged {
        self.signed_with(&issuer.der, &issuer.key)
    }

    /// Signed by `issuer_key` in the name of `issuer_der`, whether they belong together or not, with a fresh key.
    pub fn signed_with(&self, issuer_der: &[u8], issuer_key: &KeyPair) -> Forged {
        let key = fresh_key();
        let issuer = rcgen::Issuer::from_ca_cert_der(&CertificateDer::from(issuer_der), Signer(issuer_key))
            .expect("the issuer's certificate reads");
        let mut params = self.params();
        params.use_authority_key_identifier_extension = true;
        let made = params.signed_by(&Signer(&key), &issuer).expect("rcgen can make it");
        Forged { der: made.der().to_vec(), key }
    }

    fn params(&self) -> rcgen::CertificateParams {
        let mut params = bare(self.serial, Validity { not_before: self.not_before, not_after: self.not_after });
        if !self.subject.is_empty() {
            params.distinguished_name.push(DnType::CommonName, self.subject.as_str());
        }
        params.subject_alt_names = self.uris.iter().map(|text| uri(text).expect("the URI is ASCII")).collect();
        for name in &self.dns_names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().expect("the name is ASCII")));
        }
        params.is_ca = match self.ca {
            Ca::No => IsCa::ExplicitNoCa,
            Ca::Unsaid => IsCa::NoCa,
            Ca::Unlimited => IsCa::Ca(BasicConstraints::Unconstrained),
            Ca::Below(count) => IsCa::Ca(BasicConstraints::Constrained(count)),
        };
        params.key_usages.clone_from(&self.key_usage);
        params.extended_key_usages.clone_from(&self.ext_key_usage);
        if self.padding_bytes > 0 {
            let mut content = vec![0x04, 0x83]; // OCTET STRING with a length of three bytes
            content.extend_from_slice(&u32::try_from(self.padding_bytes).expect("below 16 MiB").to_be_bytes()[1..]);
            content.resize(content.len() + self.padding_bytes, 0);
            params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], content));
        }
        for Extension { oid, critical, value } in &self.extensions {
            let mut extension = CustomExtension::from_oid_content(oid, value.clone());
            extension.set_criticality(*critical);
            params.custom_extensions.push(extension);
        }
        params
    }
}

/// A certificate request for a P-384 key, correctly signed.
pub fn p384_csr() -> Vec<u8> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("the library makes P-384 keys");
    let request = rcgen::CertificateParams::default().serialize_request(&key).expect("rcgen can make it");
    request.der().to_vec()
}

/// A certificate request that asks for names and for the rights of a CA, correctly signed by `key`.
pub fn greedy_csr(key: &KeyPair, uri_wanted: &str) -> Vec<u8> {
    let now = Timestamp::from_secs(0);
    let mut params = Recipe::leaf(uri_wanted, now).with(|r| r.ca = Ca::Unlimited).params();
    params.serial_number = None;
    params.distinguished_name.push(DnType::CommonName, "bartizan control");
    params.serialize_request(&Signer(key)).expect("rcgen can make it").der().to_vec()
}

fn fresh_key() -> KeyPair {
    KeyPair::generate().expect("the library makes P-256 keys")
}

/// An RSA key of 2048 bits that signs tokens as outside issuers do; nothing here does otherwise.
#[derive(Debug)]
pub struct RsaKey(aws_lc_rs::rsa::KeyPair);

impl RsaKey {
    /// A fresh key. It takes a while.
    pub fn generate() -> Self {
        Self(aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key can be made"))
    }

    /// Its modulus.
    pub fn modulus(&self) -> Vec<u8> {
        use aws_lc_rs::signature::KeyPair as _;
        self.0.public_key().modulus().big_endian_without_leading_zero().to_vec()
    }

    /// Its public half, with or without the algorithm that it is for.
    pub fn jwk(&self, alg: Option<Alg>) -> Jwk {
        let mut key = serde_json::json!({
            "kty": "RSA", "e": "AQAB", "n": crate::base64::encode_url(&self.modulus()),
        });
        if let Some(alg) = alg {
            key["alg"] = alg.as_str().into();
        }
        let key = Jwk::parse(key.as_object().expect("it is an object"));
        key.expect("the key is good").with_kid("rsa".to_owned())
    }

    /// A token that is signed with `alg`, whatever its header says.
    pub fn sign(&self, alg: Alg, header: serde_json::Value, claims: serde_json::Value) -> String {
        use aws_lc_rs::signature as library;
        let part = |json: serde_json::Value| crate::base64::encode_url(json.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let padding: &'static dyn library::RsaEncoding = match alg {
            Alg::Rs256 => &library::RSA_PKCS1_SHA256,
            Alg::Rs384 => &library::RSA_PKCS1_SHA384,
            Alg::Rs512 => &library::RSA_PKCS1_SHA512,
            Alg::Ps256 => &library::RSA_PSS_SHA256,
            Alg::Ps384 => &library::RSA_PSS_SHA384,
            _ => &library::RSA_PSS_SHA512,
        };
        let mut signature = vec![0; self.0.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        self.0.sign(padding, &random, signed.as_bytes(), &mut signature).expect("signing works");
        format!("{signed}.{}", crate::base64::encode_url(&signature))
    }
}
