//! `bartizan ca status`, `rotate`, `revert`, `continue`, `retire` and `distrust`: what a running control does with its CAs.

use super::{place, print, print_json, unanswered};
use crate::args::{CaRetireArgs, CaRotateArgs, DataArgs, PlaceArgs, RotatedArg};
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::limits::ROTATION_POLL;
use crate::render::rotation;
use bartizan_core::rotation::{CaStatus, Phase, Rotate, Rotated, RotationStatus};
use bartizan_runtime::local;
use serde::Serialize;
use serde_json::json;

/// Prints the CAs and the rotation.
pub(crate) async fn status(args: &DataArgs) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let status = ask(&data).await?;
    if args.json { print_json(&status) } else { print(&rotation::text(&status)) }
}

/// Prints the revocation list.
pub(crate) async fn crl(args: &PlaceArgs) -> Result<(), Failure> {
    let data = place(args)?;
    let pem = local::get_text(&data.control_socket(), "/v1/crl").await.map_err(|error| unanswered(&data, &error))?;
    print(&pem)
}

/// Begins a rotation; with `--watch` stays until its end.
pub(crate) async fn rotate(args: &CaRotateArgs) -> Result<(), Failure> {
    let data = place(&args.data.place)?;
    let wanted = Rotate {
        what: match args.what {
            RotatedArg::Root => Rotated::Root,
            RotatedArg::Issuing => Rotated::Issuing,
        },
        canary: args.canary.as_ref().map(ToString::to_string),
        wave_percent: Some(args.wave_percent),
        soak_ms: Some(u64::from(args.soak) * 1000),
    };
    let begun = tell(&data, "rotate", &wanted).await?;
    let number = begun.rotation.as_ref().map_or(0, |it| it.number);
    if args.watch {
        return watch(&data, number).await;
    }
    if args.data.json {
        return print_json(&begun);
    }
    print(&format!(
        "rotation {number} of the {} has begun; `bartizan ca status` shows how far it is\n",
        wanted.what.as_str()
    ))
}

/// Asks for something that needs no more words.
pub(crate) async fn turn(args: &DataArgs, what: &str) -> Result<(), Failure> {
    let data = place(&args.place)?;
    let status = tell(&data, what, &json!({})).await?;
    if args.json { print_json(&status) } else { print(&rotation::text(&status)) }
}

/// Says what breaks where the rotation goes on without those that it waits for; with `--force` has it go on.
pub(crate) async fn retire(args: &CaRetireArgs) -> Result<(), Failure> {
    if args.force {
        return turn(&args.data, "force").await;
    }
    let data = place(&args.data.place)?;
    let status = ask(&data).await?;
    if args.data.json {
        return print_json(&status);
    }
    print(&rotation::what_breaks(&status))
}

/// Prints each step as it is taken. Ends with the rotation, or when it cannot go on by itself.
async fn watch(data: &DataDir, number: u64) -> Result<(), Failure> {
    let (mut shown, mut waited) = (0, String::new());
    loop {
        // Control may be restarted meanwhile; a rotation goes on after that.
        if let Ok(status) = ask(data).await
            && let Some(it) = status.rotation.filter(|it| it.number == number)
        {
            for step in it.history.iter().skip(shown) {
                print(&rotation::step(step))?;
            }
            shown = it.history.len();
            let waiting = rotation::waiting(&it);
            if waiting != waited {
                print(&waiting)?;
                waited = waiting;
            }
            if let Some(end) = end(&it) {
                return end;
            }
        }
        tokio::time::sleep(ROTATION_POLL).await;
    }
}

fn end(it: &RotationStatus) -> Option<Result<(), Failure>> {
    let why = it.halted.as_deref().unwrap_or("by hand");
    match it.phase {
        Phase::Retired => Some(Ok(())),
        Phase::Reverted => Some(Err(Failure::new(format!("rotation {} was taken back: {why}", it.number)))),
        Phase::Retiring if it.halted.is_some() => {
            Some(Err(Failure::new(format!("rotation {} is halted: {why}; `bartizan ca continue` goes on", it.number))))
        }
        _ => None,
    }
}

async fn ask(data: &DataDir) -> Result<CaStatus, Failure> {
    local::get(&data.control_socket(), "/v1/ca").await.map_err(|error| unanswered(data, &error))
}

async fn tell(data: &DataDir, what: &str, body: &impl Serialize) -> Result<CaStatus, Failure> {
    let path = format!("/v1/ca/{what}");
    local::post(&data.control_socket(), &path, body).await.map_err(|error| unanswered(data, &error))
}
