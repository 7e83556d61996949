//! `bank`: one of the bank's services, or the client that loads them.

use bank::accounts::Accounts;
use bank::client::Client;
use bank::journal::Durability;
use bank::load::{self, Plan};
use bank::payment::Payment;
use bank::server::{listen, serve};
use bank::transactions::Transactions;
use clap::{Args, Parser, Subcommand};
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(name = "bank", about = "The services of a small bank, and a client that loads them")]
struct Bank {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Holds the money. Needs USERS_URL
    Accounts(Serving),
    /// Carries payments through. Needs ACCOUNTS_URL and TRANSACTIONS_URL
    Payment(Serving),
    /// Keeps the ledger. Needs NOTIFICATIONS_URL
    Transactions(Serving),
    /// Makes users, accounts and payments, and checks that no money was made or lost
    Load(Plan),
}

#[derive(Args)]
struct Serving {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Folder for the journal; made if it is not there
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Answer before the disk has it. A power cut then loses money: only for measuring what the disk costs
    #[arg(long)]
    no_fsync: bool,
}

// One thread serves: these programs mostly wait, and the others of the fleet need the cores.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Bank::parse().part).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bank: {}", chain(error.as_ref()));
            ExitCode::from(2)
        }
    }
}

async fn run(part: Part) -> Result<ExitCode, Box<dyn Error>> {
    match part {
        Part::Load(plan) => return Ok(load::run(&plan).await?),
        Part::Accounts(serving) => {
            let (durability, stop) = prepare(&serving)?;
            let service = Accounts::open(&serving.data, durability, Client::from_env("users")?)?;
            serve(listen(serving.listen).await?, Arc::new(service), stop).await;
        }
        Part::Payment(serving) => {
            let (durability, stop) = prepare(&serving)?;
            let (accounts, transactions) = (Client::from_env("accounts")?, Client::from_env("transactions")?);
            let service = Payment::open(&serving.data, durability, accounts, transactions)?;
            let listener = listen(serving.listen).await?;
            service.resume();
            serve(listener, service, stop).await;
        }
        Part::Transactions(serving) => {
            let (durability, stop) = prepare(&serving)?;
            let service = Transactions::open(&serving.data, durability, Client::from_env("notifications")?)?;
            let listener = listen(serving.listen).await?;
            tokio::spawn(Arc::clone(&service).notify_all());
            serve(listener, service, stop).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Before the service listens: whoever sees it listen may ask it to stop.
fn prepare(serving: &Serving) -> std::io::Result<(Durability, CancellationToken)> {
    std::fs::create_dir_all(&serving.data)?;
    let durability = if serving.no_fsync { Durability::Kernel } else { Durability::Disk };
    Ok((durability, stop()?))
}

/// Fires at SIGTERM and SIGINT.
fn stop() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
        asked.cancel();
    });
    Ok(stop)
}

fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
