//! Why nothing went out; the label of a counter and the word in an event, so a closed list.

use serde::{Deserialize, Serialize};

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $text:literal;)*) => {
        /// Why a connection, a request or a name was refused on its way out of the fleet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[schemars(rename = "EgressRefusal")]
        pub enum Refusal { $($(#[$doc])* $name,)* }

        impl Refusal {
            /// Every reason, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word used as a label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// For people.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

refusals! {
    /// No rule names the host and port.
    Undeclared = "undeclared", "the fleet file names no such destination for this service";
    /// An address without a name, and no `tcp` rule for it.
    RawAddress = "raw_address", "an address was dialled without a name, and no `tcp` rule names it";
    /// The address is an inner one and not pinned.
    InnerAddress = "inner_address", "the name leads to an inner address that the fleet file does not name";
    /// A metadata service, not pinned by its own address.
    Metadata = "metadata", "metadata services are reached only where the fleet file names their very address";
    /// The name has another address than those of the rule.
    NotPinned = "not_pinned", "the name has an address outside `addresses`";
    /// The guard's own sockets.
    OwnAddress = "own_address", "the guard does not dial itself";
    /// The address that was dialled is none of those that the name was answered with.
    AddressDisagrees = "address_disagrees", "the address was not given out for that name";
    /// The name has no address.
    NoAddress = "no_address", "the name could not be resolved";
    /// A rule is there, for another protocol.
    Protocol = "protocol", "the fleet file allows another protocol there";
    /// TLS was expected.
    NotTls = "not_tls", "what was sent is not the beginning of TLS";
    /// A ClientHello that is malformed or too long.
    BadHello = "bad_hello", "the ClientHello is malformed or too long";
    /// No name in the ClientHello.
    SniMissing = "sni_missing", "the ClientHello names no server";
    /// Another name in it.
    SniMismatch = "sni_mismatch", "the ClientHello names another server";
    /// Encrypted ClientHello: the name inside cannot be seen.
    EncryptedHello = "encrypted_hello", "the ClientHello may hold another name, encrypted";
    /// `Host` is missing, stands twice, or names another host than the request or connection.
    HostMismatch = "host_mismatch", "`Host` and the destination do not agree";
    /// The rule has `methods` or `paths`, and this is none of them.
    MethodOrPath = "method_or_path", "the fleet file allows other methods or paths there";
    /// Not a request that a forward proxy understands.
    BadRequest = "bad_request", "not a request to a forward proxy";
    /// Too slow, or nothing came.
    Slow = "slow", "what was expected did not come in time";
    /// A name was asked for that no rule names.
    NameUndeclared = "name_undeclared", "the fleet file names no such host for this service";
    /// A DNS message that is malformed or asks for something else than names in the Internet class.
    BadQuery = "bad_query", "not a DNS query that is answered here";
    /// The file with the header's value cannot be used.
    Credential = "credential", "the credential could not be read";
    /// More at once than the guard takes.
    TooMany = "too_many", "too many at once";
    /// There is no directory, or control was silent for too long.
    NotReady = "not_ready", "the guard does not know (any more) what is allowed";
    /// Control gave no token for that destination, or none that still counts.
    NoToken = "no_token", "there is no token of this service for that destination that still counts";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_are_what_serde_writes() {
        let words: std::collections::BTreeSet<_> = Refusal::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            assert_eq!(serde_json::to_value(refusal).unwrap(), refusal.as_str());
        }
    }
}
