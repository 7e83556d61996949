//! `bank load`: makes users, accounts and payments, measures, and counts the money at the end.
//!
//! A closed loop (`--concurrency`) asks how much the bank can do; an open loop (`--rate`) how long a client waits at
//! a given load. In the open loop a latency runs from the moment the payment was due, not from when there was a free
//! connection, so a bank that stalls cannot hide it.

mod check;
mod dice;
mod drive;
mod populate;
mod report;
mod tls;

use crate::client::{CallError, Client, UrlError};
use crate::limits::PAUSE_MIN;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What to load, and how.
#[derive(Debug, Args)]
pub struct Plan {
    /// Where the bank is: its gateway, or one service that stands for all
    #[arg(long, default_value = "https://127.0.0.1:8443")]
    pub url: String,
    /// Another place for users; without a gateway, give all four
    #[arg(long, value_name = "URL")]
    pub users_url: Option<String>,
    /// Another place for accounts
    #[arg(long, value_name = "URL")]
    pub accounts_url: Option<String>,
    /// Another place for payment
    #[arg(long, value_name = "URL")]
    pub payment_url: Option<String>,
    /// Another place for transactions
    #[arg(long, value_name = "URL")]
    pub transactions_url: Option<String>,
    /// Certificates of the authority to trust for https, a PEM file
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Users to make
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub users: u32,
    /// Accounts to open, dealt out to the users
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub accounts: u32,
    /// Money in each account at the beginning, in cents
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=crate::limits::CENTS_MAX))]
    pub opening_cents: u64,
    /// Seconds to run
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub duration: Duration,
    /// Payments to make, instead of a time to run
    #[arg(long, conflicts_with = "duration")]
    pub count: Option<u64>,
    /// Workers of the closed loop; in the open loop the most connections
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: u32,
    /// Payments per second: an open loop
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub rate: Option<f64>,
    /// Decides who pays whom, and how much
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print the report as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Say where the bank is.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Give another file to `--ca`.
    #[error("authority `{file}`: {why}")]
    Authority {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The bank is not there, or not well.
    #[error("{what}")]
    Call {
        /// What was to be done.
        what: String,
        /// Why it was not.
        #[source]
        source: CallError,
    },
    /// The bank answered, but not what a bank answers.
    #[error("{what}: answered {status} `{body}`")]
    Answer {
        /// What was to be done.
        what: String,
        /// The answer's status.
        status: u16,
        /// The beginning of its body.
        body: String,
    },
    /// Payments are open that should long be settled.
    #[error("{open} payments are still open after {} s", crate::limits::SETTLE_WITHIN.as_secs())]
    NotSettled {
        /// How many.
        open: u64,
    },
}

/// Time for one call to the bank. Longer than payment takes to say "not yet".
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// The four services that a client speaks to.
struct Bank {
    users: Client,
    accounts: Client,
    payment: Client,
    transactions: Client,
}

impl Bank {
    fn find(plan: &Plan) -> Result<Self, LoadError> {
        let tls = plan.ca.as_deref().map(tls::connector).transpose()?;
        let client = |own: &Option<String>| {
            let url = own.as_ref().unwrap_or(&plan.url);
            Client::new(url, plan.concurrency as usize, CALL_WITHIN, tls.clone())
        };
        Ok(Self {
            users: client(&plan.users_url)?,
            accounts: client(&plan.accounts_url)?,
            payment: client(&plan.payment_url)?,
            transactions: client(&plan.transactions_url)?,
        })
    }
}

/// Runs the plan and prints the report. 0: all is well; 1: money was made or lost; 2: no payment went through.
///
/// # Errors
/// [`LoadError`], where there is nothing to report.
pub async fn run(plan: &Plan) -> Result<ExitCode, LoadError> {
    let bank = Arc::new(Bank::find(plan)?);
    let run = dice::run_seed();
    let accounts = populate::populate(&bank, plan, run).await?;
    let mut driven = drive::drive(&bank, plan, &accounts, run).await;
    drive::settle(&bank, &mut driven).await;
    let problems = check::check(&bank, plan, &accounts, &driven).await?;
    report::print(plan, &driven, &problems);
    Ok(match (problems.is_empty(), driven.done) {
        (false, _) => ExitCode::from(1),
        (true, 0) => ExitCode::from(2),
        (true, _) => ExitCode::SUCCESS,
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 =
        text.strip_suffix('s').unwrap_or(text).parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration >= PAUSE_MIN => Ok(duration),
        _ => Err("give at least 0.02 seconds".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("give 0.1 to 1000000 payments per second".to_owned()),
    }
}
