//! One question of the gateway.

use super::{Failure, back_channel, end, redeem, renew, said};
use crate::app::App;
use crate::limits::LOGIN_WITHIN;
use crate::settled::settle;
use bartizan_core::login::{Answer, Ask};
use bartizan_runtime::clock;
use std::sync::Arc;

/// Answers a question as it came, in bounded time. Whoever asks is the gateway; the stream says so.
///
/// Dropping the future gives up what it waits for; what was stored stays so.
pub(crate) async fn answer(app: Arc<App>, ask: Vec<u8>) -> Vec<u8> {
    let answer = match serde_json::from_slice::<Ask>(&ask) {
        Err(error) => Answer::Refused(format!("a question that cannot be read: {error}")),
        Ok(ask) => match tokio::time::timeout(LOGIN_WITHIN, answered(&app, ask)).await {
            Ok(answer) => answer,
            Err(_) => Answer::Unable(format!("no answer within {} s", LOGIN_WITHIN.as_secs())),
        },
    };
    if let Answer::Refused(why) | Answer::Unable(why) = &answer {
        tracing::warn!(why, "a log-in at the gateway did not come about, or did not go on");
    }
    serde_json::to_vec(&answer).unwrap_or_default()
}

async fn answered(app: &Arc<App>, ask: Ask) -> Answer {
    let now = clock::now();
    let Some((in_force, said)) = said(app) else {
        return Answer::Refused("the fleet file has no `gateway.login` any more".to_owned());
    };
    let changes = !matches!(ask, Ask::Keys);
    let done = match ask {
        Ask::Keys => app.login.keys.in_force(&said, now).map(Answer::Keys),
        Ask::Redeem(asked) => redeem::redeem(app, &in_force, &said, &asked, now).await,
        Ask::Renew { session } => renew::renew(app, &in_force, &said, &session, now).await,
        Ask::End(ended) => end::end(app, &said, &ended, now).await,
        Ask::BackChannel { token } => back_channel::hear(app, &in_force, &said, &token, now),
    };
    if changes && let Err(error) = settle(app.options.leading.as_ref()).await {
        return Answer::Unable(error.to_string());
    }
    done.unwrap_or_else(|failure| match failure {
        Failure::Refused(why) => Answer::Refused(why),
        Failure::Unable(why) => Answer::Unable(why),
    })
}
