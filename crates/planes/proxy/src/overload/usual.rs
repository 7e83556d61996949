//! Who comes as usual: for each client how often it came of late, and how often in the last second.
//!
//! Nothing is learned while there is too much: a flood does not become usual by lasting. A client has eight places where it may be
//! remembered, and where all are taken the one that came least goes; so names that come once do not drive out those who come often.

use std::time::Duration;

/// Over what time "of late" is.
const LATELY: Duration = Duration::from_secs(60);
/// How long a client has to be known before anything is usual for it.
const KNOWN_AFTER: Duration = Duration::from_secs(5);
/// How many times its usual rate a client may come, and so many requests in a second besides.
const TIMES: f32 = 2.0;
const BESIDES: f32 = 5.0;
/// Places where one client may stand, a count.
const WAYS: usize = 8;

/// What is remembered of clients.
#[derive(Debug)]
pub struct Usual {
    sets: Vec<[Client; WAYS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Client {
    key: u64,
    /// Milliseconds at which it came last.
    at_ms: u64,
    /// Milliseconds for which something was learned of it.
    known_ms: f32,
    /// Requests in the last second, faded.
    fast: f32,
    /// Requests a second of late, faded; still too small while it is known for less than [`LATELY`].
    slow: f32,
}

impl Usual {
    /// With room for `clients` or a few more; 40 bytes each.
    pub fn new(clients: usize) -> Self {
        Self { sets: vec![[Client::default(); WAYS]; clients.div_ceil(WAYS).next_power_of_two()] }
    }

    /// A request of `key`, a hash that nobody outside can foretell, at `now_ms`; whether it comes as usual. `learn` says whether what
    /// comes now counts as usual later.
    pub fn comes(&mut self, key: u64, now_ms: u64, learn: bool) -> bool {
        let set = (key >> 32) as usize & (self.sets.len() - 1);
        let set = &mut self.sets[set];
        let place = set.iter().position(|client| client.key == key).unwrap_or_else(|| least(set, now_ms));
        let client = &mut set[place];
        if client.key != key {
            *client = Client { key, at_ms: now_ms, ..Client::default() };
        }
        let passed_ms = now_ms.saturating_sub(client.at_ms) as f32;
        client.at_ms = now_ms.max(client.at_ms);
        client.fast = client.fast * (-passed_ms / 1000.0).exp() + 1.0;
        if learn {
            let lately_ms = LATELY.as_millis() as f32;
            client.known_ms += passed_ms;
            client.slow = client.slow * (-passed_ms / lately_ms).exp() + 1000.0 / lately_ms;
        }
        client.comes_as_usual()
    }
}

impl Client {
    fn comes_as_usual(&self) -> bool {
        if self.known_ms < KNOWN_AFTER.as_millis() as f32 {
            return false;
        }
        let seen = 1.0 - (-self.known_ms / LATELY.as_millis() as f32).exp();
        self.fast <= TIMES * self.slow / seen + BESIDES
    }
}

/// The place of whoever came least of late.
fn least(set: &[Client; WAYS], now_ms: u64) -> usize {
    let faded = |client: &Client| {
        let passed_ms = now_ms.saturating_sub(client.at_ms) as f32;
        client.slow * (-passed_ms / LATELY.as_millis() as f32).exp()
    };
    let least = set.iter().enumerate().min_by(|(_, a), (_, b)| faded(a).total_cmp(&faded(b)));
    least.map_or(0, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Comes `times` a second for `seconds`; how many of these were as usual.
    fn come(usual: &mut Usual, key: u64, times: u64, from_ms: u64, seconds: u64, learn: bool) -> u64 {
        let moments = (0..times * seconds).map(|n| from_ms + n * 1000 / times);
        moments.filter(|now_ms| usual.comes(key, *now_ms, learn)).count() as u64
    }

    #[test]
    fn strangers_do_not_come_as_usual_and_a_flood_does_not_become_so() {
        let mut usual = Usual::new(64);
        assert!(!usual.comes(1, 0, true));
        assert_eq!(come(&mut usual, 2, 100, 0, 60, false), 0, "a minute of flood");
        assert!(come(&mut usual, 3, 5, 0, 60, true) >= 270, "all but the first seconds");
    }

    #[test]
    fn who_comes_much_more_than_usual_does_not_and_does_again_later() {
        let mut usual = Usual::new(64);
        come(&mut usual, 1, 5, 0, 60, true);
        assert_eq!(come(&mut usual, 1, 8, 60_000, 10, false), 80, "a little more");
        let flood = come(&mut usual, 1, 200, 70_000, 10, false);
        assert!(flood < 60, "{flood} of 2000");
        assert_eq!(come(&mut usual, 1, 5, 90_000, 10, false), 50);
    }

    #[test]
    fn names_that_come_once_do_not_drive_out_who_comes_often() {
        let mut usual = Usual::new(64);
        for second in 0..20 {
            come(&mut usual, 1 << 40, 5, second * 1000, 1, true);
            (0..1000u64).for_each(|n| _ = usual.comes((second * 1000 + n + 7) << 32, second * 1000 + 999, true));
        }
        assert!(usual.comes(1 << 40, 20_000, true));
    }

    #[test]
    fn a_clock_that_stands_or_steps_back_breaks_nothing() {
        let mut usual = Usual::new(8);
        (0..1000).for_each(|n| _ = usual.comes(1, 1000 - n % 500, true));
        assert!(!usual.comes(1, 0, true));
    }
}
