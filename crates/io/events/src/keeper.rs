//! The thread that tends a log: see [`Log::tend`].

use crate::limits::KEEP_EVERY;
use crate::log::Log;
use bartizan_core::Timestamp;
use std::io;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

/// Starts it. It ends once nobody holds the log any more, or the log is closed.
pub(crate) fn start(log: &Arc<Log>) -> io::Result<()> {
    let log = Arc::downgrade(log);
    std::thread::Builder::new().name("events-keeper".to_owned()).spawn(move || run(&log)).map(drop)
}

fn run(log: &Weak<Log>) {
    loop {
        std::thread::sleep(KEEP_EVERY);
        loop {
            let Some(log) = log.upgrade().filter(|log| !log.is_closed()) else { return };
            if !log.tend(Timestamp::from(SystemTime::now())) {
                break;
            }
        }
    }
}
