//! The fleet's own authorization server: whom it serves, and with what.

use crate::name::{ServiceName, SpiffeId};
use crate::people::Rules;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Most clients, a count: as many as a large fleet has workloads that call on their own behalf.
pub const CLIENTS_MAX: usize = 1_000;
/// Most scopes of a client, a count.
pub const SCOPES_MAX: usize = 64;
/// Most audiences of a client, a count.
pub const AUDIENCES_MAX: usize = 16;
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
    /// How people sign in; `None` where nobody does.
    pub people: Option<Rules>,
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
}

impl Grant {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::ClientCredentials, Self::TokenExchange];

    /// Its name in a fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "token_exchange",
        }
    }

    /// Its name in a request (`grant_type`).
    pub const fn grant_type(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }
}

impl Authorization {
    /// The client of that identity.
    pub fn client(&self, id: &SpiffeId) -> Option<(&ServiceName, &Client)> {
        self.clients.iter().find(|(_, client)| client.id == *id)
    }
}
