//! The state that all members have.

/// A state that changes in steps, each of which has the same outcome wherever it is made: no clock, nothing random, no question to
/// anybody. It is held by one thread.
pub trait Machine: Send + 'static {
    /// Makes a change. What it returns goes to whoever asked for it, where that was asked here.
    fn apply(&mut self, index: u64, change: &[u8]) -> Vec<u8>;

    /// Answers a question, changing nothing.
    fn look(&self, question: &[u8]) -> Vec<u8>;

    /// The whole state, at most [`STATE_BYTES_MAX`](bartizan_replica::limits::STATE_BYTES_MAX) bytes.
    fn save(&self) -> Vec<u8>;

    /// Takes a whole state in the place of what it has.
    ///
    /// # Errors
    /// In words, where it is none; the member ends.
    fn load(&mut self, state: &[u8]) -> Result<(), String>;
}
