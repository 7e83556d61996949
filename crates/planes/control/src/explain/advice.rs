//! What to do about denials for which no change is suggested: nobody should let them through by a policy, and why.

/// By the name of the rule that denied in the place of a policy, without its prefix.
pub(super) fn of_rule(rule: &str) -> &'static str {
    match rule {
        "api" => {
            "nothing is suggested: the request is not as the service's API describes it. Mend the caller, or the document where that is wrong"
        }
        "events" => {
            "nothing is suggested: nobody could tell that the sender signed this event. The reason says which check failed; look at the sender's key, clock and address"
        }
        "keys" => {
            "nothing is suggested: a key has to be shown, in date and with the scopes of the route. `bartizan key list` shows those that there are"
        }
        "users" => {
            "nothing is suggested: a token has to be shown that is believed, in date and has the scopes of the route. `bartizan token inspect` says what is wrong with one"
        }
        "login" => "nothing is suggested: somebody has to log in, or be somebody else; sessions end by themselves",
        "limits" => {
            "nothing is suggested: come again later, as `retry-after` says. Where the limit is too low for good callers, raise it at `limits` (docs/manual/limits.md)"
        }
        "slow_down" => {
            "nothing is suggested: the caller does what it does not do as a rule. Find out why; `slow_down` says what is put up with"
        }
        "adaptive" => {
            "nothing is suggested: the service had more to do than it bears. Come again later, or give it more instances"
        }
        _ => "nothing is suggested: this is decided by the fleet file and not by a policy",
    }
}

/// By the word of the check that refused.
pub(super) fn of_word(word: &str) -> &'static str {
    match word {
        "revoked" | "own_revoked" => {
            "nothing is suggested: trust was taken away. `bartizan revoked` says why and by whom; only where that is settled, `bartizan restore`"
        }
        "peer_expired" | "own_expired" => {
            "nothing is suggested: a certificate ran out. Guards renew by themselves: look why this one did not (`bartizan expiry`, its log)"
        }
        "untrusted" => {
            "nothing is suggested: the caller's root is not trusted any more. It gets another certificate when its guard or node reaches control"
        }
        "snapshots_expired" | "expired" => {
            "nothing is suggested: the guard has not heard from control for too long. Mend that way first"
        }
        "mtls_required" => {
            "nothing is suggested: the caller showed no certificate. Put a guard beside it; a service that has yet to move may say `mtls: permissive` for the time"
        }
        "certificate_required" | "not_for_client" => {
            "nothing is suggested: the route is for clients with a certificate whom it names"
        }
        "address_denied" => {
            "nothing is suggested: the client's address is not among those that the gateway or the route takes (`addresses`)"
        }
        "cross_site" => {
            "nothing is suggested: another site sent this with the cookies of somebody who is logged in: what looks like an attack stays out"
        }
        "rate_limited" | "overloaded" | "limits_unknown" => {
            "nothing is suggested: come again later, as `retry-after` says; limits are declared at `limits` of the fleet file"
        }
        "scope_missing"
        | "token_missing"
        | "token_refused"
        | "narrowing_refused"
        | "narrowing_unreadable"
        | "narrowing_failed" => of_rule("users"),
        "key_missing" | "key_refused" => of_rule("keys"),
        "event_refused" => of_rule("events"),
        "session_over" => of_rule("login"),
        "body_too_large" | "body_timeout" | "body_cut_short" => {
            "nothing is suggested: the body is too long, too slow or not whole. Mend the caller; how much is taken is said at `limits`"
        }
        _ => {
            "nothing is suggested: the request itself cannot be accepted, whoever sends it; no policy would let it through. Mend the caller, or ask who would send such a thing: that is how attacks look"
        }
    }
}
