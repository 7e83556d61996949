//! Private keys on PKCS#11 tokens: made there, used there, never seen here.
//!
//! The module is a library of the token's maker, loaded into this process: whoever names one trusts it like the program
//! itself. Sources: PKCS#11 version 2.40, sections 4.9, 5.11 (objects, signing) and 2.3 (elliptic curves).

use crate::error::{CryptoError, HsmError};
use crate::key::{self, P256_SPKI_PREFIX, Sign};
use crate::{hash, limits};
use bartizan_core::Secret;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// DER of the object identifier of the curve, secp256r1 (RFC 5480 section 2.1.1.1).
const P256_OID: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// What comes before the point in CKA_EC_POINT: OCTET STRING, 65 bytes. Some tokens leave it out.
const POINT_PREFIX: [u8; 2] = [0x04, 0x41];
/// Length of r and of s in a raw signature.
const SCALAR_BYTES: usize = 32;

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The token maker's library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// Label of the key.
    pub key: String,
}

/// A P-256 key on a token that does not let it out.
pub struct HsmKey {
    session: Mutex<Session>,
    private: ObjectHandle,
    spki: Vec<u8>,
    label: String,
    failure: Mutex<Option<HsmError>>,
    /// The module stays loaded for as long as the session lives.
    _module: Pkcs11,
}

impl HsmKey {
    /// Makes a key on the token that cannot be read out of it.
    ///
    /// # Errors
    /// [`HsmError`]; [`HsmError::Exists`] where a key bears that label.
    pub fn generate(place: &Place, pin: &Secret<String>, id: [u8; 16]) -> Result<Self, HsmError> {
        let (module, session) = open(place, pin)?;
        let named = [Attribute::Label(place.key.clone().into_bytes())];
        if !session.find_objects(&named).map_err(|e| failed("looking for keys", &e))?.is_empty() {
            return Err(HsmError::Exists { key: place.key.clone() });
        }
        let [label] = named;
        let common = [Attribute::Token(true), label, Attribute::Id(id.to_vec())];
        let public = [&common[..], &[Attribute::Verify(true), Attribute::EcParams(P256_OID.to_vec())]].concat();
        let private = [
            &common[..],
            &[
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
                // For nothing else than signing.
                Attribute::Decrypt(false),
                Attribute::Unwrap(false),
                Attribute::Derive(false),
            ],
        ]
        .concat();
        session
            .generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)
            .map_err(|e| failed("making a key", &e))?;
        Self::find(module, session, place)
    }

    /// A key that is there.
    ///
    /// # Errors
    /// [`HsmError`]; also for a key of another kind, and for one that can be read out.
    pub fn open(place: &Place, pin: &Secret<String>) -> Result<Self, HsmError> {
        let (module, session) = open(place, pin)?;
        Self::find(module, session, place)
    }

    fn find(module: Pkcs11, session: Session, place: &Place) -> Result<Self, HsmError> {
        let label = place.key.clone();
        let named = |class| [Attribute::Class(class), Attribute::Label(label.clone().into_bytes())];
        let one = |class| {
            let found = session.find_objects(&named(class)).map_err(|e| failed("looking for keys", &e))?;
            match found.as_slice() {
                [one] => Ok(*one),
                [] => Err(HsmError::NoKey { key: label.clone() }),
                many => Err(HsmError::ManyKeys { key: label.clone(), count: many.len() }),
            }
        };
        let (private, public) = (one(ObjectClass::PRIVATE_KEY)?, one(ObjectClass::PUBLIC_KEY)?);
        check_private(&session, private, &label)?;
        let spki = spki_of(&session, public, &label)?;
        Ok(Self { session: Mutex::new(session), private, spki, label, failure: Mutex::default(), _module: module })
    }

    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let raw =
            session.sign(&Mechanism::Ecdsa, self.private, &hash::sha256(message)).map_err(|e| failed("signing", &e))?;
        drop(session);
        let broken = |why: &str| HsmError::Failed { what: "signing", why: why.to_owned() };
        let der = to_der(&raw).ok_or_else(|| broken("the signature has another length than P-256 gives"))?;
        // What leaves a ceremony has to hold: a token that miscalculates is found out here.
        key::verify(&self.spki, message, &der).map_err(|_| broken("the signature does not fit its own public key"))?;
        Ok(der)
    }
}

impl Sign for HsmKey {
    fn public_spki(&self) -> &[u8] {
        &self.spki
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.try_sign(message).map_err(|error| {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            CryptoError::Token(error)
        })
    }

    fn failure(&self) -> Option<CryptoError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map(CryptoError::Token)
    }
}

impl fmt::Debug for HsmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HsmKey({})", self.label)
    }
}

/// Loads the module, finds the token, logs in.
fn open(place: &Place, pin: &Secret<String>) -> Result<(Pkcs11, Session), HsmError> {
    let bad = |why: String| HsmError::Module { path: place.module.clone(), why };
    let module = Pkcs11::new(&place.module).map_err(|e| bad(text(&e)))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(bad(text(&error))),
    }
    let slot = slot(&module, &place.token)?;
    let session = module.open_rw_session(slot).map_err(|e| failed("opening a session", &e))?;
    let pin = AuthPin::new(pin.expose().clone().into());
    match session.login(UserType::User, Some(&pin)) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok((module, session)),
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            Err(HsmError::Pin { token: place.token.clone() })
        }
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(HsmError::PinLocked { token: place.token.clone() }),
        Err(error) => Err(failed("logging in", &error)),
    }
}

