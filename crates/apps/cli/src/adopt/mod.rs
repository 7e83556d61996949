//! A running system on its way behind guards: who speaks plaintext, which step is next, and the change of the fleet file.

pub(crate) mod edit; // the fleet file's text
pub(crate) mod look; // who is connected to whom now
pub(crate) mod step; // which step is next
