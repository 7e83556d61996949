//! Identity providers elsewhere at which people may sign in: what a fleet file says of them.

use std::collections::BTreeMap;

/// Most providers of a fleet, a count: each is a button on the sign-in page.
pub const PROVIDERS_MAX: usize = 8;
/// Most domains, tenants or words for two factors of one provider, a count.
pub const NAMED_MAX: usize = 64;
/// Longest text that is said of a provider, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;
/// Where a provider sends a browser back to is `ISSUER/sign-in/with/NAME/back`.
pub const WITH: &str = "/sign-in/with";

/// Another identity provider (OpenID Connect Core): a browser is sent there, and comes back with who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// What people are told that it is called.
    pub title: String,
    /// Its name in tokens (`iss`), to the letter, and where its document is found.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// File with our secret there, relative to the fleet file; none for a public client.
    pub secret: Option<String>,
    /// File with the roots (PEM) by which its server is recognised, relative to the fleet file; the system's where `None`.
    pub roots: Option<String>,
    /// How it signs.
    pub algorithms: Vec<String>,
    /// What is asked for; `openid` among it.
    pub scopes: Vec<String>,
    /// Whether whoever comes from there for the first time gets an account.
    pub create: bool,
    /// Domains of e-mail addresses, of which one has to be verified by it; any where empty.
    pub domains: Vec<String>,
    /// Tenants, of which one has to stand in the claim for it; any where empty.
    pub tenants: Vec<String>,
    /// Words of its `amr` or `acr` that stand for two factors; without one of them a second factor is asked for here where it is needed.
    pub two_factors: Vec<String>,
    /// Which of its claims is what.
    pub claims: Claims,
    /// Its roles, each with ours. Others of its roles are nothing here.
    pub roles: BTreeMap<String, String>,
}

/// Names of claims, such as `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Of which the name of a new account is made.
    pub name: String,
    /// What others see.
    pub display_name: String,
    /// The roles.
    pub roles: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
}

impl Default for Claims {
    fn default() -> Self {
        let usual = |text: &str| text.to_owned();
        Self { name: usual("preferred_username"), display_name: usual("name"), roles: None, tenant: None }
    }
}

impl Upstream {
    /// Whether an address lies in one of its domains.
    pub fn has_domain(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map(|(_, domain)| domain).unwrap_or_default();
        self.domains.iter().any(|it| it.eq_ignore_ascii_case(domain))
    }

    /// What somebody with these roles there may be here.
    pub fn roles_of<'a>(&'a self, theirs: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut ours: Vec<String> = theirs.into_iter().filter_map(|role| self.roles.get(role)).cloned().collect();
        ours.sort_unstable();
        ours.dedup();
        ours
    }
}