fn slot(module: &Pkcs11, label: &str) -> Result<Slot, HsmError> {
    let slots = module.get_slots_with_token().map_err(|e| failed("looking for tokens", &e))?;
    let mut labels = Vec::new();
    let mut found = Vec::new();
    for slot in slots.into_iter().take(limits::HSM_SLOTS_MAX) {
        let info = module.get_token_info(slot).map_err(|e| failed("looking at a token", &e))?;
        let name = info.label().trim_end();
        if name == label {
            found.push(slot);
        }
        if info.token_initialized() {
            labels.push(name.to_owned());
        }
    }
    match found.as_slice() {
        [slot] => Ok(*slot),
        [] => Err(HsmError::NoToken { token: label.to_owned(), found: labels }),
        _ => Err(HsmError::ManyTokens { token: label.to_owned() }),
    }
}

/// A root whose key can be copied is no better than one in a file.
fn check_private(session: &Session, private: ObjectHandle, label: &str) -> Result<(), HsmError> {
    let wanted = [AttributeType::KeyType, AttributeType::Sign, AttributeType::Sensitive, AttributeType::Extractable];
    let attributes = session.get_attributes(private, &wanted).map_err(|e| failed("looking at the key", &e))?;
    if !attributes.contains(&Attribute::KeyType(KeyType::EC)) || !attributes.contains(&Attribute::Sign(true)) {
        return Err(HsmError::WrongKind { key: label.to_owned() });
    }
    if !attributes.contains(&Attribute::Sensitive(true)) || !attributes.contains(&Attribute::Extractable(false)) {
        return Err(HsmError::Extractable { key: label.to_owned() });
    }
    Ok(())
}

fn spki_of(session: &Session, public: ObjectHandle, label: &str) -> Result<Vec<u8>, HsmError> {
    let wrong = || HsmError::WrongKind { key: label.to_owned() };
    let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
    let attributes = session.get_attributes(public, &wanted).map_err(|e| failed("reading the public key", &e))?;
    let (mut is_p256, mut point) = (false, None);
    for attribute in attributes {
        match attribute {
            Attribute::EcParams(params) => is_p256 = params == P256_OID,
            Attribute::EcPoint(bytes) => point = Some(bytes),
            _ => {}
        }
    }
    let point = point.filter(|_| is_p256).ok_or_else(wrong)?;
    let point = point.strip_prefix(&POINT_PREFIX).unwrap_or(&point);
    let spki = [&P256_SPKI_PREFIX[..], point].concat();
    key::check_spki(&spki).map_err(|_| wrong())?;
    Ok(spki)
}

/// A signature as X.509 has it, of two numbers side by side as PKCS#11 has it (section 2.3.1).
fn to_der(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.len() != 2 * SCALAR_BYTES {
        return None;
    }
    let integer = |bytes: &[u8]| {
        let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(SCALAR_BYTES - 1);
        // A leading bit would make it negative.
        let sign = if bytes[first] & 0x80 == 0 { &[][..] } else { &[0][..] };
        let body = [sign, &bytes[first..]].concat();
        [&[0x02, u8::try_from(body.len()).expect("33 bytes at most")][..], &body].concat()
    };
    let (r, s) = raw.split_at(SCALAR_BYTES);
    let body = [integer(r), integer(s)].concat();
    Some([&[0x30, u8::try_from(body.len()).expect("70 bytes at most")][..], &body].concat())
}

fn failed(what: &'static str, error: &Error) -> HsmError {
    use RvError::{
        DeviceError, DeviceRemoved, KeyHandleInvalid, ObjectHandleInvalid, SessionClosed, SessionHandleInvalid,
        SlotIdInvalid, TokenNotPresent,
    };
    match error {
        Error::Pkcs11(
            DeviceError | DeviceRemoved | KeyHandleInvalid | ObjectHandleInvalid | SessionClosed | SessionHandleInvalid
            | SlotIdInvalid | TokenNotPresent,
            _,
        ) => HsmError::Gone { what },
        error => HsmError::Failed { what, why: text(error) },
    }
}

/// The first sentence: the standard's words go on for a page.
fn text(error: &Error) -> String {
    let text = error.to_string();
    text.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_signatures_become_der_that_the_library_reads() {
        assert_eq!(to_der(&[1; 63]), None);
        assert_eq!(to_der(&[1; 65]), None);
        let mut raw = [0; 64];
        (raw[31], raw[32]) = (1, 0x80);
        let der = to_der(&raw).unwrap();
        assert_eq!(der[..7], [0x30, 38, 0x02, 1, 1, 0x02, 33], "a small number is short, a large one stays positive");
        assert_eq!(to_der(&[0; 64]).unwrap(), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    }
}
