//! Clients of the fleet's authorization server, as control's local API says and takes them. Plain data.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// A workload of the fleet file, under `clients`.
    Workload,
    /// An app of the fleet file, under `apps`.
    App,
    /// An app that registered itself, or that an operator added.
    Registered,
}

impl ClientKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::App => "app",
            Self::Registered => "registered",
        }
    }
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OauthClient {
    /// Its name in requests.
    pub client_id: String,
    /// Where it comes from.
    pub kind: ClientKind,
    /// What people are told that it is called.
    pub title: String,
    /// Where a browser may be sent back to.
    pub redirect: Vec<String>,
    /// Where a browser may be sent to once somebody signed out.
    pub signed_out: Vec<String>,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// Whom its tokens may be for.
    pub audiences: Vec<String>,
    /// How it may come to tokens.
    pub grants: Vec<String>,
    /// Whether it may have tokens that are bound to nothing.
    pub bearer: bool,
    /// Whether its requests have to be pushed.
    pub require_pushed: bool,
    /// Where it is told that somebody signed out.
    pub backchannel_logout: Option<String>,
    /// Whose certificate it shows.
    pub workload: Option<String>,
    /// Since when it is registered; `None` for those of the fleet file.
    pub registered: Option<Timestamp>,
}

/// `GET /v1/clients`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OauthClients {
    /// By name: those of the fleet file first.
    pub clients: Vec<OauthClient>,
}

/// `POST /v1/clients/add`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddClient {
    /// What people are told that it is called.
    pub title: Option<String>,
    /// Where a browser may be sent back to.
    pub redirect: Vec<String>,
    /// Where a browser may be sent to once somebody signed out.
    pub signed_out: Vec<String>,
    /// What it may ask for; all that registered apps may where empty.
    pub scopes: Vec<String>,
    /// How it may come to tokens, as the fleet file calls it; by a code where empty.
    pub grants: Vec<String>,
    /// Whether its requests have to be pushed.
    pub require_pushed: bool,
    /// Where it is told that somebody signed out.
    #[serde(default)]
    pub backchannel_logout: Option<String>,
}

/// Body of the calls that are about one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfClient {
    /// Its name in requests.
    pub client_id: String,
}

/// A client with the token by which it is changed; nobody can read that again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ClientWithToken {
    /// The client.
    #[serde(flatten)]
    pub client: OauthClient,
    /// By which whoever holds it looks at it, changes it and removes it (RFC 7592).
    pub registration_access_token: String,
}
