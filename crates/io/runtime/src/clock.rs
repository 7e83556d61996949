//! The one clock: planes read it here and hand `now` to the engines.

use bartizan_core::Timestamp;
use std::time::SystemTime;

/// The machine's time. It may step backwards (NTP); measure durations with `std::time::Instant`.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}
