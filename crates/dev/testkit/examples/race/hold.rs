//! Connections that are open and silent, each after one good request. The first that is not answered in time ends the opening.

use crate::closed::{Dial, exchange};
use crate::options::Options;
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncReadExt;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(options: &Options) {
    let (dial, mut held, mut errors, mut bytes) = (Dial::of(options), Vec::new(), 0, Vec::new());
    for number in 0..options.number("connections") as u64 {
        let Ok(mut stream) = dial.open().await else {
            errors += 1;
            continue;
        };
        match tokio::time::timeout(ANSWER_WITHIN, exchange(&mut *stream, &mut bytes, number, false)).await {
            Ok(Ok(true)) => held.push(stream),
            Ok(_) => errors += 1,
            Err(_) => {
                errors += 1;
                break;
            }
        }
    }
    println!("{}", json!({"held": held.len(), "errors": errors}));
    let _ = tokio::io::stdin().read(&mut [0]).await;
}
