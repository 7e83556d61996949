//! A folder that all members have: what the leader changes in its own is kept by a majority before anybody is told of it.
//!
//! The leader works in an ordinary folder, and whoever changes something there asks [`Kept::settle`] before an answer goes out: the
//! folder is read, what differs from what the group has becomes a change of the group, and only when a majority has that change on
//! disk the answer may go. Whoever leads next lays the folder out ([`Folder::lay_out`]) and has everything that anybody was told of.
//! What a leader wrote and could not settle is nowhere: its folder is laid out anew before it leads again.
//!
//! Files are written whole or appended to; databases (`*.db`) are read by [`bartizan_store::Copier`], as one state each, and after all
//! other files. Between two files there is no such order: who reads the folder after a change of leader finds what he would after a
//! kill at that moment.

mod edit; // what differs, in parts that fit into an entry
mod image; // what the group has
mod keep; // start here: asked to settle, it does
mod lay; // out of the image into a folder
mod read; // what there is in a folder

pub use edit::{Edit, Part};
pub use image::{Folder, Image};
pub use keep::{Kept, NotKept};
pub use lay::LayError;
pub use read::Own;
