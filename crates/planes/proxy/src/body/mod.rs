//! Bodies on their way through: streamed frame by frame, counted, never collected.

mod download;
mod drain;
mod upload;

pub use download::Download;
pub use drain::drain;
pub use upload::{Trouble, Upload, Watch};
