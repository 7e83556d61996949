//! The policy engine from outside: a fleet and policy texts in, decisions and messages out.
#![allow(clippy::unwrap_used, missing_docs)]

mod check;
mod decide;
mod equality;
mod expected; // denials that surprise nobody
mod explain;
mod foreign;
mod from_fleet;
mod inert; // refused, since nothing would come of it
mod limits;
mod matrix;
mod memo;
mod refusals;
mod shadow; // tried out
mod shares; // what one guard needs
mod soup;
mod suggest; // what to do after a denial
mod support;
mod users;
