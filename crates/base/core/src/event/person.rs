//! What people who sign in did, and what was done with their accounts.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// See [`super::What::Person`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// As in `sub` of tokens; `None` where somebody was named who is not there. What was typed instead is not here: it may be a
    /// password in the wrong field.
    pub subject: Option<Arc<str>>,
    /// By which that person signs in.
    pub name: Option<Arc<str>>,
    /// What happened.
    pub deed: Deed,
    /// What was shown, or which factor it is about, such as `pwd otp`.
    pub factors: Option<Arc<str>>,
    /// Why it was refused, in a word.
    pub reason: Option<Arc<str>>,
    /// From where; `None` where an operator did it.
    pub remote: Option<SocketAddr>,
    /// Which operator did it; `None` for the person.
    pub by: Option<Arc<str>>,
}

/// What happened with somebody's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Signed in.
    SignedIn,
    /// Tried to, and was refused.
    NotSignedIn,
    /// Tried too often, and has to wait.
    Locked,
    /// Ended a session.
    SignedOut,
    /// Was added.
    Added,
    /// Was removed.
    Removed,
    /// May not sign in any more.
    Disabled,
    /// May sign in again.
    Enabled,
    /// Was given a link by which a password can be set.
    Invited,
    /// Set a password.
    PasswordSet,
    /// Has another factor.
    FactorAdded,
    /// Has one factor less.
    FactorRemoved,
    /// Has other roles.
    RolesSet,
    /// Not one person: many who came from another provider were refused within a short time.
    ManyRefused,
    /// Not one person: an app could not be told that the person signed out.
    NotTold,
    /// Not one person: apps get no tokens any more, since the key of refresh tokens was lost.
    KeyLost,
    /// Did something at the console that changes something.
    Acted,
    /// Wanted to, and may not.
    Forbidden,
    /// Has events held, so that none of them goes.
    EventsHeld,
    /// Let events go again that were held.
    EventsReleased,
}

impl Deed {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::NotSignedIn => "not_signed_in",
            Self::Locked => "locked",
            Self::SignedOut => "signed_out",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Invited => "invited",
            Self::PasswordSet => "password_set",
            Self::FactorAdded => "factor_added",
            Self::FactorRemoved => "factor_removed",
            Self::RolesSet => "roles_set",
            Self::ManyRefused => "many_refused",
            Self::NotTold => "not_told",
            Self::KeyLost => "key_lost",
            Self::Acted => "acted",
            Self::Forbidden => "forbidden",
            Self::EventsHeld => "events_held",
            Self::EventsReleased => "events_released",
        }
    }

    /// Whether somebody was refused.
    pub const fn is_denial(self) -> bool {
        matches!(self, Self::NotSignedIn | Self::Locked | Self::ManyRefused | Self::Forbidden)
    }
}
