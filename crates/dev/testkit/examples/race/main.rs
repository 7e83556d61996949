//! The programs beside the racers of `benches/dataplane/race.py`: an upstream, load clients that check every answer, and the
//! byte relay that proxies are measured against. Each has one thread, but for the open loop, which has one for a connection.
//!
//! `race upstream --http ADDR[,ADDR] --bulk ADDR`
//! `race relay --listen ADDR --to ADDR --end client|server --cert FILE --key FILE --ca FILE [--name DNS]`
//! `race closed --to ADDR --connections N --seconds S [--post] [--ca FILE --name DNS]`
//! `race open --to ADDR --connections N --seconds S --rate PER_SECOND [--ca FILE --name DNS]`
//! `race h2 --to ADDR --connections N --streams N --seconds S`
//! `race handshakes --to ADDR --count N --cert FILE --key FILE`
//! `race hold --to ADDR --connections N` holds them until its standard input ends
//! `race bulk --to ADDR --connections N --seconds S`
//!
//! `closed`, `open`, `hold` and `bulk` go through a SOCKS5 door with `--socks ADDR`. Clients print one JSON document.
#![allow(clippy::unwrap_used, missing_docs)]

mod bulk;
mod closed;
mod h2;
mod handshakes;
mod hold;
mod open;
mod options;
mod relay;
mod report;
mod tls;
mod upstream;
mod way; // to a racer
mod wire; // what requests and answers look like

use options::Options;
use tokio::task::LocalSet;

fn main() {
    bartizan_runtime::process::raise_descriptors();
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let options = Options::read(args);
    if options.has("header") {
        wire::with_header(options.text("header"));
    }
    if command == "open" {
        return open::run(&options); // no runtime: its timers are too coarse
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        match command.as_str() {
            "upstream" => upstream::run(&options).await,
            "relay" => relay::run(&options).await,
            "closed" => closed::run(&options).await,
            "h2" => h2::run(&options).await,
            "handshakes" => handshakes::run(&options).await,
            "hold" => hold::run(&options).await,
            "bulk" => bulk::run(&options).await,
            other => panic!("`{other}` is none of: upstream relay closed open h2 handshakes hold bulk"),
        }
    });
}
