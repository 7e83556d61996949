//! The fleet's own authorization server: whom it serves, and with what.

use crate::federation::Url;
use crate::name::{ServiceName, SpiffeId};
use crate::people::Rules;
use crate::redirect::Redirect;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Most clients, a count: as many as a large fleet has workloads that call on their own behalf.
pub const CLIENTS_MAX: usize = 1_000;
/// Most scopes of a client, a count.
pub const SCOPES_MAX: usize = 64;
/// Most audiences of a client, a count.
pub const AUDIENCES_MAX: usize = 16;
/// Most apps, a count.
pub const APPS_MAX: usize = 1_000;
/// Most addresses that one app may have a browser sent to, a count.
pub const REDIRECTS_MAX: usize = 16;
/// Most apps that register themselves, a count.
pub const REGISTERED_MAX: u32 = 1_000;
/// Apps that may register themselves where nothing is said, a count.
pub const REGISTERED: u32 = 100;
/// Longest scope, audience or issuer, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;

/// What a fleet file says under `authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its name in tokens (`iss`), to the letter, and where clients find it.
    pub issuer: String,
    /// Whom tokens are for where nothing else is said: whom they have to be for at the gateway.
    pub audience: String,
    /// Who gets tokens, by their names in the fleet file.
    pub clients: BTreeMap<ServiceName, Client>,
    /// Apps that people use, by their names.
    pub apps: BTreeMap<ServiceName, App>,
    /// Whether and how apps may register themselves (RFC 7591).
    pub registration: Option<Registration>,
    /// Whether requests of all apps have to be pushed (RFC 9126); those of the file say so themselves, but for the gateway's own.
    pub pushed: bool,
    /// How people sign in; `None` where nobody does.
    pub people: Option<Rules>,
}

/// An app that people use: it gets tokens on their behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// What people are told that it is called.
    pub title: String,
    /// Where a browser may be sent back to with a code.
    pub redirect: Vec<Redirect>,
    /// Where a browser may be sent to once somebody signed out.
    pub signed_out: Vec<Redirect>,
    /// What it may ask for, at most.
    pub scopes: Vec<String>,
    /// Whom its tokens may be for; the first where it does not say.
    pub audiences: Vec<String>,
    /// Whether people are not asked: it is of the house.
    pub trusted: bool,
    /// How it may come to tokens; at least one.
    pub grants: Vec<Grant>,
    /// Whether it may have tokens that are bound to nothing.
    pub bearer: bool,
    /// Whose certificate its requests have to come with; a public client where `None`.
    pub workload: Option<SpiffeId>,
    /// Whether its requests have to be pushed (RFC 9126).
    pub pushed: bool,
    /// Where it is told that somebody signed out; nowhere where `None`.
    pub back_channel: Option<BackChannel>,
}

/// Where an app is told that a session is over (OpenID Connect Back-Channel Logout 1.0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackChannel {
    /// Where the word is posted to.
    pub to: Url,
    /// The roots by which its server is recognised: a PEM file, relative to the fleet file; the system's where `None`.
    pub roots: Option<String>,
    /// Whether the app itself named it, so that it must not lead into an inner network.
    pub outside: bool,
}

/// How apps register themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// SHA-256 of the token that whoever registers an app has to show.
    pub token_sha256: [u8; 32],
    /// What such an app may ask for, at most.
    pub scopes: Vec<String>,
    /// Whom its tokens may be for.
    pub audiences: Vec<String>,
    /// How many there may be, a count.
    pub most: u32,
    /// Whether they may have tokens that are bound to nothing.
    pub bearer: bool,
}

/// One client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// By which it is recognised.
    pub id: SpiffeId,
    /// What it may have, at most.
    pub scopes: Vec<String>,
    /// Whom its tokens may be for; the first where it does not say.
    pub audiences: Vec<String>,
    /// How it may come to a token; at least one.
    pub grants: Vec<Grant>,
}

/// A way to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// On its own behalf (RFC 6749 section 4.4).
    ClientCredentials,
    /// On behalf of whoever gave it a token (RFC 8693).
    TokenExchange,
    /// On behalf of somebody whose browser brought a code (RFC 6749 section 4.1).
    AuthorizationCode,
    /// Again, without asking anybody (RFC 6749 section 6).
    RefreshToken,
    /// On behalf of somebody who typed a code elsewhere (RFC 8628).
    DeviceCode,
}

impl Grant {
    /// Those of workloads.
    pub const OF_CLIENTS: [Self; 2] = [Self::ClientCredentials, Self::TokenExchange];
    /// Those of apps.
    pub const OF_APPS: [Self; 3] = [Self::AuthorizationCode, Self::RefreshToken, Self::DeviceCode];

    /// Its name in a fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "token_exchange",
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::DeviceCode => "device_code",
        }
    }

    /// Its name in a request (`grant_type`).
    pub const fn grant_type(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
        }
    }
}

impl Authorization {
    /// Whether people use apps of it, or may.
    pub fn has_apps(&self) -> bool {
        !self.apps.is_empty() || self.registration.is_some()
    }

    /// Whether some of its tokens are bound to nothing.
    pub fn has_bearers(&self) -> bool {
        self.apps.values().any(|app| app.bearer) || self.registration.as_ref().is_some_and(|it| it.bearer)
    }

    /// The client of that identity.
    pub fn client(&self, id: &SpiffeId) -> Option<(&ServiceName, &Client)> {
        self.clients.iter().find(|(_, client)| client.id == *id)
    }
}
