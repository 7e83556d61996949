//! A network namespace for one program, and the porter that lives in it: the one process in there that is ours.
//!
//! In: a socket from who started the porter. Out: a namespace with nothing but loopback, and sockets made in it for those who
//! hold an end of the porter's. Who has none (no path leads to the porter) gets none.
//!
//! Where the kernel gives user namespaces, the program gets one of its own as well: even as root it is nobody outside, so it
//! cannot step into the namespace of the host or look into another program.

mod enter; // a program goes in
mod everywhere; // every address is loopback
mod lo; // loopback, up
mod maps; // who the users in there are
mod porter; // start here: the process in there
mod redirect; // what is opened to a name comes to the guard
mod start; // what who starts it says to it

pub use enter::{EnterError, enter};
pub use porter::{PorterError, Redirect, run};
pub use start::{StartError, Started, Way, start};
