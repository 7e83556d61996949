//! How somebody comes to a token: by a code, by a refresh token, by a device's code, by its own identity.
//!
//! In: the state of one grant as it is stored, what somebody shows, `now`, random bytes. Out: the next state, to be stored before
//! the answer goes out, and the answer. Each state is small and ends by itself; none lists the tokens that came of it.
//! Absent on purpose: passwords, implicit answers, codes without a proof key.

mod client; // by its own identity
mod code; // by a code that a browser carried
mod device; // by a code that somebody typed elsewhere
mod family; // refresh tokens, and all that came of one grant
mod granted; // what somebody agreed to
mod refresh; // a refresh token's text

pub use client::{ClientError, client_credentials};
pub use code::{Code, CodeError, Redemption};
pub use device::{Device, DeviceError, DeviceRequest, read_user_code, user_code};
pub use family::{Answer, Family, RefreshError, RefreshRequest};
pub use granted::{FamilyId, Granted};
pub use refresh::RefreshToken;
