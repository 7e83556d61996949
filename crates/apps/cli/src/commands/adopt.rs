//! `bartizan adopt`: takes a running system behind guards, step by step, and back.

use super::plaintext::{self, Report};
use super::{print, print_json, unanswered};
use crate::adopt::edit::set_all;
use crate::adopt::look::{self, Caller};
use crate::adopt::step::{Facts, Step};
use crate::args::{AdoptArgs, AdoptCommand, AdoptPlace};
use crate::data_dir::{DataDir, find};
use crate::failure::Failure;
use crate::limits::{ADOPTED_WITHIN, LOOK_FOR, QUIET_FOR, READY_POLL};
use bartizan_core::edge::Mtls;
use bartizan_core::fleet::Fleet;
use bartizan_core::status::{Reloaded, Status};
use bartizan_runtime::{files, local};
use serde::Serialize;
use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::time::Instant;

/// Where things stand.
#[derive(Debug, Serialize)]
struct Standing {
    /// The step that is next.
    next: Step,
    /// What it does.
    about: &'static str,
    /// What takes the one before back.
    way_back: &'static str,
    /// Who speaks plaintext; `None` while no guards run.
    plaintext: Option<Report>,
    /// Who is connected to whom, where no guards run.
    observed: Vec<Caller>,
}

/// Does what the command line asks for.
pub(crate) async fn run(command: AdoptCommand) -> Result<(), Failure> {
    match command {
        AdoptCommand::Status(args) => {
            let (standing, _) = look(&args.place).await?;
            if args.json { print_json(&standing) } else { print(&told(&standing)) }
        }
        AdoptCommand::Next(args) => next(&args).await,
        AdoptCommand::Back(args) => back(&args).await,
    }
}

/// What was found out.
struct Found {
    fleet: Fleet,
    /// Where the fleet runs.
    running: Option<DataDir>,
}

async fn look(args: &AdoptPlace) -> Result<(Standing, Found), Failure> {
    let file = &args.fleet;
    let (fleet, _) = files::load_fleet(file).map_err(|error| Failure::new(crate::failure::chain(&error)))?;
    if let Some(bare) = fleet.unguarded().next() {
        return Err(Failure::new(format!(
            "`{}`: `adopt` leads a whole fleet behind guards, and `{bare}` is to have none; delete `guards`, or start the fleet with it and \
             name more services there as you go",
            file.display()
        )));
    }
    let data = find(args.data.as_deref(), Some(file), file).ok();
    let status = match &data {
        Some(data) => local::get::<Status>(&data.control_socket(), "/v1/status").await.ok(),
        None => None,
    };
    let Some(status) = status else {
        let observed = look::watch(&look::plain_places(&fleet), LOOK_FOR).into_iter().collect();
        let facts = Facts { file: said(&fleet), ..Facts::default() };
        return Ok((standing(Step::next(&facts), None, observed), Found { fleet, running: None }));
    };
    let report = plaintext::report(&status);
    let lately = report.counted.iter().filter(|it| status.now.since(it.last) < QUIET_FOR).count();
    let facts = Facts {
        file: said(&fleet),
        in_force: Some(report.mtls.clone()),
        settled: status.proxies.iter().all(|proxy| proxy.is_at(&status.epochs)),
        outside: report.now.len(),
        lately,
    };
    Ok((standing(Step::next(&facts), Some(report), Vec::new()), Found { fleet, running: data }))
}

fn said(fleet: &Fleet) -> std::collections::BTreeMap<bartizan_core::ServiceName, Mtls> {
    fleet.services.iter().map(|(name, service)| (name.clone(), service.mtls)).collect()
}

fn standing(next: Step, plaintext: Option<Report>, observed: Vec<Caller>) -> Standing {
    Standing { next, about: next.about(), way_back: next.way_back(), plaintext, observed }
}

