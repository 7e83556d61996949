//! A whole fleet in a test: `bartizan up` as a real process tree, on free ports, in a folder of its own.
//!
//! In: a fleet file's text, or the example bank. Out: a running fleet to call, to break and to stop.
//! Everything that is started dies with the test, also when the test fails.
//! Absent on purpose: mocks. Programs, sockets, certificates and databases are the real ones.

mod bank;
mod clock;
mod fleet;
mod http;
mod load;
mod ports;
mod proc;
mod reloads;
mod replay;
mod wait;

pub use bank::{BANK_SERVICES, Bank, bank_folder};
pub use clock::Clock;
pub use fleet::{Up, binary};
pub use http::{Answer, get, request, request_by};
pub use load::{Connection, Echo, Kind, Load, Sum, Target};
pub use ports::free_ports;
pub use proc::{alive, kill_all_hard, kill_hard, listening, tree};
pub use reloads::{Outcome, Plan, WARM, reload_under_load};
pub use replay::{Replay, Said, replay};
pub use wait::{Deadline, wait_for};
