//! A request and a response as they stand between two connections, whatever is spoken on these.

mod body; // content, streamed
mod fields;
mod head;

pub use body::{Body, Chunk, Trouble, Watch};
pub use fields::Fields;
pub use head::{RequestHead, ResponseHead};