fn told(standing: &Standing) -> String {
    let seen = match &standing.plaintext {
        Some(report) => plaintext::told(report),
        None => format!("no guards run\n{}", plaintext::callers(&standing.observed)),
    };
    format!("{seen}\nnext: {}\nway back: {}\n", standing.about, standing.way_back)
}

async fn next(args: &AdoptArgs) -> Result<(), Failure> {
    let (standing, found) = look(&args.place).await?;
    let file = &args.place.fleet;
    print(&told(&standing))?;
    match standing.next {
        Step::Done => Ok(()),
        Step::Start => Err(Failure::new(format!("start the guards with `bartizan up {}`, then go on", file.display()))),
        Step::Move => Err(Failure::new("there are callers without mutual TLS; point them at their guards, then go on")),
        Step::Permit => {
            agreed(args)?;
            write(file, Mtls::Permissive)?;
            print("the fleet file says `mtls: permissive` now\n")
        }
        Step::Reload => {
            agreed(args)?;
            in_force(&found).await
        }
        Step::Strict => {
            agreed(args)?;
            write(file, Mtls::Strict)?;
            in_force(&found).await
        }
    }
}

/// Permissive again where guards run; else the lines are taken out.
async fn back(args: &AdoptArgs) -> Result<(), Failure> {
    let (_, found) = look(&args.place).await?;
    let file = &args.place.fleet;
    let is_strict = found.fleet.services.values().all(|service| service.mtls.is_strict());
    match (&found.running, is_strict) {
        (Some(_), true) => {
            print("back: write `mtls: permissive` and reload; guards take callers without mutual TLS again\n")?;
            agreed(args)?;
            write(file, Mtls::Permissive)?;
            in_force(&found).await
        }
        (Some(_), false) => Err(Failure::new(
            "the guards are permissive; to leave them point callers at the programs again, then stop `bartizan up`",
        )),
        (None, false) => {
            print("back: take `mtls: permissive` out of the fleet file\n")?;
            agreed(args)?;
            write(file, Mtls::Strict)
        }
        (None, true) => print("nothing to take back: no guards run, and the fleet file says nothing of it\n"),
    }
}

/// Reloads, and waits until every guard enforces it.
async fn in_force(found: &Found) -> Result<(), Failure> {
    let data = found.running.as_ref().ok_or_else(|| Failure::new("no guards run"))?;
    let done: Reloaded = local::post(&data.control_socket(), "/v1/reload", &serde_json::json!({}))
        .await
        .map_err(|error| unanswered(data, &error))?;
    let until = Instant::now() + ADOPTED_WITHIN;
    while Instant::now() < until {
        let status = local::get::<Status>(&data.control_socket(), "/v1/status").await;
        let there = |status: &Status| status.proxies.iter().all(|proxy| proxy.is_at(&done.epochs));
        if status.is_ok_and(|status| there(&status)) {
            return print("in force: every guard enforces it\n");
        }
        tokio::time::sleep(READY_POLL).await;
    }
    Err(Failure::new(format!(
        "not every guard enforces it after {} s; `bartizan status` says which, and `bartizan adopt next` goes on",
        ADOPTED_WITHIN.as_secs()
    )))
}

fn write(file: &Path, mtls: Mtls) -> Result<(), Failure> {
    let cannot = |error: &dyn std::fmt::Display| Failure::new(format!("`{}`: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| cannot(&error))?;
    let edited = set_all(&text, mtls).map_err(|error| cannot(&error))?;
    let mode = std::fs::metadata(file).map(|about| std::os::unix::fs::PermissionsExt::mode(&about.permissions()));
    files::write_atomic(file, edited.as_bytes(), mode.unwrap_or(0o644) & 0o777).map_err(|error| cannot(&error))
}

fn agreed(args: &AdoptArgs) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new("nobody is there to ask; say `--yes` to do it"));
    }
    print("do it? [y/N] ")?;
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "yes") => Ok(()),
        _ => Err(Failure::new("nothing was done")),
    }
}
