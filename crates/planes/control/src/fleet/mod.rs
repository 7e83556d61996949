//! From the files to what is to be in force: read, checked whole, not yet numbered or signed.

pub(crate) mod changes;
mod directory;
mod grow;
mod load;
mod plan;
mod raises;

pub(crate) use directory::{Away, directory, id_of, is_member, members};
pub(crate) use load::{Desired, Grown, load, load_growing, write_plan};
pub use load::{check_apis, check_senders, check_users};
pub(crate) use raises::{programs, raises, splits, with_splits_of};
