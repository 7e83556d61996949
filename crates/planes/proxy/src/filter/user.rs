//! Who is behind the request: at the gateway by the token that the user shows, inbound by the transaction token that came along.
//!
//! Nobody can be somebody by saying so: what a client sends in our own headers never passes the gateway.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use crate::users::shown::{self, NotShown};
use crate::users::{NARROW, NotNarrowed, TXN_DELEGATION, TXN_TOKEN, Tokens, Vouched, Wanted, is_misspelt};
use bartizan_core::narrow::Narrow;
use bartizan_core::user::User;
use bartizan_core::{Decision, Denial, Verdict};
use bartizan_tokens::dpop::ProofError;
use bartizan_tokens::txn::TxnError;
use bartizan_tokens::{BindingError, Presented, ProofKey, PublicReason, Scopes, TokenError};
use std::sync::Arc;

pub(super) const IT: Filter = Filter { name: "user", run };

/// What stands for the policies where a token is refused: no policy was asked.
const BY: &str = "fleet:users";

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    match x.conn.side {
        Side::Gateway => at_the_edge(x),
        Side::Inbound => handed_on(x),
        Side::Outbound(_) => hand_on_less(x),
    }
}

/// Says whom it is for, to the next hop; and inbound, remembers it for the calls that follow.
pub(super) fn hand_on(x: &mut Exchange<'_>) -> Result<(), Answer> {
    match x.conn.side {
        Side::Gateway => vouch(x),
        Side::Inbound => {
            remember(x);
            Ok(())
        }
        Side::Outbound(_) => {
            attach(x);
            Ok(())
        }
    }
}

fn at_the_edge(x: &mut Exchange<'_>) -> Result<(), Answer> {
    x.head.fields.remove(TXN_TOKEN);
    x.head.fields.remove(TXN_DELEGATION);
    let Some(route) = x.edge_route.map(|route| route.said).filter(|route| route.auth.takes_user() && x.user.is_none())
    else {
        return Ok(());
    };
    let users =
        x.live.users.clone().ok_or_else(|| Answer::new(503, "not_ready", "nobody's tokens are known here yet"))?;
    let by = match shown::read(x.head, x.conn.proxy(), x.now) {
        Ok(by) => by,
        Err(NotShown::Missing) => return Err(shown::missing()),
        Err(NotShown::Proof(error)) => return Err(unproven(x, &error)),
    };
    let certificate = x.conn.caller.as_ref().map(|caller| caller.peer.certificate());
    let proof_key = by.key.as_ref().map(ProofKey::thumbprint);
    let shown = Presented { token: &by.token, certificate, proof_key };
    let verified = x.conn.worker.users.borrow_mut().access.verify(users.trust(), &shown, users.audience(), x.now);
    let token = verified.map_err(|error| refused(x, &error, by.key.is_some()))?;
    if let Some(missing) = route.scopes.iter().find(|scope| !token.scopes.has(scope)) {
        deny(x, format!("the token of {} has no scope `{missing}`", users.user(&token)));
        let way = if by.key.is_some() { "DPoP" } else { "Bearer" };
        let challenge = format!("{way} error=\"insufficient_scope\", scope=\"{}\"", route.scopes.join(" "));
        return Err(Answer::new(403, "scope_missing", "the token does not allow this").with_challenge(challenge));
    }
    x.user = Some(Arc::new(users.user(&token)));
    // It stays at the edge: what goes on is ours, and ends within a minute.
    shown::take_off(x.head);
    Ok(())
}

/// The caller learns one word, the operator the check.
fn refused(x: &mut Exchange<'_>, error: &TokenError, proven: bool) -> Answer {
    deny(x, error.to_string());
    // A token that is bound to a key may come back with a proof; others as they came.
    let with_proof = proven || matches!(error, TokenError::Binding(BindingError::NoProof));
    told(error.public(), with_proof)
}

fn unproven(x: &mut Exchange<'_>, error: &ProofError) -> Answer {
    deny(x, error.to_string());
    told(error.public(), true)
}

fn told(public: PublicReason, with_proof: bool) -> Answer {
    let way = if with_proof { format!("{},", shown::with_proof()) } else { "Bearer".to_owned() };
    let challenge = format!("{way} error=\"{}\", error_description=\"{}\"", public.code(), public.text());
    Answer::new(401, "token_refused", public.text()).with_challenge(challenge)
}

fn deny(x: &mut Exchange<'_>, why: String) {
    let epoch = x.live.policies.as_ref().map(|policies| policies.epoch()).unwrap_or_default();
    x.decision = Some(Arc::new(Decision {
        verdict: Verdict::Deny,
        policies: vec![BY.into()],
        reason: Some(why.into()),
        public: false,
        denial: Denial::Unexpected,
        epoch,
    }));
}

fn handed_on(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if x.head.fields.get(TXN_TOKEN).is_none() {
        return Ok(());
    }
    // Without mutual TLS nobody vouches for who hands it on.
    if x.conn.caller.is_none() {
        x.head.fields.remove(TXN_TOKEN);
        x.head.fields.remove(TXN_DELEGATION);
        return Ok(());
    }
    let (token, delegation) = (x.head.fields.only(TXN_TOKEN), x.head.fields.only(TXN_DELEGATION));
    let (Some(token), Some(delegation), Some(authority)) = (token, delegation, &x.live.authority) else {
        let why = "a transaction token that cannot be read, or came without delegation, or no authority is known";
        deny(x, why.to_owned());
        return Err(Answer::new(401, "token_refused", "the transaction token is not accepted"));
    };
    let judged = x.conn.worker.users.borrow_mut().user(authority, token, delegation, x.now);
    match judged {
        Ok(vouched) if x.live.denied.as_ref().is_some_and(|denied| vouched.is_denied(denied)) => {
            deny(x, format!("transaction token: `{}`, which minted it, is on the deny list", vouched.minter));
            Err(Answer::new(401, "token_refused", "the transaction token is not accepted"))
        }
        Ok(Vouched { user, tokens, .. }) => {
            x.user = Some(user);
            x.tokens = Some(tokens);
            Ok(())
        }
        Err(error) => {
            deny(x, format!("transaction token: {error}"));
            Err(Answer::new(401, "token_refused", "the transaction token is not accepted"))
        }
    }
}

fn vouch(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let Some(user) = &x.user else { return Ok(()) };
    let cannot = || Answer::new(503, "not_ready", "this proxy cannot vouch for users at the moment");
    let minting = x.live.minting.as_ref().ok_or_else(cannot)?;
    let proxy = x.conn.proxy();
    let minted = &mut x.conn.worker.users.borrow_mut().minted;
    let token = minted.token(minting, user, x.trace.request, (&proxy.id, &proxy.domain), x.now).map_err(|error| {
        tracing::error!(%error, "no transaction token could be made");
        cannot()
    })?;
    x.head.fields.set(TXN_TOKEN, token.as_bytes());
    x.head.fields.set(TXN_DELEGATION, minting.delegation().as_bytes());
    Ok(())
}

fn remember(x: &mut Exchange<'_>) {
    if let Some(tokens) = x.tokens.take() {
        x.conn.proxy().carried.remember(x.trace.request, tokens, x.now);
    }
}

/// Leaves of the user's token what the edge does, and the program asks for. What the program sends itself is held to the same.
fn hand_on_less(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let live = x.live;
    let peer = x.to.as_ref().and_then(|to| live.directory.as_ref()?.peers.get(to));
    let edge = peer.and_then(|peer| peer.narrow.as_ref());
    let misspelt = x.head.fields.iter().any(|(name, _)| is_misspelt(name));
    if edge.is_none() && !x.head.fields.contains(NARROW) && !misspelt {
        return Ok(());
    }
    let wanted = if misspelt {
        Err(NotNarrowed::Unreadable("it is spelt with `-`, and nothing else"))
    } else {
        narrowed(x, edge)
    };
    match wanted {
        Ok(tokens) => {
            x.tokens = tokens;
            Ok(())
        }
        Err(error) => {
            deny(x, error.to_string());
            Err(match error {
                NotNarrowed::Unreadable(_) => {
                    Answer::new(400, "narrowing_unreadable", "what the call asks for cannot be read")
                }
                NotNarrowed::Nobody | NotNarrowed::Wider(_) => {
                    Answer::new(403, "narrowing_refused", "a call cannot be made with more than it was given")
                }
                NotNarrowed::Token(_) => Answer::new(403, "narrowing_failed", "the user's token cannot be handed on"),
            })
        }
    }
}

fn narrowed(x: &Exchange<'_>, edge: Option<&Narrow>) -> Result<Option<Arc<Tokens>>, NotNarrowed> {
    let fields = &x.head.fields;
    let asked = match (fields.contains(NARROW), fields.only(NARROW)) {
        (false, _) => None,
        (true, Some(text)) => Some(Scopes::parse(text)?),
        (true, None) => return Err(NotNarrowed::Unreadable("it is there more than once, or no text")),
    };
    let proxy = x.conn.proxy();
    let carried = proxy.carried.find(x.trace.request, x.now);
    let held = carried.as_ref().map(|tokens| (&*tokens.token, &*tokens.delegation));
    let tokens = match (held, fields.contains(TXN_TOKEN)) {
        (Some(held), _) => held,
        (None, false) if asked.is_some() => return Err(NotNarrowed::Nobody),
        (None, false) => return Ok(None),
        (None, true) => {
            let shown = fields.only(TXN_TOKEN).zip(fields.only(TXN_DELEGATION));
            shown.ok_or(NotNarrowed::Unreadable("the program sent a token that cannot be read, or no delegation"))?
        }
    };
    let authority = x.live.authority.as_ref().ok_or(TxnError::NotDelegated("of an unknown authority".to_owned()))?;
    let mut memory = x.conn.worker.users.borrow_mut();
    memory.narrow(authority, tokens, &Wanted { edge, asked }, &proxy.id, x.now).map(Some)
}

/// What the program sends itself goes on where nothing is known of the trace, and the edge takes nothing away: the callee's guard
/// checks it.
fn attach(x: &mut Exchange<'_>) {
    if let Some(tokens) = x.tokens.take() {
        x.head.fields.set(TXN_TOKEN, tokens.token.as_bytes());
        x.head.fields.set(TXN_DELEGATION, tokens.delegation.as_bytes());
        return;
    }
    if let Some(tokens) = x.conn.proxy().carried.find(x.trace.request, x.now) {
        x.head.fields.set(TXN_TOKEN, tokens.token.as_bytes());
        x.head.fields.set(TXN_DELEGATION, tokens.delegation.as_bytes());
    }
}

/// How a user is written into events.
pub fn written(user: &User) -> Arc<str> {
    user.to_string().into()
}
